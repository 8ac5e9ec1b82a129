"""What a signature costs in process: ours, boto3's, minio-py's, and the least it could cost.

    python -m bench.signing

Every contender makes a fresh key of its own and signs for it, at the time it is. The answers are
compared before anything is timed. Rounds of all contenders are interleaved, so that a busy moment
of the machine falls on all of them.
"""

import base64
import hmac
import json
import operator
import os
import secrets
import statistics
import sys
import time
import timeit
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import boto3
from botocore.config import Config
from minio import Minio
from minio.datatypes import PostPolicy

import local.test_environment  # noqa: F401 - the settings' environment
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
class Row:
    """One contender at one task. Times are microseconds; the spread is the middle nine tenths."""

    task: str
    contender: str
    median: float
    low: float
    high: float
    #: How often our own row of the same task fits into it: the median over the rounds, since
    #: within one round both had the same machine.
    times_ours: float
    at_least: float | None = None
    at_most_us: float | None = None

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None without one."""
        if self.at_least is not None:
            return self.times_ours >= self.at_least
        if self.at_most_us is not None:
            return self.median <= self.at_most_us
        return None


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


def meaning(form: dict[str, Any]) -> tuple[object, ...]:
    """A form without what differs from one moment or one key to the next."""
    fields = form["fields"]
    policy = json.loads(base64.b64decode(fields["policy"]))
    conditions = set()
    for condition in policy["conditions"]:
        if isinstance(condition, dict):
            ((name, value),) = condition.items()
        elif condition[0] == "eq":
            name, value = condition[1].removeprefix("$"), condition[2]
        else:
            name, value = condition[0], tuple(condition[1:])
        if name not in {"key", "x-amz-date"}:
            conditions.add((name, value))
    unpinned = {"key", "x-amz-date", "policy", "x-amz-signature"}
    rest = {name: value for name, value in fields.items() if name not in unpinned}
    life = datetime.fromisoformat(policy["expiration"]).timestamp() - time.time()
    return form["url"], conditions, rest, fields.keys(), 290 < life <= 301, proof_holds(fields)


def proof_holds(fields: dict[str, str]) -> bool:
    """Whether the signature is the policy's, worked out step by step."""
    key = f"AWS4{SECRET_KEY}".encode()
    for part in (fields["x-amz-date"][:8], REGION, "s3", "aws4_request"):
        key = hmac.new(key, part.encode(), sha256).digest()
    proof = hmac.new(key, fields["policy"].encode(), sha256).hexdigest()
    return hmac.compare_digest(proof, fields["x-amz-signature"])


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
    assert meaning(our_forms()[0]._asdict()) == meaning(boto3_form()) == meaning(minio_form())
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
        low, *_, high = statistics.quantiles(times, n=20)
        rows.append(
            Row(
                contender.task,
                contender.name,
                median=statistics.median(times),
                low=low,
                high=high,
                times_ours=statistics.median(map(operator.truediv, times, ours)),
                at_least=contender.at_least,
                at_most_us=contender.at_most_us,
            )
        )
    return rows


def main() -> int:
    rows = measure()
    print(f"{'task':<16} {'by':<9} {'µs':>8}  {'spread':<17} {'/ ours':>7}  target")
    for row in rows:
        spread = f"{row.low:.2f} to {row.high:.2f}"
        target = ""
        if row.at_least is not None:
            target = f"at least {row.at_least:g}"
        elif row.at_most_us is not None:
            target = f"at most {row.at_most_us:g} µs"
        verdict = {True: "met", False: "MISSED", None: ""}[row.met]
        print(
            f"{row.task:<16} {row.contender:<9} {row.median:>8.2f}  {spread:<17} "
            f"{row.times_ours:>7.2f}  {target:<15} {verdict}".rstrip()
        )
    return 1 if any(row.met is False for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
