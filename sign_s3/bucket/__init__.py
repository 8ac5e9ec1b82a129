"""A bucket without the SDK's dictionaries and ClientErrors; only `connection` imports boto3.

    bucket = Bucket("holidays")
    bucket.put("rome.txt", "ciao", metadata={"userid": "alice"})
    data, metadata = bucket.get("rome.txt")
    bucket.download_file("film.mp4", "/tmp/film.mp4", progress=print)

Credentials, region and endpoint come from boto3's usual chain unless `init` names them. Every
method raises a `BucketException` and nothing else, except for local files, where OSError stays.
Works without Django.

    errors         what can go wrong, one class for each thing a caller does about it
    connection     the one client of a process, its credentials, and the SDK's errors translated
    hooks          what the SDK leaves out of requests, and lets through in answers
    transfers      files and copies of any size, in parts and with progress
    configuration  the bucket itself: making it, its rules
    multipart      uploads in parts, which clients send themselves
    objects        Bucket
"""

from sign_s3.bucket.connection import credentials, init, on_request
from sign_s3.bucket.errors import (
    BucketAccessDenied,
    BucketException,
    BucketUnavailable,
    NoSuchBucket,
    NoSuchKey,
    PreconditionFailed,
    UnknownBucketException,
)
from sign_s3.bucket.multipart import Multipart, Part
from sign_s3.bucket.objects import MAX_DELETES, Bucket, ObjectInfo

__all__ = [
    "MAX_DELETES",
    "Bucket",
    "BucketAccessDenied",
    "BucketException",
    "BucketUnavailable",
    "Multipart",
    "NoSuchBucket",
    "NoSuchKey",
    "ObjectInfo",
    "Part",
    "PreconditionFailed",
    "UnknownBucketException",
    "credentials",
    "init",
    "on_request",
]
