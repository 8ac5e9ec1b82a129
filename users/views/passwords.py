"""``/auth/password/``: changing a password, and resetting one that was forgotten."""

from collections.abc import Callable
from typing import Any

from rest_framework import serializers, status
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from sign_s3.api.documentation import documented
from sign_s3.api.throttling import PasswordResetThrottle, TokenAddressThrottle
from users.authentication import caller
from users.serializers import (
    PasswordChangeSerializer,
    ResetConfirmSerializer,
    ResetSerializer,
    check_new_password,
)
from users.services.passwords import (
    PasswordChangedMeanwhile,
    change_password,
    send_reset,
    user_of_reset,
)
from users.throttling import PasswordThrottle, ResetAccountThrottle


class PasswordView(APIView):
    """Change the password; every other sign-in is over."""

    throttle_classes = [PasswordThrottle]

    @documented(request=PasswordChangeSerializer, responses={204: None})
    def post(self, request: Request) -> Response:
        form = PasswordChangeSerializer(data=request.data, context={"request": request})
        form.is_valid(raise_exception=True)
        user, access = caller(request)
        try:
            change_password(
                user=user, new=form.validated_data["new"], keep_sign_in=access.sign_in_id
            )
        except PasswordChangedMeanwhile as exc:
            raise _refused("old", "incorrect", "This is not your password.") from exc
        return Response(status=status.HTTP_204_NO_CONTENT)


class ResetView(APIView):
    """Have a reset link sent. The answer is the same, and as quick, for an unknown email."""

    authentication_classes = []
    permission_classes = [AllowAny]
    throttle_classes = [PasswordResetThrottle, ResetAccountThrottle]

    @documented(request=ResetSerializer, responses={204: None})
    def post(self, request: Request) -> Response:
        form = ResetSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        email = form.validated_data["email"]
        return AnsweredFirst(lambda: send_reset(email=email), status=status.HTTP_204_NO_CONTENT)


class ResetConfirmView(APIView):
    """Set a new password by a reset link; every sign-in is over."""

    authentication_classes = []
    permission_classes = [AllowAny]
    throttle_classes = [TokenAddressThrottle]

    @documented(request=ResetConfirmSerializer, responses={204: None})
    def post(self, request: Request) -> Response:
        form = ResetConfirmSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        given = form.validated_data
        used = _refused("token", "token_not_valid", "This link is not valid, or was used before.")
        user = user_of_reset(uid=given["uid"], token=given["token"])
        if user is None:
            raise used
        check_new_password(given["new"], user=user, attr="new")
        try:
            change_password(user=user, new=given["new"])
        except PasswordChangedMeanwhile as exc:
            raise used from exc
        return Response(status=status.HTTP_204_NO_CONTENT)


class AnsweredFirst(Response):
    """Does something once the server has sent the answer, so that its duration tells nothing.

    A WSGI server calls ``close()`` after it is done with the body (PEP 3333).
    """

    def __init__(self, then: Callable[[], None], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._then = then

    def close(self) -> None:
        try:
            self._then()
        finally:
            super().close()


def _refused(attr: str, code: str, detail: str) -> serializers.ValidationError:
    return serializers.ValidationError({attr: [serializers.ErrorDetail(detail, code)]})
