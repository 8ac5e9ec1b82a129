"""The public keys of outside issuers: one from the settings, or a set served over HTTP.

A served set (JWKS, RFC 7517) is kept and fetched again when it is old or lacks a key. One request
per process fetches, for `FETCH_SECONDS` at most and once in `COOLDOWN` at most, whatever the tokens
that arrive say; so a server that hangs, or a flood of made-up key ids, occupies one worker briefly.
"""

import http.client
import json
import logging
import threading
import time
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from users.tokens import InvalidToken

logger = logging.getLogger(__name__)

#: All in seconds.
FETCH_SECONDS: Final = 3.0
COOLDOWN: Final = 30.0
MAX_AGE: Final = 3600.0
#: While the server cannot be reached its keys stay good for so long.
MAX_STALE_AGE: Final = 24 * 3600.0
MAX_DOCUMENT_SIZE: Final = 256 * 1024
MIN_RSA_BITS: Final = 2048


class KeysUnavailable(Exception):
    """The key set cannot be had just now, so nobody can say whether a token is good."""


class UnsuitableKey(ValueError):
    """A key that neither RS256 nor ES256 may use."""


@dataclass(frozen=True, slots=True)
class VerifyingKey:
    """A public key with the one algorithm it verifies."""

    algorithm: str
    key: RSAPublicKey | EllipticCurvePublicKey


class KeySource(Protocol):
    def find(self, kid: str | None) -> VerifyingKey:
        """The key of that id; `InvalidToken` if there is none, or `KeysUnavailable`."""


def verifying_key(key: object) -> VerifyingKey:
    """Pair a public key with its algorithm; `UnsuitableKey` if it has none here."""
    if isinstance(key, RSAPublicKey) and key.key_size >= MIN_RSA_BITS:
        return VerifyingKey("RS256", key)
    if isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1):
        return VerifyingKey("ES256", key)
    raise UnsuitableKey("RSA of 2048 bits or more, or P-256")


def parse_key_set(document: object) -> dict[str | None, VerifyingKey]:
    """The keys of a JWK Set by their id. Keys of other kinds and uses are passed over."""
    entries = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(entries, list):
        raise UnsuitableKey("no key set")
    found: dict[str | None, VerifyingKey] = {}
    for entry in entries:
        if isinstance(entry, dict) and entry.get("use", "sig") == "sig":
            try:
                key = _parse_key(entry)
            except (jwt.PyJWTError, UnsuitableKey):
                continue
            if entry.get("alg", key.algorithm) == key.algorithm:
                found[entry.get("kid")] = key
    return found


def _parse_key(entry: dict[str, Any]) -> VerifyingKey:
    algorithm = {"RSA": "RS256", "EC": "ES256"}.get(str(entry.get("kty")))
    if algorithm is None:
        raise UnsuitableKey(str(entry.get("kty")))
    return verifying_key(jwt.PyJWK.from_dict(entry, algorithm).key)


@dataclass(frozen=True, slots=True)
class FixedKey:
    """A key from the settings; which id a token names does not matter."""

    only: VerifyingKey

    def find(self, kid: str | None) -> VerifyingKey:
        return self.only


class RemoteKeys:
    """A key set served over HTTP."""

    def __init__(self, url: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._url = url
        self._clock = clock
        self._keys: Mapping[str | None, VerifyingKey] = {}
        self._fetched_at = self._tried_at = float("-inf")
        self._reachable = False
        self._fetching = threading.Lock()

    def find(self, kid: str | None) -> VerifyingKey:
        key = self._known(kid)
        if key is not None and self._age() <= MAX_AGE:
            return key
        up_to_date = self._refresh()
        key = self._known(kid)
        if key is not None and self._age() <= MAX_STALE_AGE:
            return key
        if up_to_date:
            raise InvalidToken("signed with an unknown key")
        raise KeysUnavailable(self._url)

    def _age(self) -> float:
        return self._clock() - self._fetched_at

    def _known(self, kid: str | None) -> VerifyingKey | None:
        if kid is None and len(self._keys) == 1:
            return next(iter(self._keys.values()))
        return self._keys.get(kid) if isinstance(kid, str) else None

    def _refresh(self) -> bool:
        """Fetch the set unless that was tried a moment ago. Whether the last try succeeded."""
        # With no key at all there is nothing to fall back on, so wait for the one that fetches.
        wait = 0.0 if self._keys else FETCH_SECONDS
        if not self._fetching.acquire(timeout=wait):
            return False
        try:
            if self._clock() - self._tried_at >= COOLDOWN:
                self._tried_at, self._reachable = self._clock(), False
                self._keys = parse_key_set(_fetch(self._url))
                self._fetched_at, self._reachable = self._clock(), True
        except (OSError, http.client.HTTPException, ValueError, RecursionError) as exc:
            logger.warning("the key set %s could not be fetched: %r", self._url, exc)
        finally:
            self._fetching.release()
        return self._reachable


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """The address in the settings is the one that is trusted; it sends nobody elsewhere."""

    def redirect_request(self, *_: object) -> None:
        return None


_opener: Final = urllib.request.build_opener(_NoRedirects)


def _fetch(url: str) -> object:
    deadline = time.monotonic() + FETCH_SECONDS
    body = bytearray()
    # The timeout is that of one read; the deadline catches a server that answers in drops.
    with _opener.open(url, timeout=FETCH_SECONDS) as answer:
        while chunk := answer.read1(65536):
            body += chunk
            if len(body) > MAX_DOCUMENT_SIZE:
                raise ValueError("the key set is too large")
            if time.monotonic() > deadline:
                raise TimeoutError("the key set takes too long")
    return json.loads(bytes(body))
