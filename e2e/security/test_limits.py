"""Too much of something (A13), on the service behind one proxy."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import httpx

from e2e.security.person import PASSWORD, PICTURES, Person, codes, new_address

SIGNED_A_MINUTE: Final = 300
TEN: Final = {"mime": "image/png", "path": PICTURES, "number": 10}
GUESS: Final = "/auth/token/"


def at_the_start_of_a_minute() -> None:
    """Counting begins anew with each minute; these tests want to be done within one."""
    if (second := time.time() % 60) > 45:
        time.sleep(60.2 - second)


def test_a_thousand_keys_in_a_minute_are_not_signed(person: Callable[[str], Person]) -> None:
    mallory = person("mallory")
    at_the_start_of_a_minute()
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: mallory.call("POST", "/sign_s3/", TEN), range(100)))

    keys = {
        form["fields"]["key"]
        for answer in answers
        if answer.status_code == 201
        for form in answer.json()
    }
    assert len(keys) == SIGNED_A_MINUTE
    refused = [answer for answer in answers if answer.status_code != 201]
    assert {answer.status_code for answer in refused} == {429}
    for answer in refused:
        assert codes(answer) == [("throttled", None)]
        assert 1 <= int(answer.headers["Retry-After"]) <= 60
        assert answer.headers["RateLimit-Policy"] == '"min";q=300;w=60, "day";q=5000;w=86400'


def test_somebody_elses_limit_is_no_limit_for_others(
    person: Callable[[str], Person],
) -> None:
    mallory, alice = person("mallory"), person("alice")
    alice.address = mallory.address
    at_the_start_of_a_minute()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: mallory.call("POST", "/sign_s3/", TEN), range(31)))
    assert mallory.call("POST", "/sign_s3/", TEN).status_code == 429
    assert alice.call("POST", "/sign_s3/", TEN).status_code == 201


def test_made_up_addresses_before_the_real_one_do_not_help_guessing(http: httpx.Client) -> None:
    real = new_address()
    at_the_start_of_a_minute()
    statuses = []
    for number in range(10):
        answer = http.post(
            GUESS,
            json={"email": f"user{number}@example.com", "password": "123456"},
            headers={"X-Forwarded-For": f"203.0.113.{number}, {real}"},
        )
        statuses.append(answer.status_code)
    assert statuses == [401] * 6 + [429] * 4


def test_many_addresses_do_not_help_guessing_one_password(
    http: httpx.Client, person: Callable[[str], Person]
) -> None:
    alice = person("alice")
    at_the_start_of_a_minute()
    # Signing in took one attempt, of which the first guesses do not know.
    statuses = []
    for spelling in (alice.email, alice.email.upper(), f" {alice.email}", *[alice.email] * 4):
        answer = http.post(
            GUESS,
            json={"email": spelling, "password": "guess"},
            headers={"X-Forwarded-For": new_address()},
        )
        statuses.append(answer.status_code)
    assert statuses[-3:] == [429] * 3
    assert set(statuses) == {401, 429}


def test_guessing_at_the_admins_login_and_at_the_api_is_limited_together(
    http: httpx.Client, person: Callable[[str], Person]
) -> None:
    alice = person("alice")
    at_the_start_of_a_minute()
    with httpx.Client(base_url=http.base_url, trust_env=False, follow_redirects=False) as browser:
        browser.get("/admin/login/")

        def log_in(email: str, password: str) -> httpx.Response:
            form = {
                "username": email,
                "password": password,
                "csrfmiddlewaretoken": browser.cookies["csrftoken"],
            }
            return browser.post(
                "/admin/login/", data=form, headers={"X-Forwarded-For": new_address()}
            )

        seen = []
        for spelling in (alice.email, alice.email.upper(), f" {alice.email}", alice.email):
            seen.append(log_in(spelling, "guess").status_code)
            body = {"email": spelling, "password": "guess"}
            headers = {"X-Forwarded-For": new_address()}
            seen.append(http.post(GUESS, json=body, headers=headers).status_code)
        refused = log_in(alice.email, PASSWORD)

    # Four a minute, one of which was her own unless a new minute has begun since.
    assert seen[:3] == [200, 401, 200]
    assert seen[4:] == [429] * 4
    assert (refused.status_code, refused.headers["Content-Type"].split(";")[0]) == (
        429,
        "text/html",
    )
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    assert refused.headers["RateLimit-Policy"] == '"min";q=4;w=60'
    assert "Try again in" in refused.text
    assert "sessionid" not in refused.headers.get("Set-Cookie", "")


def test_reset_mails_to_one_address_are_limited(http: httpx.Client) -> None:
    at_the_start_of_a_minute()
    statuses = [
        http.post(
            "/auth/password/reset/",
            json={"email": "victim@example.com"},
            headers={"X-Forwarded-For": new_address()},
        ).status_code
        for _ in range(5)
    ]
    assert statuses == [204] * 3 + [429] * 2
