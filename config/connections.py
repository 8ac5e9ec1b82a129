"""Database connections from one request to the next, as Django keeps them, for less.

Before and after each request Django closes connections that are broken or too old. To find them it
asks a store of its own several times over, which takes longer than signing a form, also where there
are none. Here each thread remembers the connections it has opened.

Only `config.wsgi` asks for it.
"""

import threading
from typing import Any, Final

from django import db
from django.conf import settings
from django.core.cache import close_caches
from django.core.signals import request_finished, request_started
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created


class _Opened(threading.local):
    """The connections that this thread has ever opened. Django shares none between threads."""

    def __init__(self) -> None:
        self.here: list[BaseDatabaseWrapper] = []


_opened: Final = _Opened()


def keep_cheaply() -> None:
    """Replace Django's receivers of this process by ours, which do the same.

    No cache is used here, and queries are kept when debugging alone.
    """
    _connect(ours=True)


def keep_as_django_does() -> None:
    """Take that back, for tests."""
    _connect(ours=False)


def _connect(*, ours: bool) -> None:
    for signal, receiver, is_ours in (
        (connection_created, _remember, True),
        (request_started, _close_old, True),
        (request_finished, _close_old, True),
        (request_started, db.close_old_connections, False),
        (request_finished, db.close_old_connections, False),
        (request_started, db.reset_queries, False),
        (request_finished, close_caches, False),
    ):
        if is_ours == ours or (settings.DEBUG and receiver is db.reset_queries):
            signal.connect(receiver)
        else:
            signal.disconnect(receiver)


def _remember(connection: BaseDatabaseWrapper, **_: Any) -> None:
    if connection not in _opened.here:
        _opened.here.append(connection)


def _close_old(**_: Any) -> None:
    for connection in _opened.here:
        connection.close_if_unusable_or_obsolete()
