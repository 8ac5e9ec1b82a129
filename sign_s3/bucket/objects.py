"""Bucket: its objects, one by one and many at once, as bytes and as files."""

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from typing import IO, TYPE_CHECKING, Any, Final

from s3transfer.manager import TransferConfig

from sign_s3.bucket import transfers
from sign_s3.bucket.configuration import Configuration
from sign_s3.bucket.connection import CUT, refusal
from sign_s3.bucket.errors import (
    BucketException,
    NoSuchKey,
    UnknownBucketException,
)
from sign_s3.bucket.multipart import MultipartUploads, described
from sign_s3.bucket.transfers import Progress

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import (
        CopySourceTypeDef,
        GetObjectOutputTypeDef,
        HeadObjectOutputTypeDef,
    )

MIB: Final = 1024 * 1024
#: CopyObject takes 5 GiB but answers when it is done, so larger objects are copied in parts.
SINGLE_COPY_LIMIT: Final = 256 * MIB
COPY_PART_SIZE: Final = 64 * MIB
#: Keys of one DeleteObjects (docs.aws.amazon.com, "DeleteObjects").
MAX_DELETES: Final = 1000
#: How often an object is asked for while its body keeps being cut off.
BODY_ATTEMPTS: Final = 2

#: A path, or a binary file open at its beginning.
File = str | os.PathLike[str] | IO[bytes]


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """An object: its size in bytes, its ETag with quotes. Listings know no type and metadata."""

    key: str
    size: int
    etag: str
    last_modified: datetime
    content_type: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Bucket(MultipartUploads, Configuration):
    """The bucket of this name, whether it exists or not. Costs nothing to make."""

    # ------------------------------------------------------------------ objects

    def get(self, key: str) -> tuple[bytes, dict[str, str]]:
        """The object and its metadata. All of it is in memory: `download_file` streams."""
        data, answer = self._read(key)
        return data, answer["Metadata"]

    def put(
        self,
        key: str,
        body: str | bytes,
        metadata: Mapping[str, str] | None = None,
        *,
        content_type: str | None = None,
    ) -> None:
        """Write an object, a text as UTF-8. Metadata are ASCII."""
        data = body.encode() if isinstance(body, str) else body
        with self._calling("PutObject", key) as s3:
            s3.put_object(Bucket=self.name, Key=key, Body=data, **described(content_type, metadata))

    def delete(self, key: str) -> None:
        """Delete an object; none there is fine too, as S3 has it."""
        with self._calling("DeleteObject", key) as s3:
            s3.delete_object(Bucket=self.name, Key=key)

    def stat(self, key: str) -> ObjectInfo:
        """What there is to know without the bytes."""
        with self._calling("HeadObject", key) as s3:
            answer = s3.head_object(Bucket=self.name, Key=key)
        return _info(key, answer, answer["ContentLength"])

    def read_range(self, key: str, start: int, length: int) -> tuple[bytes, ObjectInfo]:
        """At most `length` bytes from byte `start`, fewer where the object ends, by one GET.

        A range beyond the end has no bytes; that takes a HEAD as well, for S3 refuses the GET.
        """
        try:
            data, answer = self._read(key, start, length)
        except UnknownBucketException as exc:
            if exc.error_code not in {"InvalidRange", "416"}:
                raise
            return b"", self.stat(key)
        size = answer.get("ContentRange", "").rpartition("/")[2] or answer["ContentLength"]
        return data, _info(key, answer, int(size))

    def _read(
        self, key: str, start: int = 0, length: int | None = None
    ) -> "tuple[bytes, GetObjectOutputTypeDef]":
        span: dict[str, Any] = {}
        if length is not None:
            span["Range"] = f"bytes={start}-{start + length - 1}"
        attempt = 1
        while True:
            with self._calling("GetObject", key) as s3:
                answer = s3.get_object(Bucket=self.name, Key=key, **span)
                try:
                    with closing(answer["Body"]) as body:
                        if length is None or "ContentRange" in answer:
                            return body.read(), answer
                        # A store that ignores ranges sends the whole object. The second read
                        # finds out whether a shorter one is the end or a cut.
                        data = body.read(start + length)
                        if len(data) < start + length:
                            data += body.read()
                        return data[start:], answer
                except CUT:
                    if attempt == BODY_ATTEMPTS:
                        raise
            attempt += 1

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """The objects whose key starts with `prefix`, in the order of their bytes."""
        more: dict[str, Any] = {"Prefix": prefix}
        while True:
            with self._calling("ListObjectsV2") as s3:
                page = s3.list_objects_v2(Bucket=self.name, **more)
            for found in page.get("Contents", []):
                yield ObjectInfo(found["Key"], found["Size"], found["ETag"], found["LastModified"])
            if not page["IsTruncated"]:
                return
            more["ContinuationToken"] = page["NextContinuationToken"]

    def delete_many(self, keys: Iterable[str]) -> dict[str, BucketException | None]:
        """Delete up to 1,000 objects in one call: for each key None, or why it is still there."""
        wanted = list(dict.fromkeys(keys))
        if len(wanted) > MAX_DELETES:
            raise ValueError(f"{len(wanted)} keys, S3 takes {MAX_DELETES} in one call")
        if not wanted:
            return {}
        with self._calling("DeleteObjects") as s3:
            answer = s3.delete_objects(
                Bucket=self.name,
                Delete={"Objects": [{"Key": key} for key in wanted], "Quiet": False},
            )
        results: dict[str, BucketException | None] = dict.fromkeys(
            wanted, UnknownBucketException(self.name, "NoResult", "the answer leaves the key out")
        )
        results |= dict.fromkeys(deleted["Key"] for deleted in answer.get("Deleted", []))
        for error in answer.get("Errors", []):
            code = error.get("Code", "")
            gone = code == "NoSuchKey"
            results[error["Key"]] = (
                None if gone else refusal(self.name, code, error.get("Message", ""))
            )
        return results

    # ------------------------------------------------------------------ files and copies

    def upload_file(
        self,
        path: File,
        key: str,
        *,
        metadata: Mapping[str, str] | None = None,
        content_type: str | None = None,
        progress: Progress | None = None,
    ) -> None:
        """Send a file of any size, in parts when it is large. OSError if it cannot be read."""
        source = os.fspath(path) if isinstance(path, str | os.PathLike) else path
        with self._calling("PutObject", key) as s3:
            transfers.run(
                s3,
                TransferConfig(),
                lambda manager, watch: manager.upload(
                    source, self.name, key, described(content_type, metadata), [watch]
                ),
                progress,
            )

    def download_file(self, key: str, path: File, *, progress: Progress | None = None) -> None:
        """Fetch an object of any size. A path gets the whole file or, on failure, is left alone."""
        target = os.fspath(path) if isinstance(path, str | os.PathLike) else path
        with self._calling("GetObject", key) as s3:
            transfers.run(
                s3,
                TransferConfig(),
                lambda manager, watch: manager.download(
                    self.name, key, target, subscribers=[watch]
                ),
                progress,
            )

    def copy_from(
        self,
        source: "Bucket",
        key: str,
        *,
        source_etag: str,
        size: int,
        content_type: str,
        content_disposition: str | None = None,
        cache_control: str | None = None,
        metadata: Mapping[str, str] | None = None,
        progress: Progress | None = None,
        single_limit: int = SINGLE_COPY_LIMIT,
        part_size: int = COPY_PART_SIZE,
    ) -> None:
        """Copy `key` from `source` inside S3, headers and metadata replaced by the ones given.

        Up to `single_limit` bytes that is one CopyObject, above it parts of `part_size`. Either way
        all of it comes from the object whose ETag is `source_etag`: `PreconditionFailed` if it
        changed, and then nothing is written. A store that does not keep to that in parts, as Ceph
        does not, needs a `single_limit` of 5 GiB, which is as much as CopyObject takes.
        """
        place: CopySourceTypeDef = {"Bucket": source.name, "Key": key}
        headers: dict[str, Any] = {
            "CopySourceIfMatch": source_etag,
            "MetadataDirective": "REPLACE",
            **described(content_type, metadata or {}),
        }
        if content_disposition is not None:
            headers["ContentDisposition"] = content_disposition
        if cache_control is not None:
            headers["CacheControl"] = cache_control
        try:
            with self._calling("CopyObject", key) as s3:
                if size <= single_limit:
                    s3.copy_object(Bucket=self.name, Key=key, CopySource=place, **headers)
                    if progress is not None:
                        progress(size)
                    return
                transfers.run(
                    s3,
                    TransferConfig(
                        multipart_threshold=single_limit + 1, multipart_chunksize=part_size
                    ),
                    lambda manager, watch: manager.copy(
                        place,
                        self.name,
                        key,
                        headers,
                        [watch, transfers.KnownSource(size, source_etag)],
                    ),
                    progress,
                )
        except NoSuchKey as exc:
            raise NoSuchKey(source.name, key, exc.message) from exc


def _info(
    key: str, answer: "GetObjectOutputTypeDef | HeadObjectOutputTypeDef", size: int
) -> ObjectInfo:
    return ObjectInfo(
        key, size, answer["ETag"], answer["LastModified"], answer["ContentType"], answer["Metadata"]
    )
