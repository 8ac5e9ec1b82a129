"""Companion's S3 endpoints: parse, call the service, respond."""

from typing import Any, Final

from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from sign_s3.api.authentication import TokenAloneView
from sign_s3.api.documentation import documented
from sign_s3.api.errors import translated
from sign_s3.api.throttling import PartsThrottle, SignedKeysThrottle
from sign_s3.api.uppy.serializers import (
    MAX_BATCH,
    BegunSerializer,
    CompletedSerializer,
    CompletionSerializer,
    FileSerializer,
    KeySerializer,
    ListedPartSerializer,
    ParamsSerializer,
    PartField,
    PartUrlSerializer,
    PartUrlsSerializer,
    part_numbers,
)
from sign_s3.destinations import MIB
from sign_s3.keys import object_key
from sign_s3.services import multipart
from sign_s3.services.issue import PresignedPut, issue
from sign_s3.services.ticket import MAX_PARTS, Ticket
from sign_s3.storage import incoming_bucket

#: What the services' refusals are about, as Uppy calls it.
_PLACES: Final = {"path": "metadata.path", "mime": "type"}
_KEY: Final = OpenApiParameter("key", str, required=True)


class ParamsView(TokenAloneView):
    """A form for a file that is sent in one piece."""

    signing_methods = frozenset({"GET"})
    throttle_classes = [SignedKeysThrottle]

    @documented(
        parameters=[
            OpenApiParameter("type", str, required=True),
            OpenApiParameter("metadata[path]", str, required=True),
        ],
        responses=ParamsSerializer,
    )
    def get(self, request: Request) -> Response:
        """Answer with a presigned POST for a new key."""
        wanted = FileSerializer.of_query(request.query_params).wanted
        with translated(_PLACES):
            [form] = issue(owner=str(request.user.pk), number=1, **wanted)
        if isinstance(form, PresignedPut):
            method, url, headers, key = form
            return Response(
                {"method": method, "url": url, "headers": headers, "fields": {"key": key}}
            )
        return Response({"method": "POST", **form._asdict()})


class MultipartsView(APIView):
    """Uploads in parts."""

    throttle_classes = [SignedKeysThrottle]

    @documented(request=FileSerializer, responses=BegunSerializer)
    def post(self, request: Request) -> Response:
        """Begin one for a new key."""
        wanted = FileSerializer(data=request.data).wanted
        with translated(_PLACES):
            ticket = multipart.begin(owner=str(request.user.pk), **wanted)
        return Response({"uploadId": str(ticket), **_where(ticket)})


class UnderwayView(APIView):
    """A view of one upload, which its ticket and key name."""

    def ticket(self, request: Request, upload_id: str) -> Ticket:
        """`NotFound` unless the ticket is the caller's, and for that key."""
        key = KeySerializer.of_query(request.query_params)
        with translated():
            return Ticket.read(upload_id, owner=str(request.user.pk), key=key)


class MultipartView(UnderwayView):
    """One upload: what arrived, and its end."""

    throttle_classes = [PartsThrottle]

    @documented(parameters=[_KEY], responses=ListedPartSerializer(many=True))
    def get(self, request: Request, upload_id: str) -> Response:
        """The parts that arrived."""
        ticket = self.ticket(request, upload_id)
        with translated():
            parts = multipart.list_parts(ticket)
        return Response([PartField().to_representation(part) for part in parts])

    @documented(parameters=[_KEY], responses={200: {"type": "object"}})
    def delete(self, request: Request, upload_id: str) -> Response:
        """Abort it; nothing happens if it is over."""
        ticket = self.ticket(request, upload_id)
        with translated():
            multipart.abort(ticket)
        return Response({})  # Uppy reads JSON from every answer


class PartView(TokenAloneView, UnderwayView):
    """Where one part goes."""

    signing_methods = frozenset({"GET"})

    @documented(
        parameters=[
            _KEY,
            OpenApiParameter(
                "part_number",
                {"type": "integer", "minimum": 1, "maximum": MAX_PARTS},
                OpenApiParameter.PATH,
            ),
        ],
        responses=PartUrlSerializer,
    )
    def get(self, request: Request, upload_id: str, part_number: str) -> Response:
        """Sign for it."""
        ticket = self.ticket(request, upload_id)
        numbers = part_numbers(part_number, attr="partNumber", last=ticket.last_part, most=1)
        [url] = multipart.sign_parts(ticket, numbers).values()
        return Response({"url": url})


class PartsView(TokenAloneView, UnderwayView):
    """Where several parts go."""

    signing_methods = frozenset({"GET"})

    @documented(
        parameters=[
            _KEY,
            OpenApiParameter(
                "partNumbers", str, required=True, description=f"1,2,3: {MAX_BATCH} at most."
            ),
        ],
        responses=PartUrlsSerializer,
    )
    def get(self, request: Request, upload_id: str) -> Response:
        """Sign for them."""
        ticket = self.ticket(request, upload_id)
        text = request.query_params.get("partNumbers", "")
        numbers = part_numbers(text, attr="partNumbers", last=ticket.last_part, most=MAX_BATCH)
        return Response({"presignedUrls": multipart.sign_parts(ticket, numbers)})


class CompletionView(UnderwayView):
    """The end that an upload is meant to have."""

    throttle_classes = [PartsThrottle]

    max_body = MIB  # ten thousand parts

    @documented(parameters=[_KEY], request=CompletionSerializer, responses=CompletedSerializer)
    def post(self, request: Request, upload_id: str) -> Response:
        """Make the object of its parts."""
        ticket = self.ticket(request, upload_id)
        named = CompletionSerializer(data=request.data)
        named.is_valid(raise_exception=True)
        with translated():
            location = multipart.complete(ticket, named.validated_data["parts"])
        return Response({"location": location, **_where(ticket)})


def _where(ticket: Ticket) -> dict[str, Any]:
    return {"key": object_key(ticket.key), "bucket": incoming_bucket().name}
