"""Accounts, the sign-ins of an account, and the people an outside issuer vouches for.

User ──┬── SignIn            one row per sign-in with this service's own tokens
       └── OutsideIdentity   one row per (issuer, subject) of another issuer's tokens
"""

import unicodedata
from typing import Any, ClassVar

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.db.models.functions import Lower, Now
from django.db.models.signals import pre_delete
from django.dispatch import receiver

from sign_s3.destinations import IMAGES, MIB, Destination
from sign_s3.fields import UploadField
from sign_s3.keys import ID_LENGTH, new_id

MAX_NICKNAME_LENGTH = 40
#: RFC 5321's longest path, less its brackets.
MAX_EMAIL_LENGTH = 254
#: Unicode categories that have no place in a name shown to others: controls, surrogates, private
#: and unassigned code points, line and paragraph separators.
_UNPRINTABLE = frozenset({"Cc", "Cs", "Co", "Cn", "Zl", "Zp"})
#: Marks that make the text around them run backwards (Unicode Technical Report 36, "Bidirectional
#: Text Spoofing").
_BIDI_MARKS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def validate_nickname(value: str) -> None:
    """One line of printable text."""
    if any(unicodedata.category(c) in _UNPRINTABLE or c in _BIDI_MARKS for c in value):
        raise ValidationError("Use printable characters only.", code="unprintable")


def validate_ascii(value: str) -> None:
    """ASCII alone: case and look-alikes of other letters differ between databases and mail servers
    (Django's CVE-2019-19844). An international domain can be written in Punycode.
    """
    if not value.isascii():
        raise ValidationError("Use ASCII characters only.", code="not_ascii")


class UserManager(BaseUserManager["User"]):
    """Finds users by their normalised email and creates them with a hashed password."""

    @classmethod
    def normalize_email(cls, email: str | None) -> str:
        """The one spelling an address is stored and looked up by."""
        return (email or "").strip().lower()

    def get_by_natural_key(self, username: str | None) -> "User":
        return self.get(email=self.normalize_email(username))

    def create_user(
        self, *, email: str | None, password: str | None = None, nickname: str, **fields: Any
    ) -> "User":
        """An account; without a password nobody can sign in to it with one."""
        address = self.normalize_email(email) or None
        user = self.model(email=address, nickname=nickname, **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, *, email: str, password: str, nickname: str) -> "User":
        """An account for the admin site, as ``manage.py createsuperuser`` makes it."""
        return self.create_user(
            email=email, password=password, nickname=nickname, is_staff=True, is_superuser=True
        )


class User(AbstractBaseUser, PermissionsMixin):
    """An account. Signs in with its email; other users see its nickname and picture."""

    id = models.CharField(primary_key=True, max_length=ID_LENGTH, default=new_id, editable=False)
    #: Null for a person of an outside issuer that vouches for no address of theirs.
    email = models.EmailField(  # noqa: DJ001
        null=True, max_length=MAX_EMAIL_LENGTH, validators=[validate_ascii]
    )
    nickname = models.CharField(max_length=MAX_NICKNAME_LENGTH, validators=[validate_nickname])
    profile_image = UploadField(
        destination=Destination(
            path="images/users/profiles/profile_", types=IMAGES, max_size=10 * MIB
        ),
        blank=True,
    )
    is_active = models.BooleanField(default=True)
    is_staff = models.BooleanField(default=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    #: The sign-ins say when an account was last used.
    last_login = None

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = ["nickname"]

    objects = UserManager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["email"],
                name="user_email_once",
                violation_error_code="unique",
                violation_error_message="This email is taken.",
            ),
            # Together with the one above: unique whatever the case.
            models.CheckConstraint(
                name="user_email_lower_case", condition=models.Q(email=Lower("email"))
            ),
        ]

    def __str__(self) -> str:
        return self.nickname

    def clean(self) -> None:
        self.email = type(self).objects.normalize_email(self.email) or None

    @transaction.atomic
    def save(self, *args: Any, **kwargs: Any) -> None:
        """A save that changes the password ends the sign-ins, whoever changed it."""
        # Set by `set_password` until it is saved; a hash that is merely upgraded leaves it None.
        raw_password: str | None = self._password  # type: ignore[attr-defined]
        changed = raw_password is not None and not self._state.adding
        super().save(*args, **kwargs)
        if changed:
            self.sign_ins.all().delete()


class SignIn(models.Model):
    """One sign-in on one device. Its row is what makes the tokens given out for it valid.

    `refresh_id` is the id of the one refresh token that may be used next. Refreshing replaces it by
    an UPDATE on the condition that it is still the one presented, so of several who present the
    same token one succeeds.
    """

    id = models.CharField(primary_key=True, max_length=ID_LENGTH, default=new_id, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="sign_ins")
    refresh_id = models.CharField(max_length=ID_LENGTH, default=new_id)
    #: The User-Agent of the device, so that the user recognises it in the list.
    device = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(db_default=Now())
    refreshed_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(name="signin_expires", fields=["expires_at"])]

    def __str__(self) -> str:
        return f"{self.user_id} since {self.created_at:%Y-%m-%d %H:%M}"


class OutsideIdentity(models.Model):
    """A person as another issuer names them, and the account they use here.

    The row outlives the account, so that a token from before its deletion does not bring it back.
    """

    #: The account's id, derived from issuer and subject; signing needs no look-up that way.
    id = models.CharField(primary_key=True, max_length=ID_LENGTH, editable=False)
    issuer = models.CharField(max_length=255)
    subject = models.CharField(max_length=255)
    user = models.OneToOneField(
        User, null=True, on_delete=models.SET_NULL, related_name="outside_identity"
    )
    #: Tokens issued until then are refused.
    not_before = models.DateTimeField(null=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name_plural = "outside identities"
        constraints = [
            models.UniqueConstraint(
                fields=["issuer", "subject"], name="outsideidentity_subject_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.subject} at {self.issuer}"


@receiver(pre_delete, sender=User)
def refuse_tokens_from_before(*, instance: User, **_: object) -> None:
    """However an account is deleted, an outside issuer's token from before does not reopen it."""
    OutsideIdentity.objects.filter(user=instance).update(not_before=Now())
