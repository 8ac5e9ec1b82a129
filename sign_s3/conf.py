"""The settings this app reads, gathered once into a typed value.

Names are those of AWS and django-storages where they have one; the rest live in ``SIGN_S3``.
"""

import functools
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed

from sign_s3.destinations import MIB
from sign_s3.signing import AddressingStyle


# Compared by identity: it is a key of caches on the signing path, and hashing 30 fields costs 1 µs.
@dataclass(frozen=True, slots=True, eq=False)
class Conf:
    """Everything an operator can choose. Durations are seconds unless they are timedeltas."""

    media_bucket: str
    incoming_bucket: str
    region: str
    access_key: str | None = None
    secret_key: str | None = None
    session_token: str | None = None
    #: What signs uploads, if not the above: an identity that writes to incoming and reads nothing.
    upload_access_key: str | None = None
    upload_secret_key: str | None = None
    #: Where this service reaches S3; None is AWS itself.
    endpoint_url: str | None = None
    #: Where clients reach the same S3; differs from `endpoint_url` in containers.
    public_endpoint_url: str | None = None
    addressing_style: AddressingStyle = "auto"
    default_acl: str = "bucket-owner-full-control"
    custom_domain: str | None = None

    #: Whether the store takes form POSTs. One that does not gets presigned PUTs, which cannot limit
    #: the size: a file too large is then refused only when a record claims it.
    form_posts: bool = True
    #: Bytes up to which a copy is one request. A store that checks the source's ETag on whole
    #: copies only, as Ceph does, needs 5 GiB here.
    single_copy_limit: int = 256 * MIB

    #: Dotted path of the authentication of signing alone, which should need no database; None takes
    #: REST framework's default.
    signing_authentication: str | None = None
    #: Life of a signed form (S6: at most 300).
    policy_seconds: int = 300
    #: Signed GET URLs are equal within a window and live a margin longer.
    url_window: int = 3600
    url_margin: int = 3600

    connect_timeout: float = 2.0
    read_timeout: float = 10.0
    max_attempts: int = 3
    #: Requests of one worker process that may wait for S3 at once; the next one gets a 503.
    max_waiting: int = 3
    #: S3 calls of one process under way at once.
    parallel_calls: int = 10

    #: How long an attach may go on before it has to renew its claim.
    lease: timedelta = timedelta(seconds=60)
    #: How long after a lease ended its row may still be taken over.
    lease_grace: timedelta = timedelta(minutes=10)
    #: Between the two deletes of one object: longer than any copy can be in flight, the pauses of a
    #: worker between its claim and its copy included.
    settle: timedelta = timedelta(minutes=15)
    #: How long the row of a deleted object stays (S8).
    tombstone: timedelta = timedelta(days=7)
    #: How long an unclaimed upload stays in the incoming bucket, in days (L1).
    incoming_days: int = 2

    inspectors: tuple[str, ...] = (
        "sign_s3.inspection.check_signature",
        "sign_s3.inspection.check_dimensions",
    )
    #: Pixels of an image in all, and along its longer side.
    max_pixels: int = 100_000_000
    max_side: int = 20_000

    #: What one owner may keep; None counts nothing.
    quota_bytes: int | None = None
    quota_files: int | None = None
    #: What an S3 call inside a transaction does: "raise" or "log" (S7).
    transaction_guard: str = "log"


_NAMES: Mapping[str, str] = {
    "media_bucket": "AWS_STORAGE_BUCKET_NAME",
    "incoming_bucket": "AWS_INCOMING_BUCKET_NAME",
    "region": "AWS_S3_REGION_NAME",
    "access_key": "AWS_ACCESS_KEY_ID",
    "secret_key": "AWS_SECRET_ACCESS_KEY",
    "session_token": "AWS_SESSION_TOKEN",
    "upload_access_key": "AWS_UPLOAD_ACCESS_KEY_ID",
    "upload_secret_key": "AWS_UPLOAD_SECRET_ACCESS_KEY",
    "endpoint_url": "AWS_S3_ENDPOINT_URL",
    "public_endpoint_url": "AWS_S3_PUBLIC_ENDPOINT_URL",
    "addressing_style": "AWS_S3_ADDRESSING_STYLE",
    "default_acl": "AWS_DEFAULT_ACL",
    "custom_domain": "AWS_S3_CUSTOM_DOMAIN",
}


@functools.cache
def conf() -> Conf:
    """The settings in force; `ImproperlyConfigured` names one that is missing or unknown."""
    own: dict[str, Any] = dict(getattr(settings, "SIGN_S3", {}))
    unknown = own.keys() - ({f.name for f in fields(Conf)} - _NAMES.keys())
    if unknown:
        raise ImproperlyConfigured(f"SIGN_S3 has unknown names: {', '.join(sorted(unknown))}")
    for name, setting in _NAMES.items():
        if (value := getattr(settings, setting, None)) is not None:
            own[name] = value
    try:
        return Conf(**own)
    except TypeError as exc:
        raise ImproperlyConfigured(
            "AWS_STORAGE_BUCKET_NAME, AWS_INCOMING_BUCKET_NAME and AWS_S3_REGION_NAME are required"
        ) from exc


def _forget(*, setting: str, **_: object) -> None:
    if setting == "SIGN_S3" or setting in _NAMES.values():
        conf.cache_clear()


setting_changed.connect(_forget)
