"""The service as production has it: behind a proxy that ends TLS, `HTTPS` on."""

from collections.abc import Iterator
from typing import Final

import httpx
import pytest

from e2e.security.conftest import Guarded
from e2e.security.person import PASSWORD, Person, new_address
from local import service
from local.processes import free_port, wait_until

pytestmark = pytest.mark.slow

FORWARDED: Final = {"X-Forwarded-Proto": "https"}
HSTS: Final = "max-age=31536000; includeSubDomains; preload"


@pytest.fixture(scope="module")
def tls(guarded: Guarded, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client of the proxy; what it sends came over TLS unless it says otherwise."""
    port, log = free_port(), tmp_path_factory.mktemp("production") / "service.log"
    env = {
        **guarded.env,
        "HTTPS": "on",
        "LOG_LEVEL": "INFO",
        "SECURE_PROXY_SSL_HEADER": "HTTP_X_FORWARDED_PROTO,https",
    }
    web = service.serve(env, port=port, workers=1, log=log)
    try:
        wait_until(lambda: service.healthy(port), web, patience=60)
        with httpx.Client(
            base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=30, headers=FORWARDED
        ) as client:
            yield client
    finally:
        web.stop()


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("GET", "/admin/login/", {}, 200),
        ("GET", "/admin/", {}, 302),
        ("POST", "/admin/login/", {}, 403),
        ("GET", "/admin/no/such/page/", {}, 302),
        ("GET", "/docs/", {}, 200),
        ("GET", "/schema/", {}, 200),
        ("GET", "/healthz", {}, 200),
        ("GET", "/posts/", {}, 200),
        ("GET", "/users/me/", {}, 401),
        ("GET", "/no/such/page/", {}, 404),
        ("GET", "/%00", {}, 400),
        ("GET", "/posts/", {"Host": "evil.example"}, 400),
        ("GET", "/admin/", {"Host": "evil.example"}, 400),
        ("DELETE", "/posts/", {}, 401),
        ("POST", "/auth/token/", {}, 400),
    ],
)
def test_every_answer_keeps_to_https_is_framed_by_nobody_and_runs_nothing_inline(
    tls: httpx.Client, method: str, path: str, headers: dict[str, str], status: int
) -> None:
    answer = tls.request(method, path, headers={"X-Forwarded-For": new_address(), **headers})
    assert answer.status_code == status
    assert answer.headers["Strict-Transport-Security"] == HSTS
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert answer.headers["Referrer-Policy"] == "same-origin"
    policy = answer.headers["Content-Security-Policy"].split("; ")
    assert policy[0] == "default-src 'none'"
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in answer.headers["Content-Security-Policy"]
    assert "*" not in answer.headers["Content-Security-Policy"]


def test_the_admins_cookies_go_over_tls_to_the_admin_alone(
    tls: httpx.Client, guarded: Guarded
) -> None:
    root = Person(tls, "root")
    root.sign_up()
    guarded.manage(
        "shell",
        "-c",
        "from users.models import User;"
        f"User.objects.filter(email={root.email!r}).update(is_staff=True, is_superuser=True)",
    )
    page = tls.get("/admin/login/")
    token = page.cookies["csrftoken"]
    signed_in = tls.post(
        "/admin/login/",
        data={"username": root.email, "password": PASSWORD, "csrfmiddlewaretoken": token},
        # Secure cookies go to no http address, which the proxy's is.
        headers={
            "Cookie": f"csrftoken={token}",
            "Referer": f"https://{tls.base_url.netloc.decode()}/admin/login/",
            "X-Forwarded-For": new_address(),
        },
    )
    assert signed_in.status_code == 302
    for answer, name in ((page, "csrftoken"), (signed_in, "sessionid")):
        [cookie] = [
            value for value in answer.headers.get_list("Set-Cookie") if value.startswith(f"{name}=")
        ]
        attributes = set(cookie.split("; ")[1:])
        assert attributes >= {"HttpOnly", "Path=/admin/", "SameSite=Lax", "Secure"}


def test_what_came_without_tls_is_sent_to_it_but_for_the_probes(tls: httpx.Client) -> None:
    plain = {"X-Forwarded-Proto": "http"}
    for path in ("/posts/", "/admin/", "/docs/"):
        answer = tls.get(path, headers=plain)
        assert answer.status_code == 301
        assert answer.headers["Location"].startswith("https://")
        assert "Strict-Transport-Security" not in answer.headers
    assert tls.get("/healthz", headers=plain).status_code == 200
