from datetime import date
from typing import Any

import pytest

from sign_s3.destinations import (
    GIB,
    IMAGES,
    MAX_FORM_SIZE,
    MIB,
    VIDEOS,
    Destination,
    InvalidDestination,
)
from sign_s3.keys import parse_key
from sign_s3.tests.test_keys import ID, NOT_PATHS


def post_images(**changes: Any) -> Destination:
    return Destination(
        **{"path": "images/posts/post_", "types": IMAGES, "max_size": MIB, **changes}
    )


def test_a_destination_is_private_and_takes_no_empty_file_unless_it_says_so() -> None:
    destination = post_images()
    assert (destination.public, destination.min_size, destination.max_size) == (False, 1, MIB)


def test_an_svg_is_no_image_here() -> None:
    assert "image/svg+xml" not in IMAGES


@pytest.mark.parametrize("path", [*NOT_PATHS, "%Y/", "a/%H/", "a/%", "a/%%", "media/images/"])
def test_a_path_that_could_not_stand_in_a_key_is_refused(path: str) -> None:
    with pytest.raises(InvalidDestination):
        post_images(path=path)


def test_a_path_may_be_as_long_as_its_dates_allow() -> None:
    assert post_images(path="a" * 124 + "%Y").expand(date(2026, 1, 2)) == "a" * 124 + "2026"
    with pytest.raises(InvalidDestination):
        post_images(path="a" * 125 + "%Y")


@pytest.mark.parametrize(
    "types",
    [
        {},
        {"image": ".png"},
        {"IMAGE/PNG": ".png"},
        {"image/png,text/html": ".png"},
        {"text/html;image/png": ".png"},
        {"image/png\r\n": ".png"},
        {"image/*": ".png"},
        {"image/${filename}": ".png"},
        {"image/png": "png"},
        {"image/png": ".PNG"},
        {"image/png": ".p"},
        {"image/png": ".tar.gz"},
        {"image/png": ""},
    ],
)
def test_types_are_plain_mime_types_with_plain_extensions(types: dict[str, str]) -> None:
    with pytest.raises(InvalidDestination):
        post_images(types=types)


@pytest.mark.parametrize(
    "changes",
    [{"max_size": 0}, {"min_size": 0}, {"min_size": MIB + 1}, {"max_size": MAX_FORM_SIZE + 1}],
)
def test_sizes_run_from_one_byte_to_five_gib(changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidDestination):
        post_images(**changes)
    assert post_images(max_size=5 * GIB).max_size == MAX_FORM_SIZE


def test_clients_name_what_stands_before_the_dates() -> None:
    dated = post_images(path="images/teacher_portfolio/%Y/%m/%d/")
    assert dated.prefix == "images/teacher_portfolio/"
    assert dated.expand(date(2026, 1, 2)) == "images/teacher_portfolio/2026/01/02/"
    plain = post_images()
    assert plain.prefix == plain.expand(date(2026, 1, 2)) == "images/posts/post_"


@pytest.mark.parametrize(
    ("path", "key", "matches"),
    [
        ("images/posts/post_", f"images/posts/post_{ID}.png", True),
        ("images/posts/post_", f"media/images/posts/post_{ID}.jpeg", True),
        ("images/posts/post_", f"images/posts/post_{ID}.mp4", False),
        ("images/posts/post_", f"images/posts/{ID}.png", False),
        ("images/posts/post_", f"images/posts/post_a{ID}.png", False),
        ("images/posts/post_", f"a/images/posts/post_{ID}.png", False),
        ("images/%Y/%m/", f"images/2026/01/{ID}.png", True),
        ("images/%Y/%m/", f"images/2026/1/{ID}.png", False),
        ("images/%Y/%m/", f"images/2026/01/02/{ID}.png", False),
        ("images/%Y/%m/", f"images/{ID}.png", False),
        ("images/%d_", f"images/31_{ID}.png", True),
    ],
)
def test_a_key_matches_its_own_destination_only(path: str, key: str, matches: bool) -> None:
    assert post_images(path=path).matches(parse_key(key)) is matches


def test_destinations_are_values() -> None:
    assert post_images() == post_images()
    assert hash(post_images()) == hash(post_images())
    assert post_images() != post_images(types=VIDEOS)
