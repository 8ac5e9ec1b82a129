"""What surrounds every view: CORS, headers, and Django's own middleware where it has work to do.

    ServiceMiddleware → Cors → view                a request to the API
                      → Django's own seven → view  a page of the admin's

Sessions, CSRF and messages are the admin's alone. What the rest of Django's stack does for the API,
which is to look at the host and to add half a dozen headers that never change, is done here at
once: layer by layer it took longer than signing does (docs/performance.md).
"""

import contextlib
import functools
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Final

from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.middleware.clickjacking import XFrameOptionsMiddleware
from django.middleware.security import SecurityMiddleware
from django.utils.cache import patch_vary_headers

from config.exceptions import refusal
from sign_s3.api.parsers import content_length
from sign_s3.conf import conf
from sign_s3.destinations import MIB
from sign_s3.location import AddressingStyle, Location

GetResponse = Callable[[HttpRequest], HttpResponseBase]
#: Headers as Django's responses hold them: the name in lower case, and name and value as they are.
Headers = Mapping[str, tuple[str, str]]

ADMIN: Final = "/admin/"
#: Bytes of a body that are read though nobody wants them: as many as any view reads.
DRAINED: Final = MIB


class ServiceMiddleware:
    """Takes the API's requests past the middleware listed after it, whose work it does itself.

    Refuses requests no view could read, and gives every answer its caching and content policy.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self._through_all = get_response
        self._past_all = Cors(_innermost(get_response))
        self._redirects = settings.SECURE_SSL_REDIRECT
        self._headers = {secure: _django_headers(secure=secure) for secure in (True, False)}

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        secure = request.is_secure()
        if (refused := _unreadable(request)) is not None:
            response: HttpResponseBase = refused
        elif request.path_info.startswith(ADMIN) or (self._redirects and not secure):
            response = self._through_all(request)
        else:
            response = self._past_all(request)
        _drain(request)
        headers = _store(response)
        html = headers.get("content-type", ("", ""))[1].startswith("text/html")
        # What was said already comes last, and so wins.
        headers.update({**self._headers[secure], **(_page() if html else _API), **headers})
        if isinstance(response, HttpResponse) and "content-length" not in headers:
            response.headers["Content-Length"] = str(len(response.content))
        return response


def _innermost(get_response: GetResponse) -> GetResponse:
    """What all of the middleware is around.

    Django wraps each layer by functools.wraps, which shows the layer's own attributes outside.
    """
    while (below := getattr(get_response, "get_response", None)) is not None:
        get_response = below
    return get_response


def _django_headers(*, secure: bool) -> Headers:
    """The headers that Django's middleware adds to any answer, by these settings."""
    request, response = _Asked(), HttpResponse()
    request.secure = secure
    XFrameOptionsMiddleware(lambda _: response).process_response(request, response)
    SecurityMiddleware(lambda _: response).process_response(request, response)
    del response.headers["Content-Type"]
    return dict(_store(response))


class _Asked(HttpRequest):
    secure: bool

    def is_secure(self) -> bool:
        return self.secure


def _store(response: HttpResponseBase) -> dict[str, tuple[str, str]]:
    # To write to it takes a tenth of the time that `headers` does, which checks and encodes each
    # name and value anew.
    store: dict[str, tuple[str, str]] = response.headers._store  # noqa: SLF001
    return store


def _unreadable(request: HttpRequest) -> HttpResponse | None:
    """The refusal of what no view could read, PostgreSQL could not look up or WSGI hides."""
    meta = request.META
    try:
        request.get_host()
    except DisallowedHost:
        return refusal(HTTPStatus.BAD_REQUEST, "bad_request")
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
    if 0 < (content_length(request.META) or 0) <= DRAINED:
        with contextlib.suppress(OSError):
            request.read()


#: For everything that isn't a page: should it ever be rendered as one, it may do nothing.
API_POLICY: Final = "default-src 'none'; frame-ancestors 'none'"


def _kept_by_nobody(policy: str) -> Headers:
    """Signatures, tokens, what belongs to one user: nothing to keep, unless a view says so."""
    return {
        "cache-control": ("Cache-Control", "no-store"),
        "content-security-policy": ("Content-Security-Policy", policy),
    }


_API: Final = _kept_by_nobody(API_POLICY)


@functools.cache
def _page() -> Headers:
    return _kept_by_nobody(page_policy())


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


class Cors:
    """CORS (fetch.spec.whatwg.org) for the origins in `CORS_ALLOWED_ORIGINS`; others get no header.

    No credentials mode: the API is spoken to with a token in Authorization, never with cookies.
    """

    methods = "GET, POST, PATCH, DELETE, OPTIONS"
    # Uppy's clients up to version 4 say which they are.
    request_headers = "Authorization, Content-Type, Idempotency-Key, Uppy-Versions"
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
