"""Rows of the ledger as the services leave them."""

import uuid
from datetime import timedelta
from typing import Any

from django.db.models.functions import Now

from sign_s3.destinations import Destination
from sign_s3.keys import new_id
from sign_s3.models import MediaObject, State
from sign_s3.tests.app.models import PHOTOS


def a_key(destination: Destination = PHOTOS, *, path: str | None = None) -> str:
    """A new key of a destination; ``path`` expands the dates of one that has them."""
    return (path or destination.path) + new_id() + next(iter(destination.types.values()))


def in_the_ledger(key: str | None = None, state: State = State.ATTACHED, **fields: Any) -> str:
    """A new row in this state, with what goes with the state; its key."""
    values: dict[str, Any] = {
        "key": key or a_key(),
        "owner": "alice",
        "etag": '"e"',
        "content_type": "image/jpeg",
        "size": 1_000,
        "state": state,
    }
    if state == State.PROMOTING:
        values |= {"token": uuid.uuid4(), "lease_until": Now() + timedelta(seconds=60)}
    elif state == State.ATTACHED:
        values |= {"attached_at": Now()}
    else:
        values |= {"due_at": Now()}
    return MediaObject.objects.create(**values | fields).key
