"""The real Uppy in a real browser, on a page of another origin (A14): as its users install it."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final

import pytest

from e2e.security.conftest import Guarded
from e2e.security.page import served
from e2e.security.person import PICTURES, Person
from e2e.test_multipart import FILMS, film
from e2e.uppy import PACKAGES, PAGE, bundle
from local.processes import wait_until
from sign_s3.destinations import MIB
from sign_s3.keys import MEDIA_PREFIX, parse_key

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from playwright.sync_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.slow]

FIRE: Final = "window.fired = true"
NAMES: Final = {
    "markup": f'<img src=x onerror="{FIRE}">.png',
    "a script": f"</script><script>{FIRE}</script>.png",
    "CRLF": "a\r\nX-Amz-Meta-Userid: mallory\r\n\r\n.png",
    "quotes": "\"'`;${filename}.png",
    "10,000 characters": "x" * 9_996 + ".png",
    "10,000 of markup": f'<img src=x onerror="{FIRE}">' * 250 + ".png",
}

Start = Callable[..., "Page"]


@pytest.fixture(params=PACKAGES, ids=[f"Uppy {major}" for major in PACKAGES])
def start(
    request: pytest.FixtureRequest, page: "Page", guarded: Guarded, alice: Person
) -> Iterator[Start]:
    """Opens the page, signed in as alice."""
    files = {
        "/": PAGE.read_bytes(),
        "/uppy.js": bundle(request.param),
        "/film.mp4": film(12 * MIB),
    }
    with served(guarded.page_port, files) as origin:

        def opened(*, multipart: bool) -> "Page":
            page.goto(origin)
            options = {"base": guarded.url, "token": alice.access}
            page.evaluate("start", {**options, "major": request.param, "multipart": multipart})
            return page

        yield opened


def uploaded(page: "Page", name: str, type_: str, path: str) -> dict[str, Any]:
    result: dict[str, Any] = page.evaluate("upload", {"name": name, "type": type_, "path": path})
    return result


def test_a_picture_goes_by_form_and_is_attached(
    start: Start, alice: Person, complaints: list[str]
) -> None:
    result = uploaded(start(multipart=False), "beach.png", "image/png", PICTURES)

    assert (result["errors"], complaints) == ([], [])
    made = alice.post(*result["keys"])
    assert made.status_code == 201, made.text
    assert (made.json()["images"][0]["width"], made.json()["images"][0]["height"]) == (64, 48)


def test_a_film_goes_in_parts_and_is_attached(
    start: Start, alice: Person, complaints: list[str]
) -> None:
    result = uploaded(start(multipart=True), "film.mp4", "video/mp4", FILMS)

    assert (result["errors"], complaints) == ([], [])
    made = alice.call("POST", "/posts/", {"video": result["keys"][0]})
    assert made.status_code == 201, made.text
    assert made.json()["video"]["size"] == 12 * MIB


@pytest.mark.parametrize("multipart", [False, True], ids=["form", "parts"])
def test_no_file_name_does_anything(
    start: Start, alice: Person, complaints: list[str], multipart: bool
) -> None:
    for what, name in NAMES.items():
        page = start(multipart=multipart)
        result = uploaded(page, name, "image/png", PICTURES)

        assert (result["errors"], complaints) == ([], []), what
        assert page.evaluate("window.fired") is None, what
        assert page.locator("#dashboard img[src=x]").count() == 0, what
        [key] = result["keys"]
        assert parse_key(key).path == PICTURES, what
        assert alice.post(key).status_code == 201, what


def test_what_is_cancelled_is_aborted(start: Start, guarded: Guarded, s3: "S3Client") -> None:
    job = {"name": "film.mp4", "type": "video/mp4", "path": FILMS}
    key = start(multipart=True).evaluate("cancel", job)

    assert key.startswith(MEDIA_PREFIX + FILMS)

    def left() -> list[Any]:
        listed = s3.list_multipart_uploads(Bucket=guarded.store.incoming, Prefix=key)
        return list(listed.get("Uploads", []))

    wait_until(lambda: not left(), guarded.children[0], patience=10)
