"""``/users/``: signing up, one's own account, and other people's profiles."""

from django.shortcuts import get_object_or_404
from rest_framework import serializers, status
from rest_framework.generics import RetrieveAPIView
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from sign_s3.api.documentation import documented
from sign_s3.api.throttling import SignUpThrottle
from users.authentication import caller
from users.models import User
from users.serializers import ProfileSerializer, SignUpSerializer, UserSerializer
from users.services.accounts import EmailTaken, delete_account, sign_up


class SignUpView(APIView):
    """Open an account."""

    authentication_classes = []
    permission_classes = [AllowAny]
    throttle_classes = [SignUpThrottle]

    @documented(request=SignUpSerializer, responses={201: UserSerializer})
    def post(self, request: Request) -> Response:
        form = SignUpSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        try:
            user = sign_up(**form.validated_data)
        except EmailTaken as exc:
            taken = serializers.ErrorDetail("This email is taken.", "unique")
            raise serializers.ValidationError({"email": [taken]}) from exc
        user.refresh_from_db(fields=["created_at"])
        return Response(UserSerializer(user).data, status=status.HTTP_201_CREATED)


class MeView(APIView):
    """The caller's own account."""

    @documented(responses=UserSerializer)
    def get(self, request: Request) -> Response:
        return Response(UserSerializer(request.user).data)

    @documented(request=UserSerializer(partial=True), responses=UserSerializer)
    def patch(self, request: Request) -> Response:
        form = UserSerializer(
            request.user, data=request.data, partial=True, context={"request": request}
        )
        form.is_valid(raise_exception=True)
        form.save()
        return Response(form.data)

    @documented(responses={204: None})
    def delete(self, request: Request) -> Response:
        user, _ = caller(request)
        delete_account(user_id=user.pk)
        return Response(status=status.HTTP_204_NO_CONTENT)


class ProfileView(RetrieveAPIView[User]):
    """The public profile of an account."""

    permission_classes = [AllowAny]
    serializer_class = ProfileSerializer
    queryset = User.objects.filter(is_active=True)

    def get_object(self) -> User:
        return get_object_or_404(self.get_queryset(), pk=self.kwargs["id"])
