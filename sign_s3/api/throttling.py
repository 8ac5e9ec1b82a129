"""Rate limits: fixed windows, exact, all of one subject's windows charged or none.

    SignedKeysThrottle      keys signed, by user; a request costs as many as it asks for
    PartsThrottle           what S3 is asked about uploads in parts, by user
    TokenAddressThrottle    attempts to get a token, by client address
    TokenAccountThrottle    attempts to get a token, by the account that is named
    SignUpThrottle          accounts made, by client address
    PasswordResetThrottle   reset mails asked for, by client address

Pages that are no API view call `charge`. The limits are ``DEFAULT_THROTTLE_RATES`` by scope, like
``"300/min, 5000/day"``; `counting` counts. A request over any of its limits is charged to none of
them. Answers carry ``RateLimit-Policy`` and ``RateLimit``
(draft-ietf-httpapi-ratelimit-headers-10); a 429 carries Retry-After too.
"""

import functools
import hashlib
import ipaddress
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from django.dispatch import receiver
from django.http import HttpRequest
from rest_framework.request import Request
from rest_framework.settings import api_settings
from rest_framework.throttling import BaseThrottle
from rest_framework.views import APIView

from sign_s3.api.counting import Window, counter
from sign_s3.api.serializers import MAX_KEYS

_SECONDS: Final[Mapping[str, int]] = {"sec": 1, "min": 60, "hour": 3600, "day": 86400}
_RATE: Final = re.compile(r"\s*([1-9][0-9]{0,8})/(sec|min|hour|day)\s*")


@dataclass(frozen=True, slots=True)
class Charge:
    """What came of charging a subject: what its answer says of the limits, and how long to wait."""

    headers: Mapping[str, str]
    #: Seconds until the windows that refused have ended; None if nothing was refused.
    wait: int | None


def charge(scope: str, subject: str, cost: int = 1) -> Charge:
    """Charge a subject's windows of this scope, or none of them if one cannot bear it."""
    windows, policy = limits(scope)
    allowed, left = counter().charge(f"{scope}:{subject}", windows, cost)
    said = [
        f'"{window.name}";r={remaining};t={seconds}'
        for window, (remaining, seconds) in zip(windows, left, strict=True)
    ]
    return Charge(
        headers={"RateLimit-Policy": policy, "RateLimit": ", ".join(said)},
        wait=None if allowed else max(seconds for remaining, seconds in left if remaining < cost),
    )


class WindowThrottle(BaseThrottle):
    """Charges a request to its subject's windows, or answers 429 before any other throttle counts.

    A refusal is raised at once: DRF would ask the remaining throttles first, so that somebody
    refused by address could go on using up the attempts of an account.
    """

    scope: str

    def subject(self, request: Request) -> str | None:
        """Who is charged; None charges nobody."""
        return client_address(request)

    def cost(self, request: Request) -> int:
        return 1

    def allow_request(self, request: Request, view: APIView) -> bool:
        subject = self.subject(request)
        if subject is None:
            return True
        charged = charge(self.scope, subject, self.cost(request))
        view.headers.update(charged.headers)
        if charged.wait is not None:
            view.throttled(request, charged.wait)
        return True


class SignedKeysThrottle(WindowThrottle):
    """Keys signed by one user. A `number` that validation will refuse costs one key."""

    scope = "signed_keys"

    def subject(self, request: Request) -> str | None:
        return str(request.user.pk)

    def cost(self, request: Request) -> int:
        number = _sent(request, "number")
        return number if type(number) is int and 1 <= number <= MAX_KEYS else 1


class PartsThrottle(WindowThrottle):
    """Calls of S3 for one user's uploads in parts, which take places that attaching needs too."""

    scope = "parts"

    def subject(self, request: Request) -> str | None:
        return str(request.user.pk)


class TokenAddressThrottle(WindowThrottle):
    """Attempts to get a token from one address. List it before `TokenAccountThrottle`."""

    scope = "token_address"


class TokenAccountThrottle(WindowThrottle):
    """Attempts to get a token for one account, known or not, whatever address they come from."""

    scope = "token_account"

    def subject(self, request: Request) -> str | None:
        email = _sent(request, "email")
        return account(email) if isinstance(email, str) else None  # validation refuses others


class SignUpThrottle(WindowThrottle):
    """Accounts made from one address."""

    scope = "sign_up"


class PasswordResetThrottle(WindowThrottle):
    """Reset mails asked for from one address."""

    scope = "password_reset"


def account(email: str) -> str:
    """The account that somebody means by this, as `TokenAccountThrottle` counts it.

    Every spelling that any form takes for the same address is one: case, spaces, wide letters.
    A digest: an address typed by anyone, of any length, should not be found in Redis.
    """
    spelling = unicodedata.normalize("NFKC", email).strip().casefold()
    return hashlib.sha256(spelling.encode(errors="surrogatepass")).hexdigest()[:32]


def _sent(request: Request, name: str) -> object:
    return request.data.get(name) if isinstance(request.data, dict) else None


@functools.cache
def limits(scope: str) -> tuple[tuple[Window, ...], str]:
    """The windows of a scope and the RateLimit-Policy that announces them."""
    rates: Mapping[str, Any] = api_settings.DEFAULT_THROTTLE_RATES
    windows = []
    for rate in str(rates.get(scope)).split(","):
        match = _RATE.fullmatch(rate)
        if match is None:
            raise ImproperlyConfigured(
                f"DEFAULT_THROTTLE_RATES[{scope!r}]: like '300/min, 5000/day', not {rate!r}"
            )
        windows.append(Window(match[2], int(match[1]), _SECONDS[match[2]]))
    policy = ", ".join(f'"{each.name}";q={each.limit};w={each.seconds}' for each in windows)
    return tuple(windows), policy


@receiver(setting_changed)
def _forget_limits(*, setting: str, **kwargs: Any) -> None:
    if setting == "REST_FRAMEWORK":
        limits.cache_clear()


def client_address(request: Request | HttpRequest) -> str:
    """The address a client cannot choose: IPv4 as it is, IPv6 by its /64, which one line has whole.

    ``NUM_PROXIES`` proxies each append to X-Forwarded-For the address they were called from, so
    the client's is that many from the right; what stands left of it is the client's own invention.
    """
    remote = str(request.META.get("REMOTE_ADDR", ""))
    proxies = api_settings.NUM_PROXIES or 0
    forwarded = str(request.META.get("HTTP_X_FORWARDED_FOR", "")) if proxies else ""
    hops = [hop for hop in map(_network, forwarded.split(",")[-proxies:]) if hop]
    return hops[0] if hops else _network(remote) or remote


def _network(text: str) -> str | None:
    """An address, maybe with a port, as limits count it; None if it is none."""
    bare = text.strip()
    if bare.startswith("["):
        bare = bare[1:].partition("]")[0]
    elif bare.count(":") == 1:
        bare = bare.partition(":")[0]
    try:
        address = ipaddress.ip_address(bare.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)
