"""Tokens of other issuers (Cognito, Auth0, Keycloak, …), accepted when TOKEN_ISSUERS names them.

Each is an object of that list:

    issuer          the exact ``iss`` of its tokens
    audience        the value, or a list of values, one of which `audience_claim` must hold
    jwks_url        where its key set is served (RFC 7517); or
    public_key      one public key as PEM
    audience_claim  "aud" unless given; Cognito's access tokens say "client_id"
    claims          further claims and the value each must have, such as {"token_use": "access"}

RS256 and ES256 alone are taken, and the key decides which of the two (RFC 8725, section 3.1).
The person's id here is a version 5 UUID of issuer and subject, so a token can be signed for without
a look-up, and it can never be the (version 4) id of somebody who signed up.
"""

import functools
import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Final

import jwt
import shortuuid
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed

from users.keysets import FixedKey, KeySource, RemoteKeys, UnsuitableKey, verifying_key
from users.tokens import MAX_TOKEN_LENGTH, Access, InvalidToken, Vouched

#: Clocks of an issuer and of this service may differ by this much, in seconds.
LEEWAY: Final = 10
MAX_SUBJECT_LENGTH: Final = 255
#: The namespace of `local_id`; changing it would give everyone another account.
_NAMESPACE: Final = uuid.UUID("5f0f2b5e-6d0c-4c53-9c0b-0d5b7f6f1f0a")


@dataclass(frozen=True, slots=True)
class OutsideIssuer:
    """One configured issuer."""

    issuer: str
    audience: Sequence[str]
    keys: KeySource
    audience_claim: str = "aud"
    claims: Mapping[str, object] = field(default_factory=dict)

    def read(self, token: str, kid: str | None) -> Access:
        """Verify a token of this issuer; `InvalidToken`, or `KeysUnavailable` if nobody can say."""
        key = self.keys.find(kid)
        try:
            claims = jwt.decode(
                token,
                key.key,
                algorithms=[key.algorithm],
                issuer=self.issuer,
                leeway=LEEWAY,
                options={"require": ["exp", "iat", "iss", "sub"], "verify_aud": False},
            )
        except (jwt.InvalidTokenError, RecursionError) as exc:
            raise InvalidToken(str(exc)) from exc
        self._check(claims)
        return self._access(claims)

    def _check(self, claims: Mapping[str, Any]) -> None:
        audience = claims.get(self.audience_claim)
        given = audience if isinstance(audience, list) else [audience]
        if not any(value in self.audience for value in given):
            raise InvalidToken("for another audience")
        if any(claims.get(name) != value for name, value in self.claims.items()):
            raise InvalidToken("lacks a claim that is asked for")
        if not 0 < len(claims["sub"]) <= MAX_SUBJECT_LENGTH:
            raise InvalidToken("its subject cannot be kept")

    def _access(self, claims: Mapping[str, Any]) -> Access:
        verified = claims.get("email_verified") in (True, "true")
        return Access(
            user_id=local_id(self.issuer, claims["sub"]),
            issued_at=max(0, int(claims["iat"])),
            expires_at=int(claims["exp"]),
            vouched=Vouched(
                issuer=self.issuer,
                subject=claims["sub"],
                email=_text(claims.get("email")) if verified else None,
                nickname=_text(claims.get("nickname")) or _text(claims.get("name")),
            ),
        )


def local_id(issuer: str, subject: str) -> str:
    """The id that this service gives to a person of an outside issuer, 22 characters."""
    name = json.dumps([issuer, subject])
    return str(shortuuid.encode(uuid.uuid5(_NAMESPACE, name)))


def read_outside(token: str) -> Access:
    """Verify a token of any configured issuer; `InvalidToken` or `KeysUnavailable`."""
    if len(token) > MAX_TOKEN_LENGTH:
        raise InvalidToken("too long")
    try:
        # What is read unverified here only chooses the key that verifies it.
        unverified = jwt.decode_complete(token, options={"verify_signature": False})
        named = unverified["payload"].get("iss")
        issuer = issuers().get(named) if isinstance(named, str) else None
    except (jwt.InvalidTokenError, RecursionError) as exc:
        raise InvalidToken(str(exc)) from exc
    if issuer is None:
        raise InvalidToken("of an unknown issuer")
    return issuer.read(token, unverified["header"].get("kid"))


@functools.cache
def issuers() -> Mapping[str, OutsideIssuer]:
    """The configured issuers by their ``iss``; `ImproperlyConfigured` names what is wrong."""
    found: dict[str, OutsideIssuer] = {}
    for entry in settings.TOKEN_ISSUERS:
        issuer = _configured(entry)
        if issuer.issuer in found:
            raise ImproperlyConfigured(f"TOKEN_ISSUERS: {issuer.issuer} is there twice")
        found[issuer.issuer] = issuer
    return found


def _configured(entry: object) -> OutsideIssuer:
    if not isinstance(entry, dict):
        raise ImproperlyConfigured("TOKEN_ISSUERS: a list of objects")
    options = dict(entry)
    name = options.get("issuer")
    names = {f.name for f in fields(OutsideIssuer)} - {"keys"} | {"jwks_url", "public_key"}
    if unknown := options.keys() - names:
        raise ImproperlyConfigured(f"TOKEN_ISSUERS: {name} has unknown names {sorted(unknown)}")
    jwks_url, public_key = options.pop("jwks_url", None), options.pop("public_key", None)
    if bool(jwks_url) == bool(public_key):
        raise ImproperlyConfigured(f"TOKEN_ISSUERS: {name} needs jwks_url or public_key")
    audience = options.pop("audience", None)
    audiences = audience if isinstance(audience, list) else [audience]
    if (
        not name
        or not audiences
        or not all(isinstance(value, str) and value for value in audiences)
    ):
        raise ImproperlyConfigured("TOKEN_ISSUERS: each needs an issuer and an audience")
    keys = _remote(name, jwks_url) if jwks_url else _fixed(name, public_key)
    return OutsideIssuer(audience=tuple(audiences), keys=keys, **options)


def _remote(name: str, url: str) -> RemoteKeys:
    # Whoever can change the answer decides who may sign in, hence no plain http outside a
    # developer's machine.
    schemes = ("https://",) if settings.HTTPS else ("https://", "http://")
    if not url.startswith(schemes):
        raise ImproperlyConfigured(f"TOKEN_ISSUERS: the jwks_url of {name} is no https address")
    return RemoteKeys(url)


def _fixed(name: str, pem: str) -> FixedKey:
    try:
        return FixedKey(verifying_key(load_pem_public_key(pem.encode())))
    except (ValueError, UnsupportedAlgorithm, UnsuitableKey) as exc:
        raise ImproperlyConfigured(f"TOKEN_ISSUERS: the public_key of {name}: {exc}") from exc


def _text(claim: object) -> str | None:
    return claim if isinstance(claim, str) and claim else None


def _forget(*, setting: str, **_: object) -> None:
    if setting == "TOKEN_ISSUERS":
        issuers.cache_clear()


setting_changed.connect(_forget)
