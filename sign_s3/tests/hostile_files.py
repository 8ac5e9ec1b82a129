"""Files that are something else than they say (A5), and real ones of every kind that is taken."""

import io
import struct
import zipfile
import zlib
from typing import Any, Final

from PIL import Image

from local.pictures import CLIP, picture

SCRIPT: Final = b"<script>alert(document.domain)</script>"
PAGE: Final = b"<!DOCTYPE html><html><body onload=alert(1)></body></html>"
SVG: Final = (
    b'<svg xmlns="http://www.w3.org/2000/svg" width="10" height="10" onload="alert(1)"></svg>'
)
ENTITIES: Final = (
    b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY a "aaaaaaaaaa">'
    + b"".join(b'<!ENTITY %c "&%c;&%c;&%c;&%c;">' % (x + 1, x, x, x, x) for x in range(97, 121))
    + b']><svg width="1" height="1">&y;</svg>'
)


def segment(marker: int, payload: bytes) -> bytes:
    """A JPEG's marker segment (ITU-T T.81, B.1.1.4)."""
    return b"\xff" + bytes([marker]) + struct.pack(">H", len(payload) + 2) + payload


def with_segments(*segments: bytes, size: tuple[int, int] = (64, 48)) -> bytes:
    """A JPEG with these segments before all others."""
    data = picture("JPEG", *size)
    return data[:2] + b"".join(segments) + data[2:]


def png_of(width: int, height: int, *, pixels: bytes = b"") -> bytes:
    """A PNG whose header claims these dimensions."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + _chunk(b"IHDR", header)
        + _chunk(b"IDAT", zlib.compress(pixels))
        + _chunk(b"IEND", b"")
    )


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def jar() -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("META-INF/MANIFEST.MF", "Main-Class: Evil\n")
        archive.writestr("Evil.class", b"\xca\xfe\xba\xbe")
    return data.getvalue()


#: GIF89a is a name and the size opens a comment: /* is 10,799 pixels wide.
GIF_SCRIPT: Final = (
    b"GIF89a/*\x10\x00\x80\x00\x00" + picture("GIF", 64, 48)[13:-1] + b"*/=1;alert(document.domain)"
)
JPEG_SCRIPT: Final = (
    b"\xff\xd8\xff\xe0/*JFIF\x00\x01"
    + b"\0" * (0x2F2A - 9)
    + picture("JPEG")[2:]
    + b"*/=1;alert(document.domain)//"
)
#: Something else than a picture, or a picture and something else. Each with its code.
NO_PICTURE: Final[dict[str, tuple[str, bytes, str]]] = {
    "a page": ("image/png", PAGE, "content_mismatch"),
    "a script": ("image/png", b"alert(document.domain)", "content_mismatch"),
    "SVG": ("image/png", SVG, "content_mismatch"),
    "SVG of many entities": ("image/png", ENTITIES, "content_mismatch"),
    "PDF": ("image/jpeg", b"%PDF-1.7\n" + b"." * 100, "content_mismatch"),
    "a program": ("image/png", b"\x7fELF" + b"\0" * 100, "content_mismatch"),
    "a JAR": ("image/jpeg", jar(), "content_mismatch"),
    "another picture": ("image/png", picture("JPEG"), "content_mismatch"),
    "a film": ("image/jpeg", CLIP.read_bytes(), "content_mismatch"),
    "a picture after a byte": ("image/png", b"\n" + picture("PNG"), "content_mismatch"),
    "GIF and script": ("image/gif", GIF_SCRIPT, "polyglot"),
    "JPEG and script": ("image/jpeg", JPEG_SCRIPT, "polyglot"),
    "JPEG with a page in a comment": (
        "image/jpeg",
        with_segments(segment(0xFE, PAGE)),
        "polyglot",
    ),
    "JPEG with a script in its EXIF": (
        "image/jpeg",
        with_segments(segment(0xE1, b"Exif\0\0MM\0*\0\0\0\x08" + SCRIPT)),
        "polyglot",
    ),
    "JPEG and PDF": ("image/jpeg", with_segments(segment(0xFE, b"%PDF-1.4\n")), "polyglot"),
    "JPEG and JAR": ("image/jpeg", picture("JPEG") + jar(), "polyglot"),
    "JPEG, JAR and a byte": ("image/jpeg", picture("JPEG") + jar() + b"\n", "polyglot"),
    "PNG and JAR": ("image/png", picture("PNG") + jar(), "polyglot"),
    "PNG and page": ("image/png", picture("PNG") + PAGE.upper(), "polyglot"),
    "PNG and PHP": ("image/png", picture("PNG") + b"<?php system($_GET[0]);", "polyglot"),
    "GIF that ends early": ("image/gif", b"GIF89a", "no_dimensions"),
    "GIF of no known version": ("image/gif", b"GIF" + b"\x10\0" * 20, "no_dimensions"),
    "PNG that ends early": ("image/png", picture("PNG")[:20], "no_dimensions"),
    "JPEG that ends early": ("image/jpeg", picture("JPEG")[:30], "no_dimensions"),
    "WebP that ends early": ("image/webp", picture("WEBP")[:25], "no_dimensions"),
    "no width": ("image/png", png_of(0, 10), "no_dimensions"),
    "30,000 by 30,000": ("image/png", png_of(30_000, 30_000), "too_many_pixels"),
    "many pixels, no side too long": ("image/png", png_of(10_001, 10_000), "too_many_pixels"),
    "a side too long, few pixels": ("image/png", png_of(20_001, 1), "too_many_pixels"),
    "a long line": ("image/png", png_of(2**31 - 1, 1), "too_many_pixels"),
    "a large GIF": (
        "image/gif",
        b"GIF89a" + struct.pack("<HH", 30_000, 30_000) + b"\0" * 50,
        "too_many_pixels",
    ),
    "JPEG of segments without length": (
        "image/jpeg",
        b"\xff\xd8" + b"\xff\xe1\0\0" * 60_000,
        "no_dimensions",
    ),
    "JPEG of markers alone": ("image/jpeg", b"\xff\xd8" + b"\xff" * 250_000, "no_dimensions"),
    "JPEG that never begins": (
        "image/jpeg",
        b"\xff\xd8" + segment(0xE1, b"") * 60_000,
        "no_dimensions",
    ),
    "PNG whose first chunk is huge": (
        "image/png",
        b"\x89PNG\r\n\x1a\n\xff\xff\xff\xffIHDR" + b"\xff" * 40,
        "too_many_pixels",
    ),
    "WebP of rubbish": (
        "image/webp",
        b"RIFF\xff\xff\xff\xffWEBPVP8 " + b"\xff" * 60,
        "too_many_pixels",
    ),
}


def _saved(kind: str, mode: str = "RGB", **options: Any) -> bytes:
    data = io.BytesIO()
    Image.effect_noise((64, 48), 40).convert(mode).save(data, kind, **options)
    return data.getvalue()


def _animated(kind: str) -> bytes:
    more = [Image.effect_noise((64, 48), 40).convert("RGB")]
    return _saved(kind, save_all=True, append_images=more)


def _boxes(brand: bytes, *compatible: bytes) -> bytes:
    """The beginning of an ISO base media file (ISO/IEC 14496-12, 4.3)."""
    body = brand + b"\0\0\2\0" + b"".join(compatible)
    return struct.pack(">I", 8 + len(body)) + b"ftyp" + body + b"\0\0\0\x08free" + b"\0" * 100


_EXIF: Final = b"Exif\0\0MM\0*\0\0\0\x08\0\0" + b"\0" * 65_000
_WEBM: Final = (
    b"\x1aE\xdf\xa3\x9fB\x86\x81\x01B\xf7\x81\x01B\xf2\x81\x04B\xf3\x81\x08B\x82\x84webm"
    b"B\x87\x81\x04B\x85\x81\x02\x18S\x80g" + b"\0" * 100
)
#: Files as cameras, phones and editors make them.
GENUINE: Final[dict[str, tuple[str, bytes]]] = {
    "JPEG": ("image/jpeg", picture("JPEG")),
    "progressive JPEG": ("image/jpeg", _saved("JPEG", progressive=True)),
    "JPEG in CMYK": ("image/jpeg", _saved("JPEG", "CMYK")),
    "grey JPEG": ("image/jpeg", _saved("JPEG", "L")),
    "JPEG after 190 KiB of metadata": (
        "image/jpeg",
        with_segments(*[segment(0xE1, _EXIF)] * 3),
    ),
    "PNG": ("image/png", picture("PNG")),
    "PNG of two colours": ("image/png", _saved("PNG", "1")),
    "PNG with a palette": ("image/png", _saved("PNG", "P")),
    "PNG with transparency": ("image/png", _saved("PNG", "RGBA")),
    "animated PNG": ("image/png", _animated("PNG")),
    "lossy WebP": ("image/webp", picture("WEBP")),
    "lossless WebP": ("image/webp", _saved("WEBP", lossless=True)),
    "animated WebP": ("image/webp", _animated("WEBP")),
    "WebP with EXIF": ("image/webp", _saved("WEBP", exif=Image.Exif().tobytes())),
    "GIF": ("image/gif", picture("GIF")),
    "animated GIF": ("image/gif", _animated("GIF")),
    "MP4": ("video/mp4", CLIP.read_bytes()),
    "MP4 of a phone": ("video/mp4", _boxes(b"mp42", b"isom", b"mp42")),
    "MP4 of a browser": ("video/mp4", _boxes(b"iso5", b"iso5", b"iso6", b"mp41")),
    "MP4 of an editor": ("video/mp4", _boxes(b"isom", b"isom", b"iso2", b"avc1", b"mp41")),
    "MP4 of Apple's": ("video/mp4", _boxes(b"M4V ", b"M4V ", b"M4A ", b"M4P ")),
    "MOV": ("video/quicktime", _boxes(b"qt  ", b"qt  ")),
    "WebM": ("video/webm", _WEBM),
}
