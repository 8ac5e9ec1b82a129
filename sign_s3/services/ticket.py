"""Tickets: all there is to know of a multipart upload, in the client's hands and signed.

A ticket is handed out as the `uploadId` and comes back with every request, so no table holds them.
It can be read by whoever has it, which is its owner; nobody can write one.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from django.core.signing import BadSignature, TimestampSigner

from sign_s3.conf import conf
from sign_s3.destinations import MIB
from sign_s3.keys import MEDIA_PREFIX
from sign_s3.services.errors import Problem, UnknownUploads

#: S3 numbers parts from 1 to this, and takes none but the last below this size
#: (docs.aws.amazon.com, "Amazon S3 multipart upload limits").
MAX_PARTS: Final = 10_000
MIN_PART_SIZE: Final = 5 * MIB

_SALT: Final = "sign_s3.multipart"
# Logs know secrets by their shape: one run of base64 and dots from "eyJ" on.
_SEPARATOR: Final = "."


@dataclass(frozen=True, slots=True)
class Ticket:
    """A multipart upload under way: S3's id of it, the key without prefix, who may go on with it.

    ``limit`` is what the object may weigh, in bytes.
    """

    upload_id: str
    key: str
    owner: str
    limit: int

    @property
    def last_part(self) -> int:
        """The highest part number there can be a use for: smaller parts S3 would refuse."""
        return min(MAX_PARTS, -(-self.limit // MIN_PART_SIZE))

    def __str__(self) -> str:
        """The text handed out, safe in a URL."""
        told = {"u": self.upload_id, "k": self.key, "o": self.owner, "l": self.limit}
        return _signer().sign_object(told)

    @classmethod
    def read(cls, text: str, *, owner: str, key: str) -> "Ticket":
        """The ticket of this text, if it is this owner's and for this key, with or without prefix.

        `UnknownUploads` for everything else, and once S3 may have expired the parts.
        """
        try:
            told = _signer().unsign_object(text, max_age=timedelta(days=conf().incoming_days))
        except BadSignature as exc:
            raise unknown() from exc
        ticket = cls(told["u"], told["k"], told["o"], told["l"])
        if ticket.owner != owner or ticket.key != key.removeprefix(MEDIA_PREFIX):
            raise unknown()
        return ticket


def unknown() -> UnknownUploads:
    """What is said of every upload that isn't under way, or isn't the caller's."""
    return UnknownUploads([Problem("", "not_found", "No such upload of yours.")])


def _signer() -> TimestampSigner:
    return TimestampSigner(salt=_SALT, sep=_SEPARATOR)
