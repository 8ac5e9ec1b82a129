"""The key sets of outside issuers, fetched from a real server."""

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from users.keysets import (
    COOLDOWN,
    FETCH_SECONDS,
    MAX_AGE,
    MAX_STALE_AGE,
    KeysUnavailable,
    RemoteKeys,
    UnsuitableKey,
    parse_key_set,
    verifying_key,
)
from users.tests.key_server import KeyServer, jwk, new_key, serving
from users.tokens import InvalidToken


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def server() -> Iterator[KeyServer]:
    with serving() as state:
        state.keys = [jwk(new_key(), "one"), jwk(new_key("ES256"), "two")]
        yield state


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def remote(server: KeyServer, clock: Clock) -> RemoteKeys:
    return RemoteKeys(server.url, clock=clock)


def test_a_set_is_fetched_once_for_many_tokens(remote: RemoteKeys, server: KeyServer) -> None:
    for _ in range(3):
        assert remote.find("one").algorithm == "RS256"
        assert remote.find("two").algorithm == "ES256"
    assert server.requests == 1


def test_unknown_ids_fetch_once_a_cooldown(
    remote: RemoteKeys, server: KeyServer, clock: Clock
) -> None:
    remote.find("one")
    for place in range(50):
        with pytest.raises(InvalidToken):
            remote.find(f"made-up-{place}")
    assert server.requests == 1
    server.keys = [jwk(new_key(), "three")]
    clock.now += COOLDOWN
    assert remote.find("three").algorithm == "RS256"
    assert server.requests == 2
    with pytest.raises(InvalidToken):
        remote.find("one")  # the issuer withdrew it


def test_an_old_set_is_fetched_again_and_does_without_the_server_for_a_day(
    remote: RemoteKeys, server: KeyServer, clock: Clock
) -> None:
    remote.find("one")
    server.status = 500
    clock.now += MAX_AGE + 1
    assert remote.find("one").algorithm == "RS256"
    assert server.requests == 2
    with pytest.raises(KeysUnavailable):
        remote.find("new")  # nobody can say now
    clock.now += MAX_STALE_AGE
    with pytest.raises(KeysUnavailable):
        remote.find("one")
    server.status = 200
    clock.now += COOLDOWN
    assert remote.find("one").algorithm == "RS256"


def test_a_token_without_an_id_needs_a_set_of_one(
    remote: RemoteKeys, server: KeyServer, clock: Clock
) -> None:
    with pytest.raises(InvalidToken):
        remote.find(None)
    server.keys = server.keys[:1]
    clock.now += COOLDOWN
    assert remote.find(None).algorithm == "RS256"


@pytest.mark.parametrize(
    "change",
    [
        {"status": 500},
        {"status": 404},
        {"body": b"<html>"},
        {"body": b"[]"},
        {"body": b'{"keys": 7}'},
        {"body": b"[" * 100_000},
        {"body": b" " * 300_000},
    ],
)
def test_a_server_that_answers_nonsense_is_unavailable(
    remote: RemoteKeys, server: KeyServer, change: dict[str, Any]
) -> None:
    for name, value in change.items():
        setattr(server, name, value)
    for _ in range(3):
        with pytest.raises(KeysUnavailable):
            remote.find("one")
    assert server.requests == 1


def test_it_is_not_redirected(server: KeyServer, clock: Clock) -> None:
    with serving() as other:
        other.keys = server.keys
        server.status, server.location = 302, other.url
        with pytest.raises(KeysUnavailable):
            RemoteKeys(server.url, clock=clock).find("one")
        assert other.requests == 0


@pytest.mark.slow
@pytest.mark.parametrize("change", [{"delay": 5.0}, {"drip": 0.4}])
def test_a_server_that_hangs_costs_one_wait(server: KeyServer, change: dict[str, float]) -> None:
    for name, value in change.items():
        setattr(server, name, value)
    remote = RemoteKeys(server.url)
    waits: list[float] = []

    def ask() -> None:
        started = time.monotonic()
        with pytest.raises(KeysUnavailable):
            remote.find("one")
        waits.append(time.monotonic() - started)

    threads = [threading.Thread(target=ask) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(waits) < FETCH_SECONDS + 1
    ask()
    assert waits[-1] < 0.1
    assert server.requests == 1


# ---------------------------------------------------------------- which keys are taken


def test_keys_of_other_kinds_and_uses_are_passed_over() -> None:
    good = jwk(new_key(), "good")
    found = parse_key_set(
        {
            "keys": [
                good,
                jwk(new_key(), "for-encryption", use="enc"),
                jwk(new_key(), "other-algorithm", alg="RS512"),
                {"kty": "oct", "k": "c2VjcmV0", "kid": "symmetric"},
                {"kty": "OKP", "crv": "Ed25519", "x": "x", "kid": "edwards"},
                {"kty": "RSA", "n": "!", "e": "AQAB", "kid": "broken"},
                {"kty": "EC", "crv": "P-384", "x": "x", "y": "y", "kid": "curve"},
                {"kty": ["RSA"], "kid": "odd"},
                "nonsense",
            ]
        }
    )
    assert [*found] == ["good"]


@pytest.mark.parametrize(
    "key",
    [
        rsa.generate_private_key(public_exponent=65537, key_size=1024).public_key(),
        ec.generate_private_key(ec.SECP384R1()).public_key(),
        ed25519.Ed25519PrivateKey.generate().public_key(),
    ],
)
def test_weak_and_other_keys_are_unsuitable(key: object) -> None:
    with pytest.raises(UnsuitableKey):
        verifying_key(key)
