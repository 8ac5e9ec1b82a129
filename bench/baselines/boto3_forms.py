"""Presigned POSTs by boto3, with one client for the whole process."""

import os
from typing import Any

import boto3
from botocore.config import Config

MAX_SIZE = 10 * 1024 * 1024
TYPES = {"image/jpeg": ".jpeg", "image/png": ".png", "image/webp": ".webp", "image/gif": ".gif"}
PATHS = ["images/users/profiles/profile_", "images/posts/post_"]
BUCKET = os.environ["AWS_INCOMING_BUCKET_NAME"]

client = boto3.client(
    "s3",
    region_name=os.environ["AWS_S3_REGION_NAME"],
    aws_access_key_id=os.environ["AWS_ACCESS_KEY_ID"],
    aws_secret_access_key=os.environ["AWS_SECRET_ACCESS_KEY"],
    config=Config(signature_version="s3v4", s3={"addressing_style": "virtual"}),
)


def form(*, key: str, content_type: str, owner: str) -> dict[str, Any]:
    fields = {
        "acl": "bucket-owner-full-control",
        "Content-Type": content_type,
        "x-amz-meta-userid": owner,
    }
    conditions: list[Any] = [{name: value} for name, value in fields.items()]
    conditions.append(["content-length-range", 1, MAX_SIZE])
    return client.generate_presigned_post(
        BUCKET, key, Fields=fields, Conditions=conditions, ExpiresIn=300
    )
