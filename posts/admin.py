from django.contrib import admin

from posts.models import Post, PostImage


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
