"""The service's own tokens: a short access token and a refresh token, both HS256 over SECRET_KEY.

    claim        access              refresh
    sub          the user's id       the user's id
    sid          the sign-in's id    the sign-in's id
    jti          random              `SignIn.refresh_id` while it is the one to be used next
    token_type   "access"            "refresh"
    exp, iat     + 5 minutes         + 30 days

The algorithm is pinned, so ``alg: none`` and a public key passed off as an HMAC secret are refused.
"""

import time
import uuid
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, Literal

import jwt
from django.conf import settings

ALGORITHM: Final = "HS256"
ACCESS_LIFETIME: Final = timedelta(minutes=5)
REFRESH_LIFETIME: Final = timedelta(days=30)
#: What a token is for: one kind is not good for the other's purpose.
Kind = Literal["access", "refresh"]
#: Longer than any token of ours, and than those that issuers fill with groups and roles.
MAX_TOKEN_LENGTH: Final = 8192


class InvalidToken(Exception):
    """Not a token this service accepts: malformed, forged, expired or of the wrong kind."""


@dataclass(frozen=True, slots=True)
class Vouched:
    """Who a person is in the words of an outside issuer."""

    issuer: str
    subject: str
    #: None unless the issuer says that it verified the address.
    email: str | None
    nickname: str | None


@dataclass(frozen=True, slots=True)
class Access:
    """What a verified access token says. Times are seconds since the epoch."""

    user_id: str
    issued_at: int
    expires_at: int
    #: None for a token of an outside issuer; then `vouched` is set.
    sign_in_id: str | None = None
    vouched: Vouched | None = None


@dataclass(frozen=True, slots=True)
class Refresh:
    """What a verified refresh token says."""

    user_id: str
    sign_in_id: str
    refresh_id: str


@dataclass(frozen=True, slots=True)
class TokenPair:
    """What a client is given for a sign-in."""

    access: str
    refresh: str


def issue_pair(*, user_id: str, sign_in_id: str, refresh_id: str) -> TokenPair:
    """Sign an access and a refresh token for a sign-in."""
    whose = {"sub": user_id, "sid": sign_in_id}
    return TokenPair(
        access=_sign("access", ACCESS_LIFETIME, {**whose, "jti": uuid.uuid4().hex}),
        refresh=_sign("refresh", REFRESH_LIFETIME, {**whose, "jti": refresh_id}),
    )


def read_access(token: str) -> Access:
    """Verify an access token of ours; `InvalidToken` if it is none."""
    claims = _read("access", token)
    return Access(
        user_id=_text(claims, "sub"),
        sign_in_id=_text(claims, "sid"),
        issued_at=_seconds(claims, "iat"),
        expires_at=_seconds(claims, "exp"),
    )


def read_refresh(token: str) -> Refresh:
    """Verify a refresh token of ours; `InvalidToken` if it is none."""
    claims = _read("refresh", token)
    return Refresh(
        user_id=_text(claims, "sub"),
        sign_in_id=_text(claims, "sid"),
        refresh_id=_text(claims, "jti"),
    )


def _sign(kind: Kind, lifetime: timedelta, claims: dict[str, str]) -> str:
    now = int(time.time())
    times = {"iat": now, "exp": now + int(lifetime.total_seconds())}
    return jwt.encode({"token_type": kind, **times, **claims}, settings.SECRET_KEY, ALGORITHM)


def _read(kind: Kind, token: str) -> dict[str, Any]:
    if len(token) > MAX_TOKEN_LENGTH:
        raise InvalidToken("too long")
    try:
        claims: dict[str, Any] = jwt.decode(
            token,
            settings.SECRET_KEY,
            algorithms=[ALGORITHM],
            # Another worker's clock may be ahead of this one's.
            options={"require": ["exp", "iat", "jti", "sub"], "verify_iat": False},
        )
    except (jwt.InvalidTokenError, RecursionError) as exc:  # a header of many brackets recurses
        raise InvalidToken(str(exc)) from exc
    if claims.get("token_type") != kind:
        raise InvalidToken(f"not a token for {kind}")
    return claims


def _text(claims: dict[str, Any], name: str) -> str:
    value = claims.get(name)
    if not isinstance(value, str) or not value:
        raise InvalidToken(f"no {name}")
    return value


def _seconds(claims: dict[str, Any], name: str) -> int:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidToken(f"no {name}")
    return int(value)
