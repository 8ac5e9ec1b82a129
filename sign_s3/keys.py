"""The key grammar: what an object key of ours looks like, and nothing else does.

    key         = path id extension          e.g. images/posts/post_3L5fgCyhLwTX5LWfT7dhya.jpeg
    path        = a declared path, its dates expanded
    id          = 22 characters of shortuuid's alphabet: 128 random bits less the UUID's fixed six
    extension   = "." and 2 to 5 lower-case letters or digits
    object key  = "media/" key

Inside the code a key carries no media prefix; `object_key` and `bare_key` are the one place that
adds and takes it. Everything is ASCII by grammar: S3 would take any UTF-8 (docs.aws.amazon.com,
"Naming Amazon S3 objects"), but a key that needs no escaping anywhere cannot be escaped wrongly.
"""

import os
import re
from dataclasses import dataclass
from typing import Final

import shortuuid

MEDIA_PREFIX: Final = "media/"
ID_LENGTH: Final = 22
ALPHABET: Final = shortuuid.ShortUUID().get_alphabet()
MAX_PATH_LENGTH: Final = 128
MAX_EXTENSION_LENGTH: Final = 6
MAX_KEY_LENGTH: Final = MAX_PATH_LENGTH + ID_LENGTH + MAX_EXTENSION_LENGTH

_SEGMENT = r"[A-Za-z0-9_-]+"
_PATH = rf"(?:{_SEGMENT}/)*(?:{_SEGMENT})?"
_KEY = re.compile(
    rf"(?P<path>{_PATH})(?P<id>[{ALPHABET}]{{{ID_LENGTH}}})(?P<extension>\.[a-z0-9]{{2,5}})",
    re.ASCII,
)
_PATH_ONLY = re.compile(_PATH, re.ASCII)
_OWNER = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)

#: Every two digits of base 57, so that an id takes 11 divisions and not 22.
_PAIRS: Final = [high + low for high in ALPHABET for low in ALPHABET]
_PAIR_BASE: Final = len(_PAIRS)
_PAIRS_PER_ID: Final = ID_LENGTH // 2
#: The six bits that RFC 9562 fixes in a version 4 UUID, and all the others.
_VERSION_4: Final = 0x4 << 76 | 0b10 << 62
_RANDOM_BITS: Final = (1 << 128) - 1 ^ (0xF << 76 | 0b11 << 62)


class InvalidKey(ValueError):
    """The text is no key of this grammar."""


@dataclass(frozen=True, slots=True)
class Key:
    """A key taken apart: ``path + id + extension``."""

    path: str
    id: str
    extension: str

    def __str__(self) -> str:
        return self.path + self.id + self.extension


def new_id() -> str:
    """A random (version 4) UUID in shortuuid's alphabet, 22 characters."""
    # uuid.uuid4().int, without the object around it: that costs more than the random bits do.
    return encode_id(int.from_bytes(os.urandom(16), "big") & _RANDOM_BITS | _VERSION_4)


def encode_id(number: int) -> str:
    """A UUID's 128-bit number as shortuuid writes it: 22 digits of base 57."""
    pairs = []
    for _ in range(_PAIRS_PER_ID):
        number, pair = divmod(number, _PAIR_BASE)
        pairs.append(_PAIRS[pair])
    pairs.reverse()
    return "".join(pairs)


def parse_key(text: str) -> Key:
    """Take a key apart, given with or without the media prefix; `InvalidKey` if it is none."""
    bare = text.removeprefix(MEDIA_PREFIX)
    match = _KEY.fullmatch(bare) if len(bare) <= MAX_KEY_LENGTH else None
    if match is None:
        raise InvalidKey("not a key of this service")
    return Key(match["path"], match["id"], match["extension"])


def object_key(key: str) -> str:
    """The name of the object in either bucket."""
    return MEDIA_PREFIX + key


def bare_key(name: str) -> str:
    """The key of an object's name; `InvalidKey` if the name is not below the media prefix."""
    if not name.startswith(MEDIA_PREFIX):
        raise InvalidKey("not below the media prefix")
    return name[len(MEDIA_PREFIX) :]


def is_path(text: str) -> bool:
    """Whether `text` can stand before the id: segments of letters, digits, ``_`` and ``-``."""
    return 0 < len(text) <= MAX_PATH_LENGTH and _PATH_ONLY.fullmatch(text) is not None


def is_owner(text: str) -> bool:
    """Whether `text` can name an owner in ``x-amz-meta-userid``."""
    return _OWNER.fullmatch(text) is not None
