"""Multipart uploads, whose parts clients send to URLs signed elsewhere."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sign_s3.bucket.connection import Named


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a multipart upload: its number from 1, its ETag, its bytes (0 where not asked)."""

    number: int
    etag: str
    size: int = 0


@dataclass(frozen=True, slots=True)
class Multipart:
    """A multipart upload neither completed nor aborted so far."""

    key: str
    upload_id: str
    initiated: datetime


class MultipartUploads(Named):
    """The part of `Bucket` that is about them."""

    __slots__ = ()

    def create_multipart(
        self, key: str, content_type: str, metadata: Mapping[str, str], acl: str = ""
    ) -> str:
        """Begin a multipart upload; its id. An empty `acl` sends none."""
        headers = described(content_type, metadata)
        if acl:
            headers["ACL"] = acl
        with self._calling("CreateMultipartUpload", key) as s3:
            answer = s3.create_multipart_upload(Bucket=self.name, Key=key, **headers)
        return answer["UploadId"]

    def list_parts(self, key: str, upload_id: str) -> Sequence[Part]:
        """The parts that arrived, by number; `NoSuchKey` if the upload is over."""
        parts: list[Part] = []
        more: dict[str, Any] = {}
        while True:
            with self._calling("ListParts", key) as s3:
                page = s3.list_parts(Bucket=self.name, Key=key, UploadId=upload_id, **more)
            parts += [
                Part(part["PartNumber"], part["ETag"], part["Size"])
                for part in page.get("Parts", [])
            ]
            if not page["IsTruncated"]:
                return parts
            more["PartNumberMarker"] = page["NextPartNumberMarker"]

    def complete_multipart(self, key: str, upload_id: str, parts: Iterable[Part]) -> None:
        """Make the object of these parts; `NoSuchKey` if the upload is over.

        A part that is missing, has another ETag or is too small is an `UnknownBucketException` with
        S3's code: InvalidPart, InvalidPartOrder or EntityTooSmall.
        """
        with self._calling("CompleteMultipartUpload", key) as s3:
            s3.complete_multipart_upload(
                Bucket=self.name,
                Key=key,
                UploadId=upload_id,
                MultipartUpload={
                    "Parts": [{"PartNumber": part.number, "ETag": part.etag} for part in parts]
                },
            )

    def abort_multipart(self, key: str, upload_id: str) -> None:
        """Drop an upload and its parts; `NoSuchKey` if it is over."""
        with self._calling("AbortMultipartUpload", key) as s3:
            s3.abort_multipart_upload(Bucket=self.name, Key=key, UploadId=upload_id)

    def list_multiparts(self, prefix: str = "") -> Iterator[Multipart]:
        """The uploads under way whose key starts with `prefix`."""
        more: dict[str, Any] = {"Prefix": prefix}
        while True:
            with self._calling("ListMultipartUploads") as s3:
                page = s3.list_multipart_uploads(Bucket=self.name, **more)
            for upload in page.get("Uploads", []):
                yield Multipart(upload["Key"], upload["UploadId"], upload["Initiated"])
            if not page["IsTruncated"]:
                return
            more["KeyMarker"] = page["NextKeyMarker"]
            more["UploadIdMarker"] = page["NextUploadIdMarker"]


def described(content_type: str | None, metadata: Mapping[str, str] | None) -> dict[str, Any]:
    """What S3 keeps beside an object's bytes, as the SDK names it."""
    described: dict[str, Any] = {}
    if content_type is not None:
        described["ContentType"] = content_type
    if metadata is not None:
        described["Metadata"] = dict(metadata)
    return described
