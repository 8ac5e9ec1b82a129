"""An S3 inside this process that answers at once, below boto3, where the network would begin.

botocore offers a ``before-send`` event for that, which moto uses too. What is measured over it is
everything but S3 and the way there: our own code, and boto3's.
"""

import re
from collections.abc import Callable
from email.utils import formatdate
from io import BytesIO
from typing import Any, Final

from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.handlers import BUILTIN_HANDLERS

from local.pictures import picture

IMAGE: Final = picture("JPEG")
ETAG: Final = '"9b2cf535f27731c974343645a3985328"'
_KEY: Final = re.compile(rb"<Key>([^<]+)</Key>")
_COPIED: Final = (
    b'<?xml version="1.0" encoding="UTF-8"?><CopyObjectResult><ETag>%s</ETag>'
    b"<LastModified>2025-01-01T00:00:00.000Z</LastModified></CopyObjectResult>"
) % ETAG.encode()


class _Body(BytesIO):
    """What botocore reads of urllib3's response."""

    def stream(self, **_: object) -> Any:
        while contents := self.read():
            yield contents


def install(owner: Callable[[], str]) -> None:
    """Answer every S3 request of clients made from now on; each object is an image of `owner`'s."""

    def answer(request: Any, **_: object) -> AWSResponse:
        headers = {"Date": formatdate(usegmt=True), "ETag": ETAG}
        status, body = 200, b""
        if request.method == "GET":
            status, body = 206, IMAGE
            headers |= {
                "Content-Type": "image/jpeg",
                "Content-Length": str(len(IMAGE)),
                "Content-Range": f"bytes 0-{len(IMAGE) - 1}/{len(IMAGE)}",
                "Last-Modified": formatdate(usegmt=True),
                "x-amz-meta-userid": owner(),
            }
        elif request.method == "PUT" and "x-amz-copy-source" in request.headers:
            body = _COPIED
        elif request.method == "POST":
            deleted = b"".join(
                b"<Deleted><Key>%s</Key></Deleted>" % key for key in _KEY.findall(request.body)
            )
            body = b"<DeleteResult>%s</DeleteResult>" % deleted
        else:
            raise AssertionError(f"{request.method} {request.url}")
        return AWSResponse(request.url, status, HTTPHeaders.from_dict(headers), _Body(body))

    BUILTIN_HANDLERS.append(("before-send.s3", answer))
