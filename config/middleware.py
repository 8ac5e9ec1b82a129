"""What surrounds every view: sessions for the admin alone, CORS for the API, headers for all.

A request to the API passes through Django's checks of transport and host and two small layers
of this module. Sessions, CSRF and messages would cost each one and belong to the admin's pages.
"""

import contextlib
import functools
from collections.abc import Callable
from http import HTTPStatus
from typing import Final, cast

from django.conf import settings
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.middleware.csrf import CsrfViewMiddleware
from django.utils.cache import patch_vary_headers
from django.utils.deprecation import MiddlewareMixin

from config.exceptions import refusal
from sign_s3.api.parsers import MAX_BODY
from sign_s3.conf import conf
from sign_s3.location import AddressingStyle, Location

GetResponse = Callable[[HttpRequest], HttpResponseBase]

ADMIN: Final = "/admin/"


class _AdminOnly(MiddlewareMixin):
    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if request.path_info.startswith(ADMIN):
            return cast("HttpResponseBase", super().__call__(request))
        return cast("HttpResponseBase", self.get_response(request))


class AdminSessionMiddleware(_AdminOnly, SessionMiddleware):
    """Sessions below /admin/. A session cookie means nothing to the API."""


class AdminCsrfViewMiddleware(_AdminOnly, CsrfViewMiddleware):
    """CSRF checks below /admin/. The API takes no cookie, so nothing could be forged there."""


class AdminAuthenticationMiddleware(_AdminOnly, AuthenticationMiddleware):
    """The session's user below /admin/."""


class AdminMessageMiddleware(_AdminOnly, MessageMiddleware):
    """Messages below /admin/."""


class ApiMiddleware:
    """Refuses requests no view could read, and gives answers their caching and content policy."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = _unreadable(request) or self.get_response(request)
        _drain(request)
        headers = response.headers
        if "Cache-Control" not in headers:
            # Signatures, tokens, what belongs to one user: nothing to keep unless a view says so.
            headers["Cache-Control"] = "no-store"
        if "Content-Security-Policy" not in headers:
            html = headers.get("Content-Type", "").startswith("text/html")
            headers["Content-Security-Policy"] = page_policy() if html else API_POLICY
        return response


def _unreadable(request: HttpRequest) -> HttpResponse | None:
    """The refusal of what no view could read, PostgreSQL could not look up or WSGI hides."""
    meta = request.META
    if "\0" in request.path_info or "%00" in meta.get("QUERY_STRING", ""):
        return refusal(HTTPStatus.BAD_REQUEST, "bad_request")
    if "HTTP_TRANSFER_ENCODING" in meta and not meta.get("CONTENT_LENGTH"):
        # WSGI hands on no body without a length (PEP 3333), so it would be taken for empty.
        return refusal(HTTPStatus.LENGTH_REQUIRED, "length_required", "Send a Content-Length.")
    return None


def _drain(request: HttpRequest) -> None:
    """Read a small body that nobody read: a refused request's, say.

    Granian closes the connection after such an answer without a word, so a client that keeps it
    open, as all do, would lose its next request. A body larger than any view reads stays where it
    is: for that one closing is right.
    """
    length = request.META.get("CONTENT_LENGTH") or "0"
    if length.isdecimal() and int(length) <= MAX_BODY:
        with contextlib.suppress(OSError):
            request.read()


#: For everything that isn't a page: should it ever be rendered as one, it may do nothing.
API_POLICY: Final = "default-src 'none'; frame-ancestors 'none'"


@functools.cache
def page_policy() -> str:
    """The pages' Content-Security-Policy: our own files, and S3 for uploads and media."""
    s3 = " ".join(sorted(_s3_origins()))
    return "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            f"img-src 'self' data: blob: {s3}",
            f"media-src 'self' blob: {s3}",
            f"connect-src 'self' {s3}",
            "font-src 'self'",
            "form-action 'self'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
        )
    )


def _s3_origins() -> set[str]:
    own = conf()
    endpoint = own.public_endpoint_url or own.endpoint_url
    styles: set[AddressingStyle] = {own.addressing_style}
    if endpoint is None:
        styles.add("virtual")  # where AWS's global host redirects to
    origins = {
        Location(bucket, own.region, endpoint, style).origin
        for bucket in (own.incoming_bucket, own.media_bucket)
        for style in styles
    }
    if own.custom_domain:
        origins.add(f"https://{own.custom_domain}")
    return origins


class CorsMiddleware:
    """CORS (fetch.spec.whatwg.org) for the origins in `CORS_ALLOWED_ORIGINS`; others get no header.

    No credentials mode: the API is spoken to with a token in Authorization, never with cookies.
    """

    methods = "GET, POST, PATCH, DELETE, OPTIONS"
    request_headers = "Authorization, Content-Type, Idempotency-Key"
    exposed = "Retry-After, RateLimit, RateLimit-Policy"
    max_age = "86400"

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response
        self.origins = frozenset(settings.CORS_ALLOWED_ORIGINS)

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if not self.origins:
            return self.get_response(request)
        origin = request.META.get("HTTP_ORIGIN", "")
        allowed = origin in self.origins and not request.path_info.startswith(ADMIN)
        response: HttpResponseBase
        if (
            allowed
            and request.method == "OPTIONS"
            and "HTTP_ACCESS_CONTROL_REQUEST_METHOD" in request.META
        ):
            response = HttpResponse(status=204)
            response["Access-Control-Allow-Methods"] = self.methods
            response["Access-Control-Allow-Headers"] = self.request_headers
            response["Access-Control-Max-Age"] = self.max_age
        else:
            response = self.get_response(request)
        # Whoever caches an answer must not give it to another origin.
        if "Vary" in response.headers:
            patch_vary_headers(response, ("Origin",))
        else:
            response.headers["Vary"] = "Origin"
        if allowed:
            response["Access-Control-Allow-Origin"] = origin
            response["Access-Control-Expose-Headers"] = self.exposed
        return response
