"""What a signature costs in process: ours, boto3's, minio-py's, and the least it could cost.

    python -m bench.signing

Every contender makes a fresh key of its own and signs for it, at the time it is. The answers are
compared before anything is timed. Rounds of all contenders are interleaved, so that a busy moment
of the machine falls on all of them.
"""

import base64
import hmac
import operator
import os
import secrets
import statistics
import sys
import time
import timeit
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import boto3
from botocore.config import Config
from minio import Minio
from minio.datatypes import PostPolicy

import local.test_environment  # noqa: F401 - the settings' environment
from bench.forms import meaning
from bench.report import Row, main, spread
from sign_s3.keys import new_id
from sign_s3.signing import Credentials, Location, PresignedPost, Signer

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

BUCKET, REGION, OWNER = "my-bucket", "eu-west-1", "3L5fgCyhLwTX5LWfT7dhya"
ACL, CONTENT_TYPE, MAX_SIZE = "bucket-owner-full-control", "image/jpeg", 10 * 1024 * 1024
ACCESS_KEY, SECRET_KEY = "AKIAIOSFODNN7EXAMPLE", secrets.token_hex(20)
BATCH = 10

ROUNDS = 25
#: Seconds that one contender runs in one round.
SLICE = 0.02

SIGNER = Signer(Location(BUCKET, REGION, None, "virtual"), Credentials(ACCESS_KEY, SECRET_KEY))
BOTO3: "S3Client" = boto3.client(
    "s3",
    region_name=REGION,
    aws_access_key_id=ACCESS_KEY,
    aws_secret_access_key=SECRET_KEY,
    config=Config(signature_version="s3v4", s3={"addressing_style": "virtual"}),
)
MINIO = Minio(
    endpoint=f"s3.{REGION}.amazonaws.com",
    access_key=ACCESS_KEY,
    secret_key=SECRET_KEY,
    region=REGION,
)
MINIO.disable_dualstack_endpoint()  # type: ignore[no-untyped-call]


@dataclass(frozen=True, slots=True)
class Contender:
    """Something to time. ``at_least`` is how often ours should fit into it."""

    task: str
    name: str
    run: Callable[[], object]
    answers: int = 1
    at_least: float | None = None
    at_most_us: float | None = None


# ---------------------------------------------------------------- forms


def new_key() -> str:
    return f"media/images/posts/post_{new_id()}.jpeg"


def our_forms(number: int = 1) -> list[PresignedPost]:
    return SIGNER.posts(
        [new_key() for _ in range(number)],
        content_type=CONTENT_TYPE,
        owner=OWNER,
        max_size=MAX_SIZE,
        acl=ACL,
        now=int(time.time()),
    )


def boto3_form() -> dict[str, Any]:
    fields = {"acl": ACL, "Content-Type": CONTENT_TYPE, "x-amz-meta-userid": OWNER}
    conditions: list[Any] = [{name: value} for name, value in fields.items()]
    conditions.append(["content-length-range", 1, MAX_SIZE])
    return BOTO3.generate_presigned_post(
        BUCKET, new_key(), Fields=fields, Conditions=conditions, ExpiresIn=300
    )


def minio_form() -> dict[str, Any]:
    # The caller adds the fields that it pinned.
    fields = {
        "acl": ACL,
        "Content-Type": CONTENT_TYPE,
        "x-amz-meta-userid": OWNER,
        "key": new_key(),
    }
    policy = PostPolicy(BUCKET, datetime.now(UTC) + timedelta(seconds=300))
    for name, value in fields.items():
        policy.add_equals_condition(name, value)
    policy.add_content_length_range_condition(1, MAX_SIZE)
    return {"url": SIGNER.location.url, "fields": {**fields, **MINIO.presigned_post_policy(policy)}}


POLICY = secrets.token_bytes(600)
SIGNING_KEY = secrets.token_bytes(32)


def floor() -> object:
    """What no form can do without: a random id, its text in base64, one HMAC over that."""
    return uuid.uuid4(), hmac.digest(SIGNING_KEY, base64.b64encode(POLICY), "sha256")


def said(form: Mapping[str, Any]) -> object:
    return meaning(form, secret_key=SECRET_KEY, region=REGION)


# ---------------------------------------------------------------- URLs

KEY = new_key()


def our_url() -> str:
    return SIGNER.get(KEY, now=int(time.time()), expires_in=3600)


def boto3_url() -> str:
    return BOTO3.generate_presigned_url(
        "get_object", Params={"Bucket": BUCKET, "Key": KEY}, ExpiresIn=3600
    )


def minio_url() -> str:
    return MINIO.presigned_get_object(BUCKET, KEY, timedelta(seconds=3600))


def url_parts(url: str) -> tuple[object, ...]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc, parts.path, parse_qs(parts.query)


def cached_url() -> Callable[[], str]:
    """`url` of a file whose URL this process has given out before."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    from sign_s3.storage import MediaStorage  # noqa: PLC0415 - needs the settings

    storage, name = MediaStorage(), KEY.removeprefix("media/")
    return lambda: storage.url(name)


# ---------------------------------------------------------------- measuring


def check() -> None:
    """All contenders give the same answer; otherwise comparing their times means nothing."""
    assert said(our_forms()[0]._asdict()) == said(boto3_form()) == said(minio_form())
    for _ in range(3):  # the clock may tick in between
        urls = [url_parts(make()) for make in (our_url, boto3_url, minio_url)]
        if urls[0] == urls[1] == urls[2]:
            return
    raise AssertionError(urls)


def contenders() -> list[Contender]:
    return [
        Contender("one form", "ours", our_forms),
        Contender("one form", "boto3", boto3_form, at_least=12),
        Contender("one form", "minio-py", minio_form, at_least=4),
        Contender("one form", "floor", floor, at_least=0.5),
        Contender(f"{BATCH} forms, each", "ours", lambda: our_forms(BATCH), answers=BATCH),
        Contender(f"{BATCH} forms, each", "floor", floor, at_least=0.5),
        Contender("a GET URL", "ours", our_url),
        Contender("a GET URL", "boto3", boto3_url, at_least=15),
        Contender("a GET URL", "minio-py", minio_url),
        Contender("a GET URL again", "ours", cached_url(), at_most_us=1),
    ]


def measure() -> list[Row]:
    """Check, then time every contender; rows in the order of `contenders`."""
    check()
    entries = [(contender, timeit.Timer(contender.run)) for contender in contenders()]
    repeats = []
    for _, timer in entries:
        number, seconds = timer.autorange()
        repeats.append(max(1, round(number * SLICE / seconds)))
    rounds = [
        [timer.timeit(number) / number for (_, timer), number in zip(entries, repeats, strict=True)]
        for _ in range(ROUNDS)
    ]

    rows: list[Row] = []
    ours: list[float] = []
    for (contender, _), seconds_each in zip(entries, zip(*rounds, strict=True), strict=True):
        times = [1e6 * seconds / contender.answers for seconds in seconds_each]
        if contender.name == "ours":
            ours = times
        measured = spread(times)
        # Within one round both had the same machine.
        ratio = statistics.median(map(operator.truediv, times, ours))
        target, met = "", None
        if contender.at_least is not None:
            target, met = f"≥ {contender.at_least:g} ×", ratio >= contender.at_least
        elif contender.at_most_us is not None:
            target, met = f"≤ {contender.at_most_us:g} µs", measured.median <= contender.at_most_us
        rows.append(
            Row(
                "in process",
                contender.task,
                contender.name,
                measured.median,
                "µs",
                measured.low,
                measured.high,
                None if contender.name == "ours" else ratio,
                target,
                met,
            )
        )
    return rows


if __name__ == "__main__":
    sys.exit(main(measure))
