"""Who is asking, by the bearer token. Session cookies mean nothing here; they are the admin's.

StatelessTokenAuthentication   for signing: no database. An ended sign-in's access token is good
                               for the rest of its five minutes, which alone can attach nothing.
TokenAuthentication            everywhere else: one query says that the user and the sign-in are
                               there still.
"""

import hashlib
import threading
import time
from typing import Any, ClassVar, Final

from rest_framework import exceptions
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from sign_s3.api.exceptions import ServiceUnavailable
from users.issuers import issuers, read_outside
from users.keysets import KeysUnavailable
from users.models import User
from users.services.outside import admit, vouched_user
from users.services.sign_ins import live_user
from users.tokens import Access, InvalidToken, read_access

#: Verified tokens that are remembered per process, and for how long at most, in seconds: a key that
#: an outside issuer withdraws is forgotten after that.
MAX_REMEMBERED: Final = 10_000
REMEMBER_SECONDS: Final = 300


class IssuerUnavailable(ServiceUnavailable):
    """503: nobody can say whether the token is good."""

    default_detail = "The issuer of this token cannot be reached. Try again."
    default_code = "issuer_unavailable"


class TokenUser:
    """Whoever a token names, as far as that is known without the database."""

    __slots__ = ("pk",)

    is_authenticated: ClassVar = True
    is_anonymous: ClassVar = False
    is_active: ClassVar = True

    def __init__(self, pk: str) -> None:
        self.pk = pk

    @property
    def id(self) -> str:
        return self.pk

    def __str__(self) -> str:
        return self.pk


class VerifiedTokens:
    """Verified tokens by their digest, the oldest forgotten first. Safe between threads."""

    def __init__(self, limit: int = MAX_REMEMBERED) -> None:
        self._limit = limit
        self._entries: dict[bytes, tuple[float, tuple[TokenUser, Access]]] = {}
        self._lock = threading.Lock()

    def get(self, digest: bytes) -> tuple[TokenUser, Access] | None:
        entry = self._entries.get(digest)
        return entry[1] if entry is not None and entry[0] > time.time() else None

    def put(self, digest: bytes, verified: tuple[TokenUser, Access]) -> None:
        until = min(verified[1].expires_at, time.time() + REMEMBER_SECONDS)
        with self._lock:
            if len(self._entries) >= self._limit:
                del self._entries[next(iter(self._entries))]
            self._entries[digest] = (until, verified)


_remembered: Final = VerifiedTokens()


class StatelessTokenAuthentication(BaseAuthentication):
    """A verified access token, ours or an outside issuer's, gives a `TokenUser` and `Access`."""

    def authenticate(self, request: Request) -> tuple[Any, Access] | None:
        token = _bearer_token(request.META.get("HTTP_AUTHORIZATION", ""))
        return None if token is None else verify(token)

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


class TokenAuthentication(StatelessTokenAuthentication):
    """As above, and the account and the sign-in are there still: gives the `User`."""

    def authenticate(self, request: Request) -> tuple[User, Access] | None:
        verified = super().authenticate(request)
        if verified is None:
            return None
        access = verified[1]
        if access.vouched is None:
            user = live_user(access)
        else:
            user = vouched_user(access) or admit(access, access.vouched)
        if user is None:
            raise exceptions.AuthenticationFailed("This sign-in is over.", code="sign_in_over")
        return user, access


def caller(request: Request) -> tuple[User, Access]:
    """Who is asking, of a request that `TokenAuthentication` let through."""
    user, access = request.user, request.auth
    if not isinstance(user, User) or not isinstance(access, Access):
        raise exceptions.NotAuthenticated
    return user, access


def verify(token: str) -> tuple[TokenUser, Access]:
    """Verify an access token; `AuthenticationFailed` or `IssuerUnavailable` if that fails."""
    digest = hashlib.sha256(token.encode()).digest()
    verified = _remembered.get(digest)
    if verified is None:
        access = _read(token)
        verified = TokenUser(access.user_id), access
        _remembered.put(digest, verified)
    return verified


def _read(token: str) -> Access:
    try:
        try:
            return read_access(token)
        except InvalidToken:
            if not issuers():
                raise
            return read_outside(token)
    except InvalidToken as exc:
        raise exceptions.AuthenticationFailed(
            "This access token is not valid or has expired.", code="token_not_valid"
        ) from exc
    except KeysUnavailable as exc:
        raise IssuerUnavailable from exc


def _bearer_token(header: str) -> str | None:
    """The token of an Authorization header (RFC 6750, section 2.1); None for another scheme."""
    scheme, _, token = header.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None
