"""What the OpenAPI document says beyond the views: how to authenticate, and every error."""

from typing import Any, Final

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.plumbing import build_bearer_security_scheme_object
from drf_standardized_errors import openapi
from drf_standardized_errors.openapi_serializers import ClientErrorEnum, ServerErrorEnum
from rest_framework import serializers

from sign_s3.api.parsers import CODES

#: Methods whose requests have a body that is parsed.
WITH_BODY: Final = frozenset({"POST", "PUT", "PATCH", "DELETE"})


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


class AnyErrorSerializer(serializers.Serializer[Any]):
    code = serializers.CharField()
    detail = serializers.CharField()
    attr = serializers.CharField(allow_null=True)


class UnreadableBodySerializer(AnyErrorSerializer):
    code = serializers.ChoiceField(choices=[*CODES, "parse_error"])  # type: ignore[assignment]


class UnreadableBodyResponseSerializer(serializers.Serializer[Any]):
    type = serializers.ChoiceField(choices=ClientErrorEnum.choices)
    errors = UnreadableBodySerializer(many=True)  # type: ignore[assignment]


class ClientErrorResponseSerializer(serializers.Serializer[Any]):
    """409 and 413."""

    type = serializers.ChoiceField(choices=ClientErrorEnum.choices)
    errors = AnyErrorSerializer(many=True)  # type: ignore[assignment]


class ServerErrorResponseSerializer(serializers.Serializer[Any]):
    """503"""

    type = serializers.ChoiceField(choices=ServerErrorEnum.choices)
    errors = AnyErrorSerializer(many=True)  # type: ignore[assignment]


class AutoSchema(openapi.AutoSchema):
    """drf-standardized-errors' schema, which knows DRF's own parser and statuses alone."""

    def _should_add_error_response(self, responses: dict[str, Any], status_code: str) -> bool:
        if status_code in {"409", "413"} and self.method not in WITH_BODY:
            return False
        added: bool = super()._should_add_error_response(responses, status_code)
        return added

    def _should_add_parse_error_response(self) -> bool:
        return self.method in WITH_BODY

    def _get_http400_serializer(self) -> Any:
        answers: Any = super()._get_http400_serializer()
        if ClientErrorEnum.CLIENT_ERROR.value in answers.serializers:
            answers.serializers[ClientErrorEnum.CLIENT_ERROR.value] = (
                UnreadableBodyResponseSerializer
            )
        return answers
