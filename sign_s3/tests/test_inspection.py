"""What may be attached and what may not (A5), and checks that a deployment adds."""

import contextlib
import time
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pytest_django import Settings

from conftest import Buckets
from local.pictures import picture
from sign_s3.bucket import Bucket, ObjectInfo
from sign_s3.destinations import IMAGES, MIB, VIDEOS, Destination
from sign_s3.inspection import (
    HEAD_LENGTH,
    Incoming,
    Inspected,
    Refused,
    check_dimensions,
    check_signature,
    inspect,
)
from sign_s3.keys import new_id, object_key
from sign_s3.tests.hostile_files import GENUINE, NO_PICTURE, jar, png_of

ANYTHING = Destination(path="a/b_", types={**IMAGES, **VIDEOS}, max_size=10 * MIB)
#: Far above what any header takes on a slow machine, far below what an endless loop would.
BOUND_SECONDS = 2.0

Put = Callable[..., str]


@pytest.fixture
def put(buckets: Buckets) -> Put:
    """Puts an upload of alice's where S3 would; returns its key."""

    def put(mime: str, data: bytes, *, owner: str = "alice", stored_as: str = "") -> str:
        key = f"a/b_{new_id()}{ANYTHING.types[mime]}"
        meta = {"userid": owner}
        buckets.incoming.put(object_key(key), data, meta, content_type=stored_as or mime)
        return key

    return put


def look(
    buckets: Buckets, key: str, *, owner: str = "alice", destination: Destination = ANYTHING
) -> Inspected:
    return inspect(bucket=buckets.incoming, key=key, owner=owner, destination=destination)


@pytest.mark.parametrize(("mime", "data"), GENUINE.values(), ids=GENUINE.keys())
def test_a_file_as_cameras_make_it_is_taken(
    put: Put, buckets: Buckets, mime: str, data: bytes
) -> None:
    seen = look(buckets, put(mime, data))

    size = (64, 48) if mime.startswith("image/") else (None, None)
    assert (seen.content_type, seen.size, seen.width, seen.height) == (mime, len(data), *size)


@pytest.mark.parametrize(("mime", "data", "code"), NO_PICTURE.values(), ids=NO_PICTURE.keys())
def test_what_is_no_picture_or_more_than_one_is_refused_at_once(
    put: Put, buckets: Buckets, mime: str, data: bytes, code: str
) -> None:
    key = put(mime, data)
    began = time.process_time()
    with pytest.raises(Refused) as refused:
        look(buckets, key)
    assert refused.value.code == code
    assert time.process_time() - began < BOUND_SECONDS


@pytest.mark.parametrize("size", [(10_000, 10_000), (20_000, 5_000), (1, 1)])
def test_a_picture_as_large_as_allowed_is_taken(
    put: Put, buckets: Buckets, size: tuple[int, int]
) -> None:
    seen = look(buckets, put("image/png", png_of(*size)))
    assert (seen.width, seen.height) == size


def test_a_jar_behind_a_large_picture_is_found_by_who_looks_at_its_end(
    put: Put, buckets: Buckets, settings: Settings
) -> None:
    large = picture("PNG", 400, 400)
    assert len(large) > HEAD_LENGTH
    both = put("image/png", large + jar())
    assert look(buckets, both).size > len(large)

    settings.SIGN_S3 = {**settings.SIGN_S3, "inspectors": ("sign_s3.inspection.check_end",)}

    assert look(buckets, put("image/png", large)).size == len(large)
    with pytest.raises(Refused, match="something else"):
        look(buckets, both)


def test_an_empty_upload_is_refused(put: Put, buckets: Buckets) -> None:
    with pytest.raises(Refused) as refused:
        look(buckets, put("image/png", b""))
    assert refused.value.code == "too_small"


def test_nothing_uploaded_and_another_users_upload_are_the_same_answer(
    put: Put, buckets: Buckets
) -> None:
    answers = []
    for key in (f"a/b_{new_id()}.png", put("image/png", picture("PNG"), owner="bob")):
        with pytest.raises(Refused) as refused:
            look(buckets, key)
        answers.append((refused.value.code, refused.value.detail))
    assert answers == [("not_uploaded", "Nothing has been uploaded under this key.")] * 2


def test_an_upload_without_an_owner_is_nobodys(buckets: Buckets) -> None:
    key = f"a/b_{new_id()}.png"
    buckets.incoming.put(object_key(key), picture("PNG"), content_type="image/png")
    with pytest.raises(Refused, match="Nothing has been uploaded"):
        look(buckets, key, owner="")
    with pytest.raises(Refused, match="Nothing has been uploaded"):
        look(buckets, key)


@pytest.mark.parametrize(
    "stored_as", ["image/jpeg", "text/html", "image/png; charset=utf-8", "IMAGE/PNG"]
)
def test_a_type_the_key_was_not_signed_for_is_refused(
    put: Put, buckets: Buckets, stored_as: str
) -> None:
    with pytest.raises(Refused) as refused:
        look(buckets, put("image/png", picture("PNG"), stored_as=stored_as))
    assert refused.value.code == "wrong_type"


@pytest.mark.parametrize(("change", "code"), [(-1, "too_large"), (0, None), (1, "too_small")])
def test_the_size_is_held_against_the_destination_again(
    put: Put, buckets: Buckets, change: int, code: str | None
) -> None:
    data = picture("PNG")
    exact = Destination(
        path="a/b_",
        types=IMAGES,
        min_size=len(data) + change if change > 0 else 1,
        max_size=len(data) + change,
    )
    key = put("image/png", data)
    if code is None:
        assert look(buckets, key, destination=exact).size == len(data)
        return
    with pytest.raises(Refused) as refused:
        look(buckets, key, destination=exact)
    assert refused.value.code == code


def upload_of(mime: str, data: bytes) -> Incoming:
    """An upload as inspectors see it, whole in its head."""
    head = data[:HEAD_LENGTH]
    info = ObjectInfo("media/a", len(head), "e", datetime.now(UTC), mime)
    return Incoming("a", "alice", ANYTHING, Bucket("incoming"), info, head)


@st.composite
def damaged(draw: st.DrawFn) -> Incoming:
    """A real file, cut off and with some bytes replaced, under its own type or another one."""
    mime, data = draw(st.sampled_from([*GENUINE.values()]))
    damage = bytearray(data[: draw(st.integers(0, len(data)))])
    for _ in range(draw(st.integers(0, 12))):
        if damage:
            # Headers are at the beginning; a change there means more.
            place = draw(
                st.integers(0, min(len(damage), 200) - 1) | st.integers(0, len(damage) - 1)
            )
            extreme = st.sampled_from([b"\0", b"\xff", b"\0\0\0\0", b"\xff\xff\xff\xff", b"/*"])
            new = draw(extreme | st.binary(max_size=6))
            damage[place : place + len(new)] = new
    return upload_of(draw(st.just(mime) | st.sampled_from([*ANYTHING.types])), bytes(damage))


@given(damaged())
@hypothesis_settings(max_examples=200, deadline=None)
def test_no_header_does_more_than_being_refused(upload: Incoming) -> None:
    began = time.process_time()
    for inspector in (check_signature, check_dimensions):
        with contextlib.suppress(Refused):
            inspector(upload)
    assert time.process_time() - began < BOUND_SECONDS


# ---------------------------------------------------------------- inspectors of a deployment


def only_small(upload: Incoming) -> None:
    if upload.info.size > 100:
        raise Refused("moderated", "Not here.")


def whole(upload: Incoming) -> None:
    """As a scanner does: reads every byte, not just the head."""
    read = b"".join(
        upload.read(start, HEAD_LENGTH) for start in range(0, upload.info.size, HEAD_LENGTH)
    )
    raise Refused("scanned", f"{len(read)} bytes, {read[-4:]!r} last")


def replaced_meanwhile(upload: Incoming) -> None:
    name = object_key(upload.key)
    upload.bucket.put(name, b"other", {"userid": upload.owner}, content_type="image/png")
    upload.read(0, 10)


def taken_meanwhile(upload: Incoming) -> None:
    upload.bucket.delete(object_key(upload.key))
    upload.read(0, 10)


def use(settings, *names):
    settings.SIGN_S3 = {**settings.SIGN_S3, "inspectors": tuple(f"{__name__}.{n}" for n in names)}


def test_an_inspector_can_read_all_of_a_large_upload(settings, put, buckets):
    data = picture("PNG", 600, 400)
    use(settings, "whole")
    with pytest.raises(Refused) as refused:
        look(buckets, put("image/png", data))
    assert refused.value.detail == f"{len(data)} bytes, {data[-4:]!r} last"


@pytest.mark.parametrize("name", ["replaced_meanwhile", "taken_meanwhile"])
def test_an_upload_that_changes_under_an_inspector_is_refused(settings, put, buckets, name):
    use(settings, name)
    with pytest.raises(Refused) as refused:
        look(buckets, put("image/png", picture("PNG")))
    assert refused.value.code == "changed"


@pytest.mark.parametrize(
    ("names", "code"),
    [(("only_small", "whole"), "moderated"), (("whole", "only_small"), "scanned")],
)
def test_inspectors_are_asked_in_their_order_and_the_first_refusal_counts(
    settings, put, buckets, names, code
):
    use(settings, *names)
    with pytest.raises(Refused) as refused:
        look(buckets, put("image/png", picture("PNG")))
    assert refused.value.code == code
