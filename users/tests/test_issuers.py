"""Tokens of another issuer, whose key set is served over HTTP."""

import re
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.conf import LazySettings
from django.core.exceptions import ImproperlyConfigured
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from users.checks import check_issuers
from users.issuers import issuers, local_id
from users.models import OutsideIdentity, User
from users.tests.key_server import (
    AUDIENCE,
    ISSUER,
    KeyServer,
    PrivateKey,
    issue,
    jwk,
    new_key,
    serving,
)
from users.tests.sessions import SIGN_IN_OVER, TOKEN_NOT_VALID, bearer, problem, sign_in_as

pytestmark = pytest.mark.django_db

FORM = {"mime": "image/png", "path": "images/users/profiles/profile_", "number": 1}
CHARLIE = local_id(ISSUER, "charlie-77")


@pytest.fixture(scope="module")
def key() -> PrivateKey:
    return new_key()


@pytest.fixture
def server(key: PrivateKey, settings: LazySettings) -> Iterator[KeyServer]:
    """An issuer that this service is told to trust."""
    with serving() as state:
        state.keys = [jwk(key, "one")]
        settings.TOKEN_ISSUERS = [{"issuer": ISSUER, "audience": AUDIENCE, "jwks_url": state.url}]
        yield state


def pem(key: PrivateKey) -> str:
    public = key.public_key()
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def assert_refused(token: str) -> None:
    client = bearer(token)
    for answer in (client.get("/users/me/"), client.post("/sign_s3/", FORM)):
        assert (answer.status_code, answer.json()) == (401, TOKEN_NOT_VALID)


def test_an_account_is_opened_at_first_use(
    server: KeyServer, key: PrivateKey, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    client = bearer(
        issue(key, email="Charlie@Example.com", email_verified=True, nickname="Charlie")
    )
    answer = client.get("/users/me/")
    assert answer.status_code == 200
    assert answer.json() == {
        "id": CHARLIE,
        "email": "charlie@example.com",
        "nickname": "Charlie",
        "profile_image": None,
        "profile_image_url": None,
        "created_at": answer.json()["created_at"],
    }
    with django_assert_num_queries(1):
        assert client.get("/users/me/").json() == answer.json()
    assert server.requests == 1
    assert not User.objects.get().has_usable_password()


def test_signing_needs_no_account_and_uses_the_same_id(
    server: KeyServer, key: PrivateKey, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(0):
        answer = bearer(issue(key)).post("/sign_s3/", FORM)
    assert answer.status_code == 201
    assert answer.json()[0]["fields"]["x-amz-meta-userid"] == CHARLIE


def test_the_id_depends_on_issuer_and_subject_alone() -> None:
    assert re.fullmatch(r"[2-9A-HJ-NP-Za-km-z]{22}", CHARLIE)
    assert local_id("https://id.example/pool", "charlie-77") == CHARLIE
    assert len({CHARLIE, local_id(ISSUER, "x"), local_id("https://x", "charlie-77")}) == 3


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://elsewhere.example"},
        {"iss": None},
        {"aud": "another-service"},
        {"aud": None},
        {"aud": [["x"], {}]},
        {"exp": int(time.time()) - 60},
        {"exp": None},
        {"iat": None},
        {"iat": int(time.time()) + 600},
        {"nbf": int(time.time()) + 600},
        {"sub": None},
        {"sub": ""},
        {"sub": "x" * 256},
    ],
)
def test_other_claims_are_refused(
    server: KeyServer, key: PrivateKey, changes: dict[str, Any]
) -> None:
    assert_refused(issue(key, **changes))
    assert not User.objects.exists()


def test_another_key_is_refused_whatever_id_it_claims(server: KeyServer, key: PrivateKey) -> None:
    stranger = new_key()
    for kid in ("one", "two", None):
        assert_refused(issue(stranger, kid))
    assert_refused(issue(new_key("ES256"), "one"))


def test_one_of_several_audiences_is_enough(server: KeyServer, key: PrivateKey) -> None:
    assert bearer(issue(key, aud=["account", AUDIENCE])).get("/users/me/").status_code == 200


def test_an_elliptic_key_and_a_token_without_an_id_work(server: KeyServer) -> None:
    key = new_key("ES256")
    server.keys = [jwk(key, None)]
    assert bearer(issue(key, None)).get("/users/me/").status_code == 200


def test_a_key_from_the_settings_needs_no_server(key: PrivateKey, settings: LazySettings) -> None:
    settings.TOKEN_ISSUERS = [{"issuer": ISSUER, "audience": [AUDIENCE], "public_key": pem(key)}]
    assert bearer(issue(key)).get("/users/me/").status_code == 200
    assert_refused(issue(new_key()))


def test_cognitos_access_tokens_name_their_audience_otherwise(
    server: KeyServer, key: PrivateKey, settings: LazySettings
) -> None:
    settings.TOKEN_ISSUERS = [
        {
            "issuer": ISSUER,
            "audience": "client-1",
            "audience_claim": "client_id",
            "claims": {"token_use": "access"},
            "jwks_url": server.url,
        }
    ]
    taken = issue(key, aud=None, client_id="client-1", token_use="access")
    assert bearer(taken).get("/users/me/").status_code == 200
    assert_refused(issue(key, aud=None, client_id="client-2", token_use="access"))
    assert_refused(issue(key, aud="client-1", token_use="access"))
    assert_refused(issue(key, aud=None, client_id="client-1", token_use="id"))


def test_while_the_key_server_is_down_nobody_can_say(server: KeyServer, key: PrivateKey) -> None:
    server.status = 500
    client = bearer(issue(key))
    for answer in (client.get("/users/me/"), client.post("/sign_s3/", FORM)):
        assert answer.status_code == 503
        assert answer["Retry-After"] == "5"
        assert answer.json() == {
            "type": "server_error",
            "errors": [
                {
                    "code": "issuer_unavailable",
                    "detail": "The issuer of this token cannot be reached. Try again.",
                    "attr": None,
                }
            ],
        }
    assert server.requests == 1


def test_our_own_tokens_need_no_key_server(server: KeyServer, alice: User) -> None:
    server.status = 500
    assert sign_in_as(alice).client.get("/users/me/").status_code == 200
    assert server.requests == 0


# ---------------------------------------------------------------- whose account


def test_an_email_is_taken_over_only_if_verified_and_free(
    server: KeyServer, key: PrivateKey, alice: User
) -> None:
    claims: list[dict[str, Any]] = [
        {"email": "alice@example.com", "email_verified": True},
        {"email": "dora@example.com", "email_verified": False},
        {"email": "dora@example.com"},
        {"email": "nonsense", "email_verified": True},
        {"email": "d\u00f6ra@example.com", "email_verified": True},
        {"email": "x" * 300 + "@example.com", "email_verified": True},
        {"email": 7, "email_verified": True},
    ]
    for place, changes in enumerate(claims):
        answer = bearer(issue(key, sub=f"person-{place}", **changes)).get("/users/me/")
        assert (answer.status_code, answer.json()["email"]) == (200, None)
        assert answer.json()["id"] != alice.pk


@pytest.mark.parametrize("nickname", [None, "", "two\nlines", 7])
def test_a_nickname_is_made_up_where_none_will_do(
    server: KeyServer, key: PrivateKey, nickname: object
) -> None:
    answer = bearer(issue(key, nickname=nickname)).get("/users/me/")
    assert answer.json()["nickname"] == f"user-{CHARLIE[:6]}"


def test_an_inactive_account_is_refused(server: KeyServer, key: PrivateKey) -> None:
    client = bearer(issue(key))
    client.get("/users/me/")
    User.objects.update(is_active=False)
    answer = client.get("/users/me/")
    assert (answer.status_code, answer.json()) == (401, SIGN_IN_OVER)


def test_a_token_from_before_does_not_bring_a_deleted_account_back(
    server: KeyServer, key: PrivateKey
) -> None:
    client = bearer(issue(key))
    assert client.get("/users/me/").status_code == 200
    assert client.delete("/users/me/").status_code == 204
    answer = client.get("/users/me/")
    assert (answer.status_code, answer.json()) == (401, SIGN_IN_OVER)
    assert not User.objects.exists()


def test_a_token_from_after_opens_a_fresh_account(server: KeyServer, key: PrivateKey) -> None:
    first = bearer(issue(key))
    first.patch("/users/me/", {"nickname": "Old"})
    first.delete("/users/me/")
    OutsideIdentity.objects.update(not_before=timezone.now() - timedelta(minutes=1))
    answer = bearer(issue(key, nickname="New")).get("/users/me/")
    assert (answer.json()["id"], answer.json()["nickname"]) == (CHARLIE, "New")


def test_an_account_whose_identity_was_lost_is_found_again(
    server: KeyServer, key: PrivateKey
) -> None:
    client = bearer(issue(key))
    before = client.get("/users/me/").json()
    OutsideIdentity.objects.all().delete()
    answer = client.get("/users/me/")
    assert (answer.status_code, answer.json()) == (200, before)
    assert OutsideIdentity.objects.get().user_id == CHARLIE


def test_an_account_with_a_password_is_not_handed_over(server: KeyServer, key: PrivateKey) -> None:
    client = bearer(issue(key))
    client.get("/users/me/")
    OutsideIdentity.objects.all().delete()
    user = User.objects.get()
    user.set_password("staple battery horse")
    user.save()
    for _ in range(2):
        answer = client.get("/users/me/")
        assert (answer.status_code, answer.json()) == (401, SIGN_IN_OVER)


def test_such_an_account_has_no_password_to_change_or_reset(
    server: KeyServer, key: PrivateKey
) -> None:
    client = bearer(issue(key))
    answer = client.post("/auth/password/", {"old": "", "new": "staple battery horse"})
    assert answer.json() == problem("blank", "This field may not be blank.", "old")
    answer = client.post("/auth/password/", {"old": "x", "new": "staple battery horse"})
    assert answer.json() == problem("incorrect", "This is not your password.", "old")
    assert client.get("/auth/sign-ins/").json() == []


# ---------------------------------------------------------------- configuration


GOOD = {"issuer": ISSUER, "audience": AUDIENCE, "jwks_url": "https://id.example/keys"}


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        (["x"], "TOKEN_ISSUERS: a list of objects"),
        ([{**GOOD, "audiance": "x"}], f"TOKEN_ISSUERS: {ISSUER} has unknown names ['audiance']"),
        ([{**GOOD, "keys": {}}], f"TOKEN_ISSUERS: {ISSUER} has unknown names ['keys']"),
        ([{**GOOD, "jwks_url": ""}], f"TOKEN_ISSUERS: {ISSUER} needs jwks_url or public_key"),
        ([{**GOOD, "public_key": "x"}], f"TOKEN_ISSUERS: {ISSUER} needs jwks_url or public_key"),
        ([{**GOOD, "audience": ""}], "TOKEN_ISSUERS: each needs an issuer and an audience"),
        ([{**GOOD, "audience": []}], "TOKEN_ISSUERS: each needs an issuer and an audience"),
        ([{**GOOD, "audience": ["a", 7]}], "TOKEN_ISSUERS: each needs an issuer and an audience"),
        ([{**GOOD, "issuer": ""}], "TOKEN_ISSUERS: each needs an issuer and an audience"),
        (
            [{**GOOD, "jwks_url": "http://id.example/keys"}],
            f"TOKEN_ISSUERS: the jwks_url of {ISSUER} is no https address",
        ),
        (
            [{**GOOD, "jwks_url": "file:///etc/passwd"}],
            f"TOKEN_ISSUERS: the jwks_url of {ISSUER} is no https address",
        ),
        ([GOOD, GOOD], f"TOKEN_ISSUERS: {ISSUER} is there twice"),
    ],
)
def test_a_wrong_setting_is_named(settings: LazySettings, entries: list[Any], message: str) -> None:
    settings.HTTPS = True
    settings.TOKEN_ISSUERS = entries
    with pytest.raises(ImproperlyConfigured, match=f"^{re.escape(message)}$"):
        issuers()
    assert [(found.id, found.msg) for found in check_issuers()] == [("users.E001", message)]


def test_a_broken_or_weak_public_key_is_named(settings: LazySettings) -> None:
    settings.TOKEN_ISSUERS = [{"issuer": ISSUER, "audience": AUDIENCE, "public_key": "x"}]
    with pytest.raises(ImproperlyConfigured, match=f"the public_key of {ISSUER}"):
        issuers()


def test_right_settings_pass_the_check(settings: LazySettings) -> None:
    settings.HTTPS = True
    settings.TOKEN_ISSUERS = [GOOD]
    assert check_issuers() == []
    assert [*issuers()] == [ISSUER]
