"""Posts in the admin, where the author's account is locked first as `PostQuerySet.locked` does."""

from typing import Any

from django.contrib import admin
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest

from posts.models import Post, PostImage
from users.services.accounts import lock_accounts


class PostImageInline(admin.TabularInline):  # type: ignore[type-arg]
    model = PostImage
    extra = 0
    max_num = 0
    readonly_fields = ["image"]


@admin.register(Post)
class PostAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ["id", "author", "caption", "visibility", "created_at"]
    list_select_related = ["author"]
    list_filter = ["visibility"]
    search_fields = ["caption", "author__nickname", "author__email"]
    date_hierarchy = "created_at"
    autocomplete_fields = ["author"]
    readonly_fields = ["video"]
    inlines = [PostImageInline]

    @transaction.atomic
    def save_model(self, request: HttpRequest, obj: Post, form: Any, change: bool) -> None:
        lock_accounts({form.initial.get("author", obj.author_id), obj.author_id})
        super().save_model(request, obj, form, change)

    @transaction.atomic
    def delete_model(self, request: HttpRequest, obj: Post) -> None:
        lock_accounts([obj.author_id])
        super().delete_model(request, obj)

    @transaction.atomic
    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Post]) -> None:
        lock_accounts(queryset.values_list("author", flat=True))
        super().delete_queryset(request, queryset)
