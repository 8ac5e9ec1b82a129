"""What Granian serves: ``granian --interface wsgi config.wsgi:application``."""

import os
from collections.abc import Iterable
from typing import Any
from wsgiref.types import StartResponse

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.db import connections
from django.http import HttpResponse

from config.connections import keep_cheaply
from config.postgresql.bounds import limit_statements

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

_django = get_wsgi_application()
keep_cheaply()
limit_statements(connections.databases, seconds=settings.DATABASE_STATEMENT_TIMEOUT)


def application(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
    """Django's answer, as a list where it is whole.

    Granian sends a list at once and walks through anything else piece by piece, which takes 15 µs.
    What has something to do once it is sent stays as it is, so that the server closes it then.
    """
    response = _django(environ, start_response)
    if not isinstance(response, HttpResponse) or type(response).close is not HttpResponse.close:
        return response
    body = [response.content]
    response.close()
    return body
