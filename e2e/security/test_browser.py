"""In a real browser: a page of an allowed origin, one of another, and our own pages' policy."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from e2e.security.conftest import Guarded
from e2e.security.page import served
from e2e.security.person import PASSWORD, PICTURES, Person

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser


def job(guarded: Guarded, somebody: Person) -> dict[str, Any]:
    return {"base": guarded.url, "token": somebody.access, "path": PICTURES}


def test_a_page_of_an_allowed_origin_does_the_whole_job(
    page: "Page", complaints: list[str], guarded: Guarded, alice: Person
) -> None:
    with served(guarded.page_port) as origin:
        assert origin == guarded.page_origin
        page.goto(origin)
        result = page.evaluate("wholeJob", job(guarded, alice))

    limit = result.pop("limit")
    assert result == {
        "signed": 201,
        "stored": 204,
        "made": 201,
        "width": 64,
        "height": 48,
        "deleted": 204,
    }
    assert limit.startswith('"min";r=')
    assert complaints == []


def test_a_page_of_another_origin_gets_nothing(
    page: "Page", complaints: list[str], guarded: Guarded, alice: Person
) -> None:
    with served() as origin:
        page.goto(origin)
        result = page.evaluate("tryToSign", job(guarded, alice))

    assert result == "TypeError"
    assert any("CORS" in text for text in complaints)


def test_a_page_of_another_origin_cannot_show_ours_in_a_frame(
    page: "Page", complaints: list[str], guarded: Guarded
) -> None:
    with served(guarded.page_port) as origin:
        page.goto(origin)
        for path in ("/docs/", "/admin/login/", "/posts/"):
            page.evaluate(
                """url => new Promise(done => {
                    const frame = document.createElement('iframe');
                    frame.onload = done;
                    frame.src = url;
                    document.body.append(frame);
                })""",
                f"{guarded.url}{path}",
            )
    refusals = [text for text in complaints if "frame-ancestors" in text]
    assert len(refusals) == 3, complaints


def test_the_documentation_works_under_its_policy(
    page: "Page", complaints: list[str], guarded: Guarded
) -> None:
    page.goto(f"{guarded.url}/docs/")
    page.locator(".opblock").first.wait_for(timeout=20_000)

    assert page.locator(".opblock").count() > 15
    page.locator("#operations-sign_s3-sign_s3_create .opblock-summary-control").click()
    page.locator("#operations-sign_s3-sign_s3_create .opblock-body").wait_for()
    assert complaints == []


def test_the_admin_works_under_its_policy_and_keeps_its_cookies_to_itself(
    page: "Page",
    complaints: list[str],
    guarded: Guarded,
    person: Callable[[str], Person],
) -> None:
    staff = person("<img src=x onerror=alert(1)>")
    staff.call("POST", "/posts/", {"caption": "<script>alert(1)</script>"})
    guarded.manage(
        "shell",
        "-c",
        "from users.models import User;"
        f"User.objects.filter(email={staff.email!r}).update(is_staff=True, is_superuser=True)",
    )
    page.on("dialog", lambda dialog: complaints.append(f"dialog: {dialog.message}"))
    page.set_extra_http_headers({"X-Forwarded-For": staff.address})
    page.goto(f"{guarded.url}/admin/")
    page.fill("#id_username", staff.email)
    page.fill("#id_password", PASSWORD)
    page.click("[type=submit]")
    page.wait_for_url(f"{guarded.url}/admin/")
    for path in (
        "",
        "users/user/",
        f"users/user/{staff.id}/change/",
        "posts/post/",
        "posts/post/add/",
        "sign_s3/mediaobject/",
    ):
        answer = page.goto(f"{guarded.url}/admin/{path}")
        assert answer is not None
        assert answer.status == 200, path
    assert complaints == []

    cookies = {cookie["name"]: cookie for cookie in page.context.cookies()}
    assert cookies.keys() == {"csrftoken", "sessionid"}
    for cookie in cookies.values():
        assert (cookie["httpOnly"], cookie["path"], cookie["sameSite"]) == (True, "/admin/", "Lax")
    # Neither is sent to the API.
    page.goto(f"{guarded.url}/users/me/")
    assert '"not_authenticated"' in page.content()
