"""Accounts, their sign-ins and outside identities in the admin.

The stubs' generic admin classes and forms take no arguments at run time, hence the ignores.
"""

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as StockUserAdmin
from django.contrib.auth.forms import AdminUserCreationForm, UserChangeForm
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest

from users.models import OutsideIdentity, SignIn, User
from users.services.accounts import lock_accounts


class UserCreation(AdminUserCreationForm):  # type: ignore[type-arg]
    class Meta:
        model = User
        fields = ["email", "nickname"]
        field_classes: dict[str, type] = {}


class UserChange(UserChangeForm):  # type: ignore[type-arg]
    class Meta:
        model = User
        fields = "__all__"
        field_classes: dict[str, type] = {}


class SignInInline(admin.TabularInline):  # type: ignore[type-arg]
    """Seen and ended here, opened only by signing in."""

    model = SignIn
    extra = 0
    fields = ["device", "created_at", "refreshed_at", "expires_at"]
    readonly_fields = ["device", "created_at", "refreshed_at", "expires_at"]

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(User)
class UserAdmin(StockUserAdmin):  # type: ignore[type-arg]
    form = UserChange
    add_form = UserCreation
    ordering = ["-created_at"]
    list_display = ["nickname", "email", "is_active", "is_staff", "created_at"]
    list_filter = ["is_active", "is_staff", "is_superuser", "groups"]
    search_fields = ["id", "email", "nickname"]
    readonly_fields = ["id", "created_at"]
    fieldsets = [
        (None, {"fields": ["id", "email", "password"]}),
        ("Profile", {"fields": ["nickname", "profile_image", "created_at"]}),
        (
            "Permissions",
            {"fields": ["is_active", "is_staff", "is_superuser", "groups", "user_permissions"]},
        ),
    ]
    add_fieldsets = [
        (
            None,
            {
                "classes": ["wide"],
                "fields": ["email", "nickname", "usable_password", "password1", "password2"],
            },
        )
    ]

    @transaction.atomic
    def delete_model(self, request: HttpRequest, obj: User) -> None:
        lock_accounts([obj.pk], to_delete=True)
        super().delete_model(request, obj)

    @transaction.atomic
    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        lock_accounts(queryset.values_list("pk", flat=True), to_delete=True)
        super().delete_queryset(request, queryset)

    def get_inlines(self, request: HttpRequest, obj: Any) -> list[Any]:
        return [SignInInline] if obj else []


@admin.register(OutsideIdentity)
class OutsideIdentityAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """To be looked at: the row says whose an account is, and which tokens no longer count."""

    list_display = ["subject", "issuer", "user", "not_before", "created_at"]
    list_filter = ["issuer"]
    search_fields = ["id", "subject", "user__email", "user__nickname"]
    readonly_fields = ["id", "issuer", "subject", "user", "not_before", "created_at"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
