"""REST framework's way from a POST to its handler, for a view with one parser and one renderer.

The framework finds out for each request which parser, renderer and version it is for, and guards
every look at its user and its data. For signing that takes three times as long as the signature
(docs/performance.md). Here the same steps follow each other, taken by the same classes:
authentication, permissions, the parser, throttles, the handler. What goes wrong is answered as
everywhere else.
"""

import functools
from collections.abc import Callable
from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.views import APIView

from sign_s3.api.negotiation import OnlyChoice
from sign_s3.api.parsers import GuardedJSONParser, content_length
from sign_s3.api.renderers import JSONRenderer


class DirectRequest(Request):
    """A Request whose user and data are attributes like any other, set once they are known."""

    user: Any = None
    auth: Any = None
    data: Any = None
    # For answers to what goes wrong.
    accepted_renderer = JSONRenderer()
    accepted_media_type = JSONRenderer.media_type

    def __init__(self, request: HttpRequest, **parts: Any) -> None:
        super().__init__(request, **parts)
        self.method = request.method
        self.META = request.META

    def authenticate(self) -> None:
        """Set user and auth; `AuthenticationFailed` and the like if a token is no good."""
        self._authenticate()  # type: ignore[attr-defined]

    def parse(self, parser: BaseParser) -> None:
        """Set data, which is {} without a body; `ParseError` and the like if it is no good."""
        self.data = {}
        if content_length(self.META):
            stream: Any = self._request
            self.data = parser.parse(stream, self.content_type, self.parser_context)


class DirectPostView(APIView):
    """An APIView, of one parser and one renderer, whose POST takes the steps above."""

    parser_classes = [GuardedJSONParser]
    renderer_classes = [JSONRenderer]
    content_negotiation_class = OnlyChoice
    versioning_class = None

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.method != "POST":
            return super().dispatch(request, *args, **kwargs)
        self.headers = {"Allow": _allow(type(self))}  # type: ignore[arg-type]
        [parser] = self.get_parsers()
        self.request = asked = DirectRequest(
            request,
            parsers=[parser],
            authenticators=self.get_authenticators(),
            negotiator=self.get_content_negotiator(),
            parser_context={"view": self},
        )
        try:
            asked.authenticate()
            self.check_permissions(asked)
            asked.parse(parser)
            self.check_throttles(asked)
            response: Any = self.post(asked, *args, **kwargs)  # type: ignore[attr-defined]
        except Exception as exc:  # noqa: BLE001 - REST framework's handler raises what it does not know
            response = self.handle_exception(exc)
        # It holds the request that holds it: all of that would wait for the garbage collector.
        asked.parser_context.clear()
        return self.finalize_response(asked, response, *args, **kwargs)


@functools.cache
def _allow(view: Callable[[], APIView]) -> str:
    return ", ".join(view().allowed_methods)
