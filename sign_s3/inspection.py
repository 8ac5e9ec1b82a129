"""What an upload must be before a record may claim it.

One ranged GET of the incoming object's head answers every question here: who sent it, what it
claims to be, how large it is, and whether its bytes agree. Nothing is decoded: a picture's size
is read from its header, so a decompression bomb costs no more than a thumbnail.

A deployment adds checks of its own (a virus scanner, a moderation call) to
``SIGN_S3["inspectors"]``, dotted paths of callables taking an `Incoming`. One that raises `Refused`
refuses the upload; one that raises `InspectorUnavailable` lets the client try again later.
"""

import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Final

import filetype
import imagesize
from django.utils.module_loading import import_string

from sign_s3.bucket import Bucket, NoSuchKey, ObjectInfo
from sign_s3.conf import conf
from sign_s3.destinations import KIB, Destination
from sign_s3.keys import object_key, parse_key

#: A large EXIF block puts a JPEG's dimensions far past the first few KiB.
HEAD_LENGTH: Final = 256 * KIB
OWNER_METADATA: Final = "userid"

# What makes a browser, an archiver or an interpreter take a picture for a program.
_ACTIVE_CONTENT: Final = (
    b"<script",
    b"<!doctype",
    b"<html",
    b"<iframe",
    b"<body ",
    b"<svg xmlns",
    b"<?php ",
    b"javascript:",
)
_PDF_HEADER_WITHIN: Final = 1024
# A ZIP's (and so a JAR's) last record, of one disk whose entries are all of them. A comment of up
# to 64 KiB may follow it (PKWARE's APPNOTE, 4.3.16).
_ZIP_END: Final = re.compile(rb"PK\x05\x06\0{4}(..)\1", re.DOTALL)
_ZIP_END_WITHIN: Final = 22 + 64 * KIB
# Read as a script, GIF89a, RIFF and the first bytes of a JPEG are names. What a picture has next, a
# size, can be written so that it opens a comment, which ends further on where the program begins.
_SIZE_AT: Final = {"image/gif": (6, 13), "image/jpeg": (4, 6), "image/webp": (4, 8)}
_PROGRAM: Final = re.compile(rb"\*/[\t\n\r -~]{8}")

#: What `filetype` calls an animated PNG and an MP4 of Apple's. Browsers call them so as well.
_KINDS: Final = {"image/apng": "image/png", "video/x-m4v": "video/mp4"}


class Refused(Exception):
    """The upload may not be attached. ``code`` is for programs, ``detail`` for people."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


class InspectorUnavailable(Exception):
    """An inspector could not decide now; the client may send the same request again."""


@dataclass(frozen=True, slots=True)
class Incoming:
    """An upload as inspectors see it. ``head`` is its first `HEAD_LENGTH` bytes."""

    key: str
    owner: str
    destination: Destination
    bucket: Bucket
    info: ObjectInfo
    head: bytes

    def read(self, start: int, length: int) -> bytes:
        """More of the object; `Refused` if it is no longer the one whose head was read."""
        changed = Refused("changed", "The upload changed while it was being inspected.")
        try:
            body, info = self.bucket.read_range(object_key(self.key), start, length)
        except NoSuchKey as exc:
            raise changed from exc
        if info.etag != self.info.etag:
            raise changed
        return body


@dataclass(frozen=True, slots=True)
class Inspected:
    """An upload that may be claimed, for as long as its ETag stays what it is."""

    key: str
    etag: str
    size: int
    content_type: str
    width: int | None
    height: int | None


def inspect(*, bucket: Bucket, key: str, owner: str, destination: Destination) -> Inspected:
    """Read the head of an incoming object and put every question to it.

    Raises `Refused` for an upload that is missing, another's or not what it says, and the bucket's
    own exceptions when S3 cannot answer.
    """
    try:
        head, info = bucket.read_range(object_key(key), 0, HEAD_LENGTH)
    except NoSuchKey as exc:
        raise Refused("not_uploaded", "Nothing has been uploaded under this key.") from exc
    upload = Incoming(key, owner, destination, bucket, info, head)
    check_owner(upload)
    check_declared(upload)
    for inspector in _inspectors(conf().inspectors):
        inspector(upload)
    width, height = _dimensions(upload) or (None, None)
    return Inspected(key, info.etag, info.size, info.content_type, width, height)


def check_owner(upload: Incoming) -> None:
    """S3: the caller is the one the form was signed for. A stranger learns nothing else."""
    if upload.info.metadata.get(OWNER_METADATA) != upload.owner:
        raise Refused("not_uploaded", "Nothing has been uploaded under this key.")


def check_declared(upload: Incoming) -> None:
    """Path, type, extension and size are the destination's: what the policy pinned, read back."""
    destination, info = upload.destination, upload.info
    key = parse_key(upload.key)
    if not destination.matches(key):
        raise Refused("wrong_destination", "This key was signed for another path.")
    if destination.types.get(info.content_type) != key.extension:
        raise Refused("wrong_type", f"{info.content_type} is not what this key was signed for.")
    if info.size < destination.min_size:
        raise Refused("too_small", f"The upload has {info.size} bytes.")
    if info.size > destination.max_size:
        raise Refused("too_large", f"The upload has {info.size} bytes.")


def check_signature(upload: Incoming) -> None:
    """The first bytes are of the declared type, and the head is no document, archive or program."""
    if not _is_what_it_says(upload):
        raise Refused(
            "content_mismatch", f"The file's first bytes are not {upload.info.content_type}."
        )
    if not upload.info.content_type.startswith(("image/", "video/")):
        return
    lowered = upload.head.lower()
    if (
        any(mark in lowered for mark in _ACTIVE_CONTENT)
        or b"%pdf-" in lowered[:_PDF_HEADER_WITHIN]
        or _reads_as_script(upload)
        or _ends_as_zip(upload.head)
    ):
        raise _polyglot()


def check_end(upload: Incoming) -> None:
    """An upload longer than the head is no archive either. Costs one more GET, so it is optional.

    A ZIP has its directory at its end, and may begin as a picture.
    """
    if upload.info.size > len(upload.head) and _ends_as_zip(
        upload.read(upload.info.size - _ZIP_END_WITHIN, _ZIP_END_WITHIN)
    ):
        raise _polyglot()


def check_dimensions(upload: Incoming) -> None:
    """A raster image says how large it is, and that is plausible."""
    if not upload.info.content_type.startswith("image/"):
        return
    dimensions = _dimensions(upload)
    if dimensions is None:
        raise Refused("no_dimensions", "The image ends before it says how large it is.")
    width, height = dimensions
    limits = conf()
    if max(width, height) > limits.max_side or width * height > limits.max_pixels:
        raise Refused("too_many_pixels", f"The image is {width} by {height} pixels.")


def _dimensions(upload: Incoming) -> tuple[int, int] | None:
    """Width and height in pixels from an image's header, or None where there is none."""
    if not upload.info.content_type.startswith("image/") or not _is_what_it_says(upload):
        return None
    try:
        width, height = imagesize.get(io.BytesIO(upload.head))
    except Exception:  # noqa: BLE001 - whatever a hostile header does to the parser, it is no image
        return None
    return (width, height) if width > 0 and height > 0 else None


def _is_what_it_says(upload: Incoming) -> bool:
    found = filetype.guess_mime(upload.head)
    return bool(_KINDS.get(found, found) == upload.info.content_type)


def _reads_as_script(upload: Incoming) -> bool:
    """Whether a picture's size opens a comment that a program follows.

    Browsers run no script of an image's type (fetch.spec.whatwg.org, "should response to request be
    blocked due to its MIME type"); this is for whatever serves the file as something else one day.
    """
    if (place := _SIZE_AT.get(upload.info.content_type)) is None:
        return False
    opened = upload.head.find(b"/*", *place)
    return opened >= 0 and _PROGRAM.search(upload.head, opened + 2) is not None


def _ends_as_zip(data: bytes) -> bool:
    """Whether a file that ends so can be opened as a ZIP, as a JAR behind a picture can."""
    return _ZIP_END.search(data[-_ZIP_END_WITHIN:]) is not None


def _polyglot() -> Refused:
    return Refused("polyglot", "The file is a picture or video and something else besides.")


@cache
def _inspectors(paths: tuple[str, ...]) -> tuple[Callable[[Incoming], None], ...]:
    return tuple(import_string(path) for path in paths)
