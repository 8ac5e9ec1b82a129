"""What attaching costs beside S3: ``POST /posts/`` with a picture, the store answering at once.

    python -m bench.attach

The S3 calls of an attach are timed by themselves as well, and taken off: what is left is ours, the
request's way through Django and the database included. Their number is counted.
"""

import json
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from bench import database, stub_s3
from bench.asking import ask
from bench.report import Row, spread

REQUESTS = 400
WARM = 50


def measure_on(kind: str) -> list[Row]:
    database.choose(kind)
    from config.wsgi import application  # noqa: PLC0415 - needs Django to be set up
    from sign_s3 import bucket  # noqa: PLC0415
    from sign_s3.keys import new_id, object_key  # noqa: PLC0415
    from sign_s3.storage import incoming_bucket, media_bucket  # noqa: PLC0415

    headers, user = signed_in()
    stub_s3.install(lambda: user)
    asked: Counter[str] = Counter()
    bucket.on_request(lambda operation: asked.update([operation]))

    def attach() -> None:
        body = {"caption": "", "images": [f"images/posts/post_{new_id()}.jpeg"]}
        ask(
            application,
            "/posts/",
            expect="201 Created",
            method="POST",
            headers=headers,
            body=json.dumps(body).encode(),
        )

    def s3_alone() -> None:
        key = object_key(f"images/posts/post_{new_id()}.jpeg")
        _, info = incoming_bucket().read_range(key, 0, 256 * 1024)
        media_bucket().copy_from(
            incoming_bucket(),
            key,
            source_etag=info.etag,
            size=info.size,
            content_type="image/jpeg",
            content_disposition="inline",
            cache_control="private",
        )
        incoming_bucket().delete_many([key])

    for _ in range(WARM):
        attach()
        s3_alone()
    asked.clear()
    with database.counted() as sent:
        attach()
    assert asked == {"GetObject": 1, "CopyObject": 1, "DeleteObjects": 1}, asked
    requests = asked.total()
    (whole, whole_cpu), (alone, alone_cpu) = interleaved(attach, s3_alone)
    took = spread(less(whole, alone))
    return [
        _row(kind, "attach, all of it", whole),
        _row(kind, "its S3 calls, in boto3 alone", alone),
        Row(
            "attach",
            "attach, own time beside the S3 calls (p50)",
            kind,
            took.median,
            "ms",
            took.low,
            took.high,
            target="≤ 5 ms",
            met=took.median <= 5,
        ),
        _row(kind, "own CPU, boto3's taken off", less(whole_cpu, alone_cpu)),
        Row(
            "attach",
            "S3 requests: a GET, a COPY, the DELETE of what was copied",
            kind,
            requests,
            "",
            requests,
            requests,
            target="one GET, one COPY",
            met=requests == 3,
        ),
        Row("attach", "SQL statements", kind, len(sent), "", len(sent), len(sent)),
    ]


def signed_in() -> tuple[dict[str, str], str]:
    """A user with a sign-in that the database knows: headers and the user's id."""
    from datetime import timedelta  # noqa: PLC0415

    from django.utils import timezone  # noqa: PLC0415

    from users.models import SignIn, User  # noqa: PLC0415
    from users.tokens import issue_pair  # noqa: PLC0415

    user = User.objects.create_user(email="alice@example.com", nickname="alice")
    sign_in = SignIn.objects.create(
        user=user, device="bench", expires_at=timezone.now() + timedelta(days=1)
    )
    pair = issue_pair(user_id=user.pk, sign_in_id=sign_in.pk, refresh_id=sign_in.refresh_id)
    return {"Authorization": f"Bearer {pair.access}"}, user.pk


def interleaved(*calls: Callable[[], Any]) -> list[tuple[list[float], list[float]]]:
    """Each call's times and its CPU times, all threads', in milliseconds; the calls take turns."""
    times: list[tuple[list[float], list[float]]] = [([], []) for _ in calls]
    for _ in range(REQUESTS):
        for call, (wall, cpu) in zip(calls, times, strict=True):
            began, used = time.perf_counter(), time.process_time()
            call()
            cpu.append(1e3 * (time.process_time() - used))
            wall.append(1e3 * (time.perf_counter() - began))
    return times


def less(whole: list[float], part: list[float]) -> list[float]:
    usual = statistics.median(part)
    return [each - usual for each in whole]


def _row(kind: str, task: str, times: list[float]) -> Row:
    took = spread(times)
    return Row("attach", task, kind, took.median, "ms", took.low, took.high)


if __name__ == "__main__":
    sys.exit(database.main(measure_on))
