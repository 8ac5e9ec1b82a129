"""Content negotiation for an API that speaks JSON and nothing else."""

from collections.abc import Iterable
from typing import Any

from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request


class OnlyChoice(DefaultContentNegotiation):
    """Where there is one parser or one renderer it is taken, whatever the headers say.

    The parser looks at Content-Type itself, and an answer that Accept did not ask for tells a
    client more than a 406 would (RFC 9110, section 12.4.1, leaves that to the server). Comparing
    media types takes longer than signing a form. The schema, which has several renderers, is
    negotiated as usual.
    """

    def select_parser(self, request: Request, parsers: Iterable[BaseParser]) -> BaseParser | None:
        match parsers:
            case [only]:
                return only
        return super().select_parser(request, parsers)

    def select_renderer(
        self,
        request: Request,
        renderers: Iterable[BaseRenderer],
        format_suffix: str | None = None,
    ) -> Any:
        match renderers:
            case [only]:
                return only, only.media_type
        return super().select_renderer(request, renderers, format_suffix)
