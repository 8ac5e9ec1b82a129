"""boto3's presigned answers at a moment of our choosing, to hold our own against."""

import contextlib
import functools
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from unittest import mock

import boto3
from botocore.config import Config

from sign_s3.signing import AddressingStyle, Credentials, Location

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@functools.cache
def client(
    region: str,
    endpoint_url: str | None = None,
    addressing_style: AddressingStyle = "auto",
    credentials: Credentials | None = None,
) -> "S3Client":
    """A client that signs as a signer of the same location and credentials should."""
    credentials = credentials or Credentials("AKIAIOSFODNN7EXAMPLE", "secret")
    made: S3Client = _session().client(
        "s3",
        region_name=region,
        endpoint_url=endpoint_url,
        aws_access_key_id=credentials.access_key,
        aws_secret_access_key=credentials.secret_key,
        aws_session_token=credentials.token,
        config=Config(signature_version="s3v4", s3={"addressing_style": addressing_style}),
    )
    return made


@functools.cache
def _session() -> boto3.Session:
    return boto3.Session()


@contextlib.contextmanager
def clock_at(now: int) -> Iterator[None]:
    """Inside, boto3 takes it to be `now`."""
    # Without a time zone, since that is how botocore asks for it.
    moment = mock.Mock(return_value=datetime.fromtimestamp(now, UTC).replace(tzinfo=None))
    with (
        mock.patch("botocore.auth.get_current_datetime", moment),
        mock.patch("botocore.signers.get_current_datetime", moment),
    ):
        yield


def presigned_post(
    location: Location,
    credentials: Credentials,
    key: str,
    *,
    fields: Mapping[str, str],
    size_range: tuple[int, int],
    now: int,
    expires_in: int,
) -> dict[str, Any]:
    """`generate_presigned_post` with every field pinned, then the size range."""
    conditions: list[Any] = [{name: value} for name, value in fields.items()]
    conditions.append(["content-length-range", *size_range])
    with clock_at(now):
        return _client_for(location, credentials).generate_presigned_post(
            location.bucket, key, Fields=dict(fields), Conditions=conditions, ExpiresIn=expires_in
        )


def presigned_url(
    location: Location,
    credentials: Credentials,
    operation: str,
    *,
    now: int,
    expires_in: int,
    **params: Any,
) -> str:
    """`generate_presigned_url` for one operation on the location's bucket."""
    with clock_at(now):
        return _client_for(location, credentials).generate_presigned_url(
            operation, Params={"Bucket": location.bucket, **params}, ExpiresIn=expires_in
        )


def _client_for(location: Location, credentials: Credentials) -> "S3Client":
    return client(location.region, location.endpoint_url, location.addressing_style, credentials)
