"""Reading and showing accounts, sign-ins and tokens."""

from typing import Any, Final

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError as DjangoValidationError
from rest_framework import serializers

from sign_s3.api.fields import StrictCharField, StrictEmailField
from sign_s3.api.serializers import UploadModelSerializer
from users.authentication import caller
from users.models import (
    MAX_EMAIL_LENGTH,
    MAX_NICKNAME_LENGTH,
    SignIn,
    User,
    validate_ascii,
    validate_nickname,
)
from users.tokens import MAX_TOKEN_LENGTH

#: Longer ones are refused before they cost a hash.
MAX_PASSWORD_LENGTH: Final = 128
#: Django's reset tokens have 39 characters, ids 22.
MAX_RESET_LENGTH: Final = 100


class PasswordField(StrictCharField):
    """A password as it was typed. Which ones are good is said by `check_new_password`."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            max_length=MAX_PASSWORD_LENGTH, trim_whitespace=False, write_only=True, **kwargs
        )


class NicknameField(StrictCharField):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=MAX_NICKNAME_LENGTH, validators=[validate_nickname], **kwargs)


def check_new_password(password: str, *, user: User, attr: str) -> None:
    """Ask the configured validators; a 400 on `attr` with their codes."""
    try:
        validate_password(password, user=user)
    except DjangoValidationError as exc:
        detail = serializers.as_serializer_error(exc)
        raise serializers.ValidationError({attr: detail["non_field_errors"]}) from exc


class ImageUrlSerializer(serializers.Serializer[User]):
    """Where the profile picture can be read; the address is signed and ends in time."""

    profile_image_url = serializers.SerializerMethodField()

    def get_profile_image_url(self, user: User) -> str | None:
        return user.profile_image.url if user.profile_image else None


class ProfileSerializer(ImageUrlSerializer, serializers.ModelSerializer[User]):
    """What anybody may see of an account."""

    class Meta:
        model = User
        fields = ["id", "nickname", "profile_image_url", "created_at"]
        read_only_fields = fields


class UserSerializer(ImageUrlSerializer, UploadModelSerializer):
    """An account as its owner sees and changes it."""

    nickname = NicknameField()

    class Meta:
        model = User
        fields = ["id", "email", "nickname", "profile_image", "profile_image_url", "created_at"]
        read_only_fields = ["email", "created_at"]


class SignUpSerializer(serializers.Serializer[Any]):
    """``POST /users/``"""

    email = StrictEmailField(max_length=MAX_EMAIL_LENGTH, validators=[validate_ascii])
    password = PasswordField()
    nickname = NicknameField()

    def validate_email(self, email: str) -> str:
        return User.objects.normalize_email(email)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        would_be = User(email=attrs["email"], nickname=attrs["nickname"])
        check_new_password(attrs["password"], user=would_be, attr="password")
        return attrs


class CredentialsSerializer(serializers.Serializer[Any]):
    """``POST /auth/token/``"""

    email = StrictCharField(max_length=MAX_EMAIL_LENGTH)
    password = PasswordField()


class RefreshSerializer(serializers.Serializer[Any]):
    """``POST /auth/token/refresh/`` and ``/auth/token/revoke/``"""

    refresh = StrictCharField(max_length=MAX_TOKEN_LENGTH)


class TokenPairSerializer(serializers.Serializer[Any]):
    """What a sign-in is given."""

    access = serializers.CharField()
    refresh = serializers.CharField()


class PasswordChangeSerializer(serializers.Serializer[Any]):
    """``POST /auth/password/``; the context holds the request."""

    default_error_messages = {"incorrect": "This is not your password."}

    old = PasswordField()
    new = PasswordField()

    def validate_old(self, old: str) -> str:
        if not self._user.check_password(old):
            self.fail("incorrect")
        return old

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        check_new_password(attrs["new"], user=self._user, attr="new")
        return attrs

    @property
    def _user(self) -> User:
        return caller(self.context["request"])[0]


class ResetSerializer(serializers.Serializer[Any]):
    """``POST /auth/password/reset/``"""

    email = StrictEmailField(max_length=MAX_EMAIL_LENGTH)


class ResetConfirmSerializer(serializers.Serializer[Any]):
    """``POST /auth/password/reset/confirm/``"""

    uid = StrictCharField(max_length=MAX_RESET_LENGTH)
    token = StrictCharField(max_length=MAX_RESET_LENGTH)
    new = PasswordField()


class SignInSerializer(serializers.ModelSerializer[SignIn]):
    """One sign-in in its owner's list; `current` marks the one that asks."""

    current = serializers.SerializerMethodField()

    class Meta:
        model = SignIn
        fields = ["id", "device", "created_at", "refreshed_at", "expires_at", "current"]
        read_only_fields = fields

    def get_current(self, sign_in: SignIn) -> bool:
        return caller(self.context["request"])[1].sign_in_id == sign_in.pk
