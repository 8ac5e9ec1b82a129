"""What the OpenAPI document says beyond the views: how to authenticate, and every error.

All errors have one shape. Which codes there are is said by docs/api.md and, for bodies that could
not be read, here; a client is meant to fall back on the status for a code it does not know.
"""

from typing import Any, Final, Literal

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema as SpectacularSchema
from drf_spectacular.plumbing import build_bearer_security_scheme_object
from rest_framework import permissions, serializers

from sign_s3.api.idempotency import IdempotentCreateMixin
from sign_s3.api.parsers import CODES
from sign_s3.api.serializers import UploadModelSerializer

#: Methods whose requests have a body that is parsed.
WITH_BODY: Final = frozenset({"POST", "PUT", "PATCH", "DELETE"})
#: Permissions that ask for no more than a token, if that.
_BY_TOKEN: Final = (
    permissions.AllowAny,
    permissions.IsAuthenticated,
    permissions.IsAuthenticatedOrReadOnly,
)
DESCRIPTIONS: Final = {
    "400": "Something in the request is wrong: change `attr`. The body could not be read: "
    + ", ".join(f"`{code}`" for code in CODES)
    + ".",
    "401": "No token, or one that is over.",
    "403": "Not yours to change.",
    "404": "Not there, or not yours to know of.",
    "409": "At odds with the state of things; with Retry-After, only for now.",
    "411": "The body's length is not said.",
    "413": "The body is too large.",
    "415": "The body is no `application/json`.",
    "422": "The Idempotency-Key was used for another request.",
    "429": "Over a rate limit: wait Retry-After seconds.",
    "503": "S3 or the database is out of reach: wait Retry-After seconds, send the same again.",
}
_SECONDS: Final = {"schema": {"type": "integer"}, "description": "Seconds to wait."}
_ALWAYS_RETRYABLE: Final = frozenset({"429", "503"})


class TokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """`Authorization: Bearer <access token>`, wherever a token is taken."""

    target_class = "users.authentication.TokenAuthentication"
    name = "access-token"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        return build_bearer_security_scheme_object("Authorization", "Bearer", "JWT")


class StatelessTokenScheme(TokenScheme):  # type: ignore[no-untyped-call]
    """The same token; only how it is checked differs."""

    target_class = "users.authentication.StatelessTokenAuthentication"
    name = "access-token-for-signing"


class ErrorSerializer(serializers.Serializer[Any]):
    """One thing that is wrong. Programs look at ``code``, people at ``detail``."""

    code = serializers.CharField()
    detail = serializers.CharField()
    attr = serializers.CharField(
        allow_null=True, help_text="The place in the request, like `images.0`."
    )


class ErrorsSerializer(serializers.Serializer[Any]):
    """Every answer of 400 and above."""

    type = serializers.ChoiceField(choices=["validation_error", "client_error", "server_error"])
    errors = ErrorSerializer(many=True)  # type: ignore[assignment]


class AutoSchema(SpectacularSchema):
    """Adds to each operation the errors it can answer, and its rate limit's headers.

    Those that do not follow from the view's parts are declared by it, with a status alone.
    """

    def _get_response_bodies(
        self, direction: Literal["request", "response"] = "response"
    ) -> dict[str, Any]:
        responses: dict[str, Any] = super()._get_response_bodies(direction)
        declared = {status for status in responses if status >= "400"}
        for status in sorted(declared | self._errors()):
            responses[status] = self._error(status)
        if self.view.get_throttles():
            for response in responses.values():
                headers = response.setdefault("headers", {})
                for name in ("RateLimit", "RateLimit-Policy"):
                    headers[name] = {"schema": {"type": "string"}}
        return responses

    def _errors(self) -> set[str]:
        view, statuses = self.view, {"400", "503"}
        if self.method in WITH_BODY:
            statuses |= {"411", "413", "415"}
        # A token is not asked for everywhere, but one that is sent has to be good.
        if view.get_authenticators() or view.get_authenticate_header(view.request):
            statuses.add("401")
        if self.method in WITH_BODY and not all(
            isinstance(permission, _BY_TOKEN) for permission in view.get_permissions()
        ):
            statuses.add("403")
        if "{" in self.path or (self.method == "GET" and getattr(view, "pagination_class", None)):
            statuses.add("404")
        if self.method in {"POST", "PUT", "PATCH"} and isinstance(
            self.get_request_serializer(), UploadModelSerializer
        ):
            statuses.add("409")
        if self.method == "POST" and isinstance(view, IdempotentCreateMixin):
            statuses.add("422")
        if view.get_throttles():
            statuses.add("429")
        return statuses

    def _error(self, status: str) -> dict[str, Any]:
        component = self.resolve_serializer(ErrorsSerializer, "response")
        response: dict[str, Any] = {
            "description": DESCRIPTIONS[status],
            "content": {"application/json": {"schema": component.ref}},
        }
        if status in _ALWAYS_RETRYABLE:
            response["headers"] = {"Retry-After": {**_SECONDS, "required": True}}
        elif status == "409":
            response["headers"] = {"Retry-After": _SECONDS}
        return response
