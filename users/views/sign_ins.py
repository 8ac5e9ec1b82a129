"""``/auth/token/`` and ``/auth/sign-ins/``."""

from dataclasses import asdict

from drf_spectacular.utils import OpenApiResponse
from rest_framework import exceptions, status
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from sign_s3.api.documentation import documented
from sign_s3.api.throttling import TokenAccountThrottle, TokenAddressThrottle
from users.authentication import caller
from users.models import SignIn
from users.serializers import (
    CredentialsSerializer,
    RefreshSerializer,
    SignInSerializer,
    TokenPairSerializer,
)
from users.services.sign_ins import InvalidCredentials, SignInOver, end, refresh, revoke, sign_in
from users.tokens import InvalidToken


class _TokenView(APIView):
    """Takes its proof in the body, so a stale Authorization header does no harm."""

    authentication_classes = []
    permission_classes = [AllowAny]

    def get_authenticate_header(self, request: Request) -> str:
        # REST framework turns a 401 into a 403 where there is no authentication class to name.
        return "Bearer"


class TokenView(_TokenView):
    """Sign in."""

    throttle_classes = [TokenAddressThrottle, TokenAccountThrottle]

    @documented(request=CredentialsSerializer, responses=TokenPairSerializer)
    def post(self, request: Request) -> Response:
        form = CredentialsSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        device = request.META.get("HTTP_USER_AGENT", "")
        try:
            pair = sign_in(**form.validated_data, device=device)
        except InvalidCredentials as exc:
            raise exceptions.AuthenticationFailed(
                "No active account has this email and password.", code="invalid_credentials"
            ) from exc
        return Response(asdict(pair))


class RefreshView(_TokenView):
    """Exchange a refresh token for a new pair, once."""

    @documented(request=RefreshSerializer, responses=TokenPairSerializer)
    def post(self, request: Request) -> Response:
        form = RefreshSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        try:
            pair = refresh(token=form.validated_data["refresh"])
        except (InvalidToken, SignInOver) as exc:
            raise _refused() from exc
        return Response(asdict(pair))


class RevokeView(_TokenView):
    """End the sign-in of a refresh token."""

    @documented(request=RefreshSerializer, responses={200: OpenApiResponse()})
    def post(self, request: Request) -> Response:
        form = RefreshSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        try:
            revoke(token=form.validated_data["refresh"])
        except InvalidToken as exc:
            raise _refused() from exc
        return Response({})


class SignInsView(APIView):
    """The caller's sign-ins, the newest first."""

    @documented(responses=SignInSerializer(many=True))
    def get(self, request: Request) -> Response:
        user, _ = caller(request)
        sign_ins = SignIn.objects.filter(user=user).order_by("-created_at", "pk")
        return Response(SignInSerializer(sign_ins, many=True, context={"request": request}).data)


class SignInView(APIView):
    """One of the caller's sign-ins."""

    @documented(responses={204: None})
    def delete(self, request: Request, id: str) -> Response:  # noqa: A002
        user, _ = caller(request)
        if not end(user_id=user.pk, sign_in_id=id):
            raise exceptions.NotFound
        return Response(status=status.HTTP_204_NO_CONTENT)


def _refused() -> exceptions.AuthenticationFailed:
    return exceptions.AuthenticationFailed(
        "This refresh token is not valid, or was used before.", code="token_not_valid"
    )
