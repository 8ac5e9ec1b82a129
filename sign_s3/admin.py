"""The ledger in the admin, to look at: rows change by attaching, releasing and sweeping alone."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.defaultfilters import filesizeformat

from sign_s3.keys import MEDIA_PREFIX
from sign_s3.models import MediaObject


@admin.register(MediaObject)
class MediaObjectAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Read-only. Found by the beginning of a key, with or without the media prefix, or an owner."""

    list_display = ("key", "state", "owner", "file_size", "content_type", "due_at", "attempts")
    list_filter = ("state", "attached_at", "due_at")
    search_fields = ("key__startswith", "owner__exact")
    search_help_text = "The beginning of a key, or an owner's id"
    ordering = ("-id",)
    # Counting a large table takes longer than showing a page of it.
    show_full_result_count = False

    @admin.display(description="size", ordering="size")
    def file_size(self, row: MediaObject) -> str:
        return filesizeformat(row.size)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[MediaObject], search_term: str
    ) -> tuple[QuerySet[MediaObject], bool]:
        return super().get_search_results(
            request, queryset, search_term.strip().removeprefix(MEDIA_PREFIX)
        )

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: MediaObject | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: MediaObject | None = None) -> bool:
        return False
