"""Where uploads may go: a path, the MIME types it takes with their extensions, and a size range.

A destination is declared on the model field that will hold the key (`sign_s3.fields.UploadField`);
there is no second registry.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Final

from sign_s3.keys import MAX_PATH_LENGTH, MEDIA_PREFIX, Key, is_path

KIB: Final = 1024
MIB: Final = 1024 * KIB
GIB: Final = 1024 * MIB
#: S3 refuses a form upload above this (docs.aws.amazon.com, "POST Object").
MAX_FORM_SIZE: Final = 5 * GIB

# SVG is left out on purpose: it is a program in the page's origin, not a picture.
IMAGES: Final[Mapping[str, str]] = {
    "image/jpeg": ".jpeg",
    "image/png": ".png",
    "image/webp": ".webp",
    "image/gif": ".gif",
}
VIDEOS: Final[Mapping[str, str]] = {
    "video/mp4": ".mp4",
    "video/quicktime": ".mov",
    "video/webm": ".webm",
}

_MIME = re.compile(r"[a-z]+/[a-z0-9][a-z0-9.+-]{0,63}", re.ASCII)
_EXTENSION = re.compile(r"\.[a-z0-9]{2,5}", re.ASCII)
_DATE_PATTERNS: Final = {"%Y": r"\d{4}", "%m": r"\d{2}", "%d": r"\d{2}"}
_DIRECTIVE = re.compile("%[Ymd]")


class InvalidDestination(ValueError):
    """A declaration that could not be signed for; raised where it is declared."""


@dataclass(frozen=True, slots=True)
class Destination:
    """One declared place for uploads.

    ``path`` stands before the random id as it is, so ``images/posts/post_`` names files
    ``images/posts/post_<id>.jpeg``. It may end in dates (``portfolio/%Y/%m/``): clients then name
    `prefix`, the part before the first directive, and the server fills in the day.
    ``types`` maps each MIME type taken to the extension its files get. Sizes are bytes, both ends
    included. Files of a ``public`` destination may be served by a CDN without a signature.
    """

    path: str
    types: Mapping[str, str] = field(hash=False)
    max_size: int
    min_size: int = 1
    public: bool = False

    def __post_init__(self) -> None:
        expanded = self.expand(date(2000, 1, 1))
        if not is_path(self.prefix) or not is_path(expanded):
            raise InvalidDestination(
                f"path {self.path!r}: segments of A-Z a-z 0-9 _ - joined by /, optionally ending "
                f"in %Y, %m or %d, at most {MAX_PATH_LENGTH} characters"
            )
        if self.path.startswith(MEDIA_PREFIX):
            # Keys may be given with or without it, so one below it twice would be ambiguous.
            raise InvalidDestination(f"path {self.path!r}: {MEDIA_PREFIX} is added by itself")
        if not self.types:
            raise InvalidDestination(f"path {self.path!r}: no types")
        for mime, extension in self.types.items():
            if not _MIME.fullmatch(mime) or not _EXTENSION.fullmatch(extension):
                raise InvalidDestination(f"path {self.path!r}: bad type {mime!r}: {extension!r}")
        if not 1 <= self.min_size <= self.max_size <= MAX_FORM_SIZE:
            raise InvalidDestination(f"path {self.path!r}: sizes run from 1 byte to 5 GiB")

    @property
    def prefix(self) -> str:
        """What clients send as ``path``: everything before the first date directive."""
        return self.path.partition("%")[0]

    def expand(self, day: date) -> str:
        """The path with its dates filled in."""
        if "%" not in self.path:
            return self.path
        return (
            self.path.replace("%Y", f"{day:%Y}")
            .replace("%m", f"{day:%m}")
            .replace("%d", f"{day:%d}")
        )

    def matches(self, key: Key) -> bool:
        """Whether a key of this destination could look like this."""
        if key.extension not in self.types.values():
            return False
        if "%" not in self.path:
            return key.path == self.path
        pattern = _DIRECTIVE.sub(lambda found: _DATE_PATTERNS[found[0]], self.path)
        return re.fullmatch(pattern, key.path, re.ASCII) is not None
