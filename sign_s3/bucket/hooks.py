"""What the SDK leaves out: headers that other stores than AWS need, and a look at what comes back.

Each is a handler of one of the client's events (boto3's guide, "Extensibility").
"""

import base64
import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ConnectionClosedError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

#: What a whole answer cannot be without, by operation.
_ESSENTIAL: Final = {
    "GetObject": "ContentLength",
    "HeadObject": "ContentLength",
    "PutObject": "ETag",
    "CopyObject": "CopyObjectResult",
    "UploadPart": "ETag",
    "UploadPartCopy": "CopyPartResult",
    "CreateMultipartUpload": "UploadId",
    "CompleteMultipartUpload": "ETag",
    "ListParts": "IsTruncated",
    "ListObjectsV2": "IsTruncated",
    "ListMultipartUploads": "IsTruncated",
}


def install(client: "S3Client", *, aws: bool) -> None:
    """Have them at work in this client; ``aws`` is false for any other store."""
    events = client.meta.events
    events.register("before-call.s3", _add_content_md5)
    events.register("after-call.s3", _refuse_cut_headers)
    if not aws:
        events.register("before-call.s3.CopyObject", _repeat_condition)


def _add_content_md5(model: Any, params: dict[str, Any], **_: object) -> None:
    """boto3 sends CRC32 where S3 insists on a checksum; stores that don't know it want this."""
    if (model.http_checksum or {}).get("requestChecksumRequired"):
        digest = hashlib.md5(params["body"], usedforsecurity=False).digest()
        params["headers"]["Content-MD5"] = base64.b64encode(digest).decode()


def _repeat_condition(params: dict[str, Any], **_: object) -> None:
    """Ceph's radosgw looks for the source's ETag under another name, and else copies anything.

    Seen on 16.2; `RGWCopyObj_ObjStore_S3::get_params` in rgw_rest_s3.cc. It looks for none at all
    where parts are copied.
    """
    headers = params["headers"]
    if etag := headers.get("x-amz-copy-source-if-match"):
        headers["x-amz-copy-if-match"] = etag


def _refuse_cut_headers(parsed: Mapping[str, Any], model: Any, **_: object) -> None:
    """Headers cut off by a broken connection look whole to Python, and their body empty.

    So an answer has to hold what such an answer cannot be without. This matters most for a copy: S3
    begins its 200 before it is done, and may still report an error.
    """
    essential = _ESSENTIAL.get(model.name)
    if essential and "Error" not in parsed and parsed.get(essential, {}) == {}:
        raise ConnectionClosedError(endpoint_url="S3")
