"""PostgreSQL's times, read by the standard library's parser.

psycopg takes a regular expression to each, and Django replaces the zone of what it found, which is
a tenth of what a page of a feed takes.
"""

from datetime import UTC, datetime
from typing import Any

from django.db.backends.postgresql.psycopg_any import BaseTzLoader


class UTCLoader(BaseTzLoader):  # type: ignore[misc]
    """Times of a connection whose zone is UTC, as Django sets it; everything else as before."""

    timezone = UTC

    def load(self, data: Any) -> datetime:
        text = bytes(data).decode()
        if text.endswith("+00"):
            try:
                return datetime.fromisoformat(text)
            except ValueError:
                pass  # past the year 9999, infinite or in another DateStyle
        loaded: datetime = super().load(data)
        return loaded
