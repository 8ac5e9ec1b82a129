"""``GET /posts/`` with 100 posts of three pictures each, their URLs by us and by django-storages.

    python -m bench.feed

On the same rows, with the same answer: our list with our storage, our list with django-storages',
and a list as REST framework's guide writes it with django-storages'. Ours is measured with
the URLs that a process remembers for an hour, and with every URL made anew, as at an hour's start.
"""

import json
import operator
import os
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

from bench import database
from bench.asking import ask
from bench.report import Row, spread

POSTS, PICTURES = 100, 3
ROUNDS = 40


def measure_on(kind: str) -> list[Row]:
    database.choose(kind)
    from django.core.files import storage as storage_module  # noqa: PLC0415 - needs the setup
    from django.core.handlers.wsgi import WSGIHandler  # noqa: PLC0415
    from django.test import override_settings  # noqa: PLC0415

    from config.wsgi import application  # noqa: PLC0415
    from sign_s3.storage import MediaStorage  # noqa: PLC0415

    fill()
    ours, theirs = MediaStorage(), django_storages()
    with override_settings(ROOT_URLCONF="bench.baselines.feed"):
        guide_application = WSGIHandler()

    def feed(limit: int = POSTS) -> bytes:
        return ask(application, "/posts/", expect="200 OK", query=f"limit={limit}")

    default: Any = storage_module.default_storage

    def use(storage: Any) -> None:
        default._wrapped = storage  # noqa: SLF001 - what STORAGES would name

    def forgetful() -> bytes:
        use(ours)
        ours._window = None  # noqa: SLF001 - as at the beginning of a window
        return feed()

    def remembering() -> bytes:
        use(ours)
        return feed()

    def storage_replaced() -> bytes:
        use(theirs)
        return feed()

    def all_by_the_guide() -> bytes:
        use(theirs)
        with override_settings(ROOT_URLCONF="bench.baselines.feed"):
            return ask(guide_application, "/posts/", expect="200 OK", query=f"limit={POSTS}")

    contenders: list[Callable[[], bytes]] = [
        forgetful,
        remembering,
        storage_replaced,
        all_by_the_guide,
    ]
    same(*(json.loads(run()) for run in contenders))
    with database.counted() as many:
        feed()
    with database.counted() as few:
        feed(limit=1)
    times: list[list[float]] = [[] for _ in contenders]
    for _ in range(ROUNDS):
        for run, mine in zip(contenders, times, strict=True):
            began = time.perf_counter()
            run()
            mine.append(1e3 * (time.perf_counter() - began))

    def ratio(other: int, mine: int) -> float:
        ratios: list[float] = list(map(operator.truediv, times[other], times[mine]))
        return statistics.median(ratios)

    swapped, guide = "django-storages' url() in our list", "model serializers, django-storages"
    return [
        _row(f"ours; {kind}", times[1], at_most=40),
        _row(f"{swapped}; {kind}", times[2], ratio=ratio(2, 1), at_least=10),
        _row(f"{guide}; {kind}", times[3], ratio=ratio(3, 1)),
        _row(f"ours, a window's first; {kind}", times[0], at_most=40),
        _row(f"{swapped}, against that; {kind}", times[2], ratio=ratio(2, 0)),
        _row(f"{guide}, against that; {kind}", times[3], ratio=ratio(3, 0)),
        Row(
            "feed",
            f"SQL statements for {POSTS} posts, and for 1",
            kind,
            len(many),
            "",
            len(few),
            len(many),
            target="the same",
            met=len(few) == len(many),
        ),
    ]


def _row(
    by: str,
    times: list[float],
    *,
    at_most: float | None = None,
    ratio: float | None = None,
    at_least: float | None = None,
) -> Row:
    task = f"the feed, {POSTS} posts of {PICTURES}, p50"
    took = spread(times)
    target, met = "", None
    if at_most is not None:
        target, met = f"≤ {at_most:g} ms", took.median <= at_most
    if at_least is not None and ratio is not None:
        target, met = f"≥ {at_least:g} ×", ratio >= at_least
    return Row("feed", task, by, took.median, "ms", took.low, took.high, ratio, target, met)


def django_storages() -> Any:
    """S3Storage as its documentation sets it up for private files."""
    from storages.backends.s3 import S3Storage  # noqa: PLC0415

    class Private(S3Storage):  # type: ignore[misc]
        def url(self, name: str, **_: object) -> str:
            # Our file objects ask with public=…, which it does not know.
            return str(super().url(name))

    return Private(
        access_key=os.environ["AWS_ACCESS_KEY_ID"],
        secret_key=os.environ["AWS_SECRET_ACCESS_KEY"],
        bucket_name=os.environ["AWS_STORAGE_BUCKET_NAME"],
        region_name=os.environ["AWS_S3_REGION_NAME"],
        addressing_style="virtual",
        signature_version="s3v4",
        querystring_auth=True,
        querystring_expire=3600,
        location="media",
    )


def same(*answers: dict[str, Any]) -> None:
    """All answers are the same list, but for the moment at which URLs were signed."""
    for answer in answers:
        assert len(answer["results"]) == POSTS
        for post in answer["results"]:
            assert len(post["images"]) == PICTURES
            for image in post["images"]:
                url, _, query = image["url"].partition("?")
                assert "X-Amz-Signature=" in query, image["url"]
                image["url"] = url
        answer["next"] = None
    assert all(answer == answers[0] for answer in answers), [
        answer["results"][0] for answer in answers
    ]


def fill() -> None:
    """The posts, their pictures and what the ledger knows of them, with statistics as any database
    in use has them.
    """
    from django.db import connection  # noqa: PLC0415

    from posts.models import Post, PostImage  # noqa: PLC0415
    from sign_s3.keys import new_id  # noqa: PLC0415
    from sign_s3.models import MediaObject, State  # noqa: PLC0415
    from users.models import User  # noqa: PLC0415

    author = User.objects.create_user(email="alice@example.com", nickname="alice")
    posts = Post.objects.bulk_create(
        Post(author=author, caption=f"number {number}") for number in range(POSTS + 1)
    )
    keys = [f"images/posts/post_{new_id()}.jpeg" for _ in range(len(posts) * PICTURES)]
    MediaObject.objects.bulk_create(
        MediaObject(
            key=key,
            owner=author.pk,
            etag='"e"',
            content_type="image/jpeg",
            size=1_000_000,
            width=4032,
            height=3024,
            state=State.ATTACHED,
        )
        for key in keys
    )
    PostImage.objects.bulk_create(
        PostImage(post=posts[place // PICTURES], position=place % PICTURES, image=key)
        for place, key in enumerate(keys)
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


if __name__ == "__main__":
    sys.exit(database.main(measure_on))
