"""The feed as REST framework's guide writes one: nested model serializers, prefetched relations."""

from typing import Any

from django.urls import path
from rest_framework import serializers
from rest_framework.generics import ListAPIView
from rest_framework.pagination import CursorPagination

from posts.models import Post, PostImage
from sign_s3.models import MediaObject
from users.models import User


class AuthorSerializer(serializers.ModelSerializer[User]):
    profile_image_url = serializers.SerializerMethodField()

    class Meta:
        model = User
        fields = ["id", "nickname", "profile_image_url"]

    def get_profile_image_url(self, author: User) -> str | None:
        return author.profile_image.url if author.profile_image else None


class ImageSerializer(serializers.ModelSerializer[PostImage]):
    key = serializers.CharField(source="image.name")
    url = serializers.CharField(source="image.url")
    content_type = serializers.SerializerMethodField()
    size = serializers.SerializerMethodField()
    width = serializers.SerializerMethodField()
    height = serializers.SerializerMethodField()
    thumbnails = serializers.SerializerMethodField()

    class Meta:
        model = PostImage
        fields = ["key", "url", "content_type", "size", "width", "height", "thumbnails"]

    def file(self, row: PostImage) -> MediaObject:
        return self.context["files"][row.image.name]

    def get_content_type(self, row: PostImage) -> str:
        return self.file(row).content_type

    def get_size(self, row: PostImage) -> int:
        return self.file(row).size

    def get_width(self, row: PostImage) -> int | None:
        return self.file(row).width

    def get_height(self, row: PostImage) -> int | None:
        return self.file(row).height

    def get_thumbnails(self, row: PostImage) -> dict[str, str]:
        return {}


class PostSerializer(serializers.ModelSerializer[Post]):
    author = AuthorSerializer()
    album = serializers.ReadOnlyField(default=None)
    images = ImageSerializer(many=True)
    video = serializers.SerializerMethodField()

    class Meta:
        model = Post
        fields = [
            *("id", "author", "caption", "album", "visibility"),
            *("images", "video", "created_at", "updated_at"),
        ]

    def get_video(self, post: Post) -> None:
        return None


class NewestFirst(CursorPagination):
    ordering = ("-created_at", "-id")
    page_size = 100


class FeedView(ListAPIView[Post]):
    queryset = Post.objects.select_related("author").prefetch_related("images")
    serializer_class = PostSerializer
    pagination_class = NewestFirst
    permission_classes: list[Any] = []

    def paginate_queryset(self, queryset: Any) -> Any:
        page = super().paginate_queryset(queryset)
        keys = [row.image.name for post in page or [] for row in post.images.all()]
        self.files = MediaObject.objects.in_bulk(keys, field_name="key")
        return page

    def get_serializer_context(self) -> dict[str, Any]:
        return {**super().get_serializer_context(), "files": self.files}


urlpatterns = [path("posts/", FeedView.as_view())]
