"""What a service refuses, in terms that clients can act on. The API translates these once."""

from dataclasses import dataclass
from typing import Final

#: Seconds a client waits before it asks again: while an attach runs, while the store recovers, and
#: until a request before it is done with the store.
RETRY_ATTACHING: Final = 5
RETRY_STORE: Final = 5
RETRY_BUSY: Final = 1


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with one part of a request: ``attr`` is its place in the body."""

    attr: str
    code: str
    detail: str


class UploadsRefused(Exception):
    """The request is wrong about these uploads and will stay wrong (400)."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("; ".join(problem.detail for problem in problems))
        self.problems = problems


class UnknownUploads(UploadsRefused):
    """The uploads are somebody else's, so to this caller they do not exist (404)."""


class UploadsInUse(UploadsRefused):
    """The uploads are in another state than the request needs (409).

    ``retry_after`` seconds, when waiting helps.
    """

    def __init__(self, problems: list[Problem], retry_after: int | None = None) -> None:
        super().__init__(problems)
        self.retry_after = retry_after


class StoreBusy(Exception):
    """Too many requests of this process wait for S3 already (503, try again)."""
