"""The signing endpoint: parse, call the service, respond."""

from typing import Any

from django.http import HttpResponse
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import BaseThrottle

from sign_s3.api.authentication import TokenAloneView
from sign_s3.api.direct import DirectPostView
from sign_s3.api.documentation import documented
from sign_s3.api.errors import translated
from sign_s3.api.renderers import JSONRenderer
from sign_s3.api.serializers import FormSerializer, RollbackSerializer, SigningSerializer
from sign_s3.api.throttling import SignedKeysThrottle
from sign_s3.destinations import KIB
from sign_s3.services.issue import issue
from sign_s3.services.rollback import rollback


class SignS3View(TokenAloneView, DirectPostView):
    """Sign forms to upload with, and take uploads back."""

    max_body = 16 * KIB
    signing_methods = frozenset({"POST"})

    def get_throttles(self) -> list[BaseThrottle]:
        return [SignedKeysThrottle()] if self.request.method == "POST" else []

    @documented(request=SigningSerializer, responses={201: FormSerializer(many=True)})
    def post(self, request: Request) -> HttpResponse:
        """Answer with presigned POSTs for new keys, `number` of them."""
        wanted = SigningSerializer.read(request.data)
        with translated():
            forms = issue(owner=str(request.user.pk), **wanted)
        # No Response of REST framework's: that is a template's, rendered later, for 12 µs more, and
        # this is the answer that is asked for most.
        body = JSONRenderer().render([form._asdict() for form in forms])
        return HttpResponse(body, JSONRenderer.media_type, status.HTTP_201_CREATED)

    @documented(
        request=RollbackSerializer,
        parameters=[OpenApiParameter("key", str, description="For clients without DELETE bodies.")],
        responses={204: None, 404: OpenApiResponse(), 409: OpenApiResponse()},
    )
    def delete(self, request: Request) -> Response:
        """Roll unattached uploads back."""
        data: Any = request.data or request.query_params.dict()
        unwanted = RollbackSerializer(data=data)
        unwanted.is_valid(raise_exception=True)
        with translated():
            rollback(owner=str(request.user.pk), uploads=unwanted.validated_data)
        return Response(status=status.HTTP_204_NO_CONTENT)
