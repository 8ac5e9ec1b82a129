"""Which access tokens are taken, on the signing path and everywhere else."""

import base64
import json
import time
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.conf import LazySettings
from django.test import Client
from pytest_django import DjangoAssertNumQueries
from rest_framework.test import APIClient

from sign_s3.keys import new_id
from users.authentication import TokenUser, VerifiedTokens
from users.models import SignIn, User
from users.tests.sessions import (
    NOT_SIGNED_IN,
    PASSWORD,
    SIGN_IN_OVER,
    TOKEN_NOT_VALID,
    bearer,
    sign_in_as,
)
from users.tokens import Access

pytestmark = pytest.mark.django_db

FORM = {"mime": "image/png", "path": "images/users/profiles/profile_", "number": 1}


def claims_of(user: User, **changes: Any) -> dict[str, Any]:
    now = int(time.time())
    claims = {
        "token_type": "access",
        "sub": user.pk,
        "sid": user.sign_ins.get().pk,
        "jti": new_id(),
        "iat": now,
        "exp": now + 300,
        **changes,
    }
    return {name: value for name, value in claims.items() if value is not None}


def signed(claims: dict[str, Any], settings: LazySettings, algorithm: str = "HS256") -> str:
    return jwt.encode(claims, settings.SECRET_KEY, algorithm=algorithm)


def unsigned(header: object, claims: object) -> str:
    parts = [json.dumps(part).encode() for part in (header, claims)]
    return ".".join([*(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts), ""])


def assert_refused(token: str) -> None:
    """Both on the signing path and elsewhere."""
    client = bearer(token)
    for answer in (client.get("/users/me/"), client.post("/sign_s3/", FORM)):
        assert (answer.status_code, answer.json()) == (401, TOKEN_NOT_VALID)
        assert answer["WWW-Authenticate"] == "Bearer"


def test_a_token_made_this_way_is_taken(alice: User, settings: LazySettings) -> None:
    sign_in_as(alice)
    client = bearer(signed(claims_of(alice), settings))
    assert client.get("/users/me/").status_code == 200
    assert client.post("/sign_s3/", FORM).status_code == 201


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": int(time.time()) - 1},
        {"exp": None},
        {"iat": None},
        {"token_type": "refresh"},
        {"token_type": None},
        {"jti": None},
        {"sub": None},
        {"sub": 7},
        {"sub": ""},
        {"sid": None},
        {"sid": ["x"]},
    ],
)
def test_a_token_with_other_claims_is_refused(
    alice: User, settings: LazySettings, changes: dict[str, Any]
) -> None:
    sign_in_as(alice)
    assert_refused(signed(claims_of(alice, **changes), settings))


def test_a_token_of_a_worker_whose_clock_is_ahead_is_taken(
    alice: User, settings: LazySettings
) -> None:
    sign_in_as(alice)
    token = signed(claims_of(alice, iat=int(time.time()) + 3), settings)
    assert bearer(token).post("/sign_s3/", FORM).status_code == 201


def test_a_token_is_refused_from_the_second_it_expires(alice: User, settings: LazySettings) -> None:
    sign_in_as(alice)
    token = signed(claims_of(alice, exp=int(time.time()) + 1), settings)
    assert bearer(token).post("/sign_s3/", FORM).status_code == 201
    time.sleep(1.1)
    assert_refused(token)


def test_a_refresh_token_is_no_access_token(alice: User) -> None:
    assert_refused(sign_in_as(alice).refresh)


def test_an_edited_token_is_refused(alice: User, bob: User) -> None:
    sign_in_as(bob)
    header, _, signature = sign_in_as(alice).access.split(".")
    payload = base64.urlsafe_b64encode(json.dumps(claims_of(bob)).encode()).decode().rstrip("=")
    assert_refused(f"{header}.{payload}.{signature}")


def test_another_secret_or_algorithm_is_refused(alice: User, settings: LazySettings) -> None:
    sign_in_as(alice)
    assert_refused(jwt.encode(claims_of(alice), "x" * 64, algorithm="HS256"))
    assert_refused(signed(claims_of(alice), settings, "HS384"))
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    assert_refused(jwt.encode(claims_of(alice), key, algorithm="RS256"))


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "", None, 7, ["HS256"]])
def test_an_unsigned_token_is_refused(alice: User, algorithm: object) -> None:
    sign_in_as(alice)
    assert_refused(unsigned({"alg": algorithm, "typ": "JWT"}, claims_of(alice)))


def test_an_issuers_public_key_is_no_hmac_secret(alice: User, settings: LazySettings) -> None:
    sign_in_as(alice)
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key()
    pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    settings.TOKEN_ISSUERS = [{"issuer": "https://id.example", "audience": "us", "public_key": pem}]
    claims = claims_of(alice, iss="https://id.example", aud="us")
    body = unsigned({"alg": "HS256", "typ": "JWT"}, claims)[:-1]
    hmac = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256)
    signature = base64.urlsafe_b64encode(hmac.sign(body.encode(), pem.encode())).decode()
    assert_refused(f"{body}.{signature.rstrip('=')}")


@pytest.mark.parametrize(
    "token",
    [
        "x",
        "a.b.c",
        "..",
        "é.é.é",
        "x" * 9000,
        "a b c",
        "null",
        base64.b64encode(b"[" * 5000).decode(),
    ],
)
def test_rubbish_is_refused(db: None, token: str) -> None:
    assert_refused(token.encode().decode("latin-1"))


def test_a_header_nested_thousands_deep_is_refused(db: None) -> None:
    deep = base64.urlsafe_b64encode(b"[" * 5000).decode().rstrip("=")
    assert_refused(f"{deep}.e30.e30")


@pytest.mark.parametrize("header", ["", "Bearer", "Basic YWxpY2U6eA==", "Token x", "bearer"])
def test_a_header_without_a_bearer_token_is_no_sign_in(db: None, header: str) -> None:
    client = APIClient(headers={"authorization": header})
    assert client.get("/users/me/").status_code == 401
    assert client.post("/sign_s3/", FORM).status_code == 401


def test_the_scheme_may_be_written_in_any_case(alice: User) -> None:
    token = sign_in_as(alice).access
    client = APIClient(headers={"authorization": f"bEARER {token}"})
    assert client.get("/users/me/").status_code == 200


def test_an_ended_sign_in_can_sign_forms_for_minutes_and_nothing_else(alice: User) -> None:
    client = sign_in_as(alice).client
    SignIn.objects.all().delete()
    answer = client.get("/users/me/")
    assert (answer.status_code, answer.json()) == (401, SIGN_IN_OVER)
    assert client.post("/sign_s3/", FORM).status_code == 201


def test_a_deleted_or_inactive_users_token_is_refused(alice: User, bob: User) -> None:
    sessions = [sign_in_as(alice), sign_in_as(bob)]
    alice.delete()
    User.objects.update(is_active=False)
    for session in sessions:
        answer = session.client.get("/users/me/")
        assert (answer.status_code, answer.json()) == (401, SIGN_IN_OVER)


def test_another_users_sign_in_does_not_help(
    alice: User, bob: User, settings: LazySettings
) -> None:
    sign_in_as(alice)
    sign_in_as(bob)
    token = signed(claims_of(alice, sid=bob.sign_ins.get().pk), settings)
    answer = bearer(token).get("/users/me/")
    assert (answer.status_code, answer.json()) == (401, SIGN_IN_OVER)


def test_the_oldest_verified_token_is_forgotten_first() -> None:
    tokens = VerifiedTokens(limit=2)
    now = int(time.time())
    for name in ("alice", "bob", "charlie"):
        tokens.put(name.encode(), (TokenUser(name), Access(name, now, now + 300)))
    assert tokens.get(b"alice") is None
    found = [tokens.get(name) for name in (b"bob", b"charlie")]
    assert [str(entry and entry[0].id) for entry in found] == ["bob", "charlie"]


def test_signing_asks_the_database_nothing(
    alice: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    client = sign_in_as(alice).client
    with django_assert_num_queries(0):
        for _ in range(2):
            assert client.post("/sign_s3/", FORM).status_code == 201


def test_a_session_cookie_is_nothing_to_the_api(alice: User) -> None:
    User.objects.update(is_staff=True, is_superuser=True)
    browser = Client()
    assert browser.login(username=alice.email, password=PASSWORD)
    assert browser.get("/admin/").status_code == 200
    for answer in (
        browser.get("/users/me/"),
        browser.post("/sign_s3/", FORM, content_type="application/json"),
    ):
        assert (answer.status_code, answer.json()) == (401, NOT_SIGNED_IN)
