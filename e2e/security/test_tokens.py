"""Tokens that are none, or not any more (A12), and who is whose (A11)."""

import base64
import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import httpx
import jwt
import pytest

from e2e.security.conftest import Guarded
from e2e.security.person import PICTURES, Person
from sign_s3.keys import new_id

ONE: Final = {"mime": "image/png", "path": PICTURES, "number": 1}
#: One call that needs a token and asks the database, and signing, which does not ask it.
CALLS: Final = (("GET", "/users/me/", None), ("POST", "/sign_s3/", ONE))


def statuses(person: Person, token: str) -> set[int]:
    headers = {
        b"Authorization": f"Bearer {token}".encode(),
        b"X-Forwarded-For": person.address.encode(),
    }
    return {
        person.http.request(method, path, json=body, headers=headers).status_code
        for method, path, body in CALLS
    }


def claims(person: Person) -> dict[str, Any]:
    return dict(jwt.decode(person.access, options={"verify_signature": False}))


def with_header(token: str, **header: object) -> str:
    _, payload, signature = token.split(".")
    encoded = base64.urlsafe_b64encode(json.dumps(header).encode()).rstrip(b"=").decode()
    return f"{encoded}.{payload}.{signature}"


def test_a_token_that_is_none_is_refused(alice: Person, bob: Person, guarded: Guarded) -> None:
    secret, mine = guarded.env["SECRET_KEY"], claims(alice)
    now = int(time.time())
    signed_part = alice.access.rpartition(".")[0]
    tokens = {
        "expired": jwt.encode({**mine, "exp": now - 1}, secret, "HS256"),
        "another secret": jwt.encode(mine, "x" * 50, "HS256"),
        "another algorithm": jwt.encode(mine, secret * 2, "HS512"),
        "unsigned": jwt.encode(mine, "", "none"),
        "called unsigned": with_header(alice.access, alg="none", typ="JWT"),
        "signature removed": f"{signed_part}.",
        "signature of another": f"{signed_part}.{bob.access.rpartition('.')[2]}",
        "edited": with_header(alice.access, alg="HS256", typ="JWT", kid="../../dev/null"),
        "refresh": alice.refresh,
        "without an end": jwt.encode(
            {name: value for name, value in mine.items() if name != "exp"}, secret, "HS256"
        ),
        "without a sign-in": jwt.encode({**mine, "sid": None}, secret, "HS256"),
        "not a token": "undefined",
        "of dots": "..",
        "long": "a" * 20_000,
        "not ASCII": "café",
        "key by address": with_header(alice.access, alg="RS256", jku="http://127.0.0.1:1/jwks"),
        "key brought along": with_header(alice.access, alg="HS256", jwk={"kty": "oct", "k": "eA"}),
    }
    assert statuses(alice, alice.access) == {200, 201}
    for name, token in tokens.items():
        assert statuses(alice, token) <= {401, 431}, name


def test_a_deleted_users_token_can_only_sign_and_not_for_long(
    person: Callable[[str], Person],
) -> None:
    leaver = person("leaver")
    form = leaver.form()
    assert leaver.call("DELETE", "/users/me/").status_code == 204

    assert leaver.call("GET", "/users/me/").status_code == 401
    assert leaver.post(form["fields"]["key"]).status_code == 401
    assert leaver.call("DELETE", "/sign_s3/", {"key": form["fields"]["key"]}).status_code == 401
    assert leaver.call("POST", "/sign_s3/", ONE).status_code == 201
    assert claims(leaver)["exp"] - claims(leaver)["iat"] == 300
    again = leaver.http.post("/auth/token/refresh/", json={"refresh": leaver.refresh})
    assert again.status_code == 401


def test_a_refresh_token_used_twice_ends_the_sign_in(person: Callable[[str], Person]) -> None:
    alice = person("alice")

    def refresh(token: str) -> httpx.Response:
        return alice.http.post("/auth/token/refresh/", json={"refresh": token})

    first = refresh(alice.refresh)
    assert first.status_code == 200
    assert refresh(alice.refresh).status_code == 401
    assert refresh(first.json()["refresh"]).status_code == 401
    assert statuses(alice, first.json()["access"]) == {401, 201}


def test_of_refreshes_at_the_same_moment_at_most_one_succeeds(
    person: Callable[[str], Person],
) -> None:
    alice = person("alice")
    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(
                lambda _: alice.http.post("/auth/token/refresh/", json={"refresh": alice.refresh}),
                range(8),
            )
        )
    found = sorted(answer.status_code for answer in answers)
    assert found.count(200) <= 1
    assert set(found) <= {200, 401}


def test_a_session_of_the_admin_is_nobody_at_the_api(
    guarded: Guarded, person: Callable[[str], Person]
) -> None:
    staff = person("staff")
    guarded.manage(
        "shell",
        "-c",
        "from users.models import User;"
        f"User.objects.filter(email={staff.email!r}).update(is_staff=True, is_superuser=True)",
    )
    with httpx.Client(base_url=guarded.url, trust_env=False) as browser:
        browser.get("/admin/login/")
        signed_in = browser.post(
            "/admin/login/",
            data={
                "username": staff.email,
                "password": "correct horse battery",
                "csrfmiddlewaretoken": browser.cookies["csrftoken"],
            },
            headers={
                "Referer": f"{guarded.url}/admin/login/",
                "X-Forwarded-For": staff.address,
            },
        )
        assert signed_in.status_code == 302
        cookie = signed_in.headers["Set-Cookie"]
        assert "HttpOnly" in cookie
        assert "Path=/admin/" in cookie
        assert "SameSite=Lax" in cookie
        session = {"Cookie": f"sessionid={browser.cookies['sessionid']}"}
        for method, path, body in CALLS:
            answer = httpx.request(
                method, f"{guarded.url}{path}", json=body, headers=session, trust_env=False
            )
            assert answer.status_code == 401
        assert browser.get("/admin/").status_code == 200


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1"])
def test_a_foreign_origin_reads_nothing(alice: Person, origin: str) -> None:
    answer = alice.call("GET", "/users/me/", Origin=origin)
    assert answer.status_code == 200
    assert not [name for name in answer.headers if name.startswith("access-control-")]
    asked = alice.call(
        "OPTIONS", "/users/me/", Origin=origin, **{"Access-Control-Request-Method": "GET"}
    )
    assert not [name for name in asked.headers if name.startswith("access-control-")]


def test_what_belongs_to_another_user_is_out_of_reach(alice: Person, bob: Person) -> None:
    """A list of every address with an id in it, asked for by somebody else."""
    public = alice.call("POST", "/posts/", {"caption": "x"}).json()["id"]
    private = alice.call("POST", "/posts/", {"visibility": "private"}).json()["id"]
    sign_in = alice.call("GET", "/auth/sign-ins/").json()[0]["id"]

    found = {
        "read private": bob.call("GET", f"/posts/{private}/").status_code,
        "change private": bob.call("PATCH", f"/posts/{private}/", {"caption": "b"}).status_code,
        "delete private": bob.call("DELETE", f"/posts/{private}/").status_code,
        "change public": bob.call("PATCH", f"/posts/{public}/", {"caption": "b"}).status_code,
        "delete public": bob.call("DELETE", f"/posts/{public}/").status_code,
        "end sign-in": bob.call("DELETE", f"/auth/sign-ins/{sign_in}/").status_code,
        "unknown": bob.call("GET", f"/posts/{new_id()}/").status_code,
    }
    assert found == {
        "read private": 404,
        "change private": 404,
        "delete private": 404,
        "change public": 403,
        "delete public": 403,
        "end sign-in": 404,
        "unknown": 404,
    }
    profile = bob.call("GET", f"/users/{alice.id}/").json()
    assert profile.keys() == {"id", "nickname", "profile_image_url", "created_at"}
    wall = bob.call("GET", f"/users/{alice.id}/posts/").json()["results"]
    assert [post["id"] for post in wall] == [public]


def test_nobody_writes_what_is_not_theirs_to_write(alice: Person, bob: Person) -> None:
    taken = {
        "id": bob.id,
        "author": bob.id,
        "author_id": bob.id,
        "owner": bob.id,
        "is_staff": True,
        "is_superuser": True,
        "is_active": False,
        "email": "root@example.com",
        "created_at": "2000-01-01T00:00:00Z",
        "state": "attached",
    }
    post = alice.call("POST", "/posts/", taken).json()
    assert post["author"]["id"] == alice.id
    assert post["created_at"] > "2000-01-02"
    alice.call("PATCH", f"/posts/{post['id']}/", taken)
    assert alice.call("GET", f"/posts/{post['id']}/").json()["author"]["id"] == alice.id
    alice.call("PATCH", "/users/me/", taken)
    me = alice.call("GET", "/users/me/").json()
    assert (me["id"], me["email"]) == (alice.id, alice.email)
    assert alice.http.get("/admin/", follow_redirects=False).status_code == 302
