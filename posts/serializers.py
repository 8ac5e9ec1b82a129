"""Posts on the wire."""

from collections.abc import Iterable
from typing import Any

from django.db import models
from rest_framework import serializers
from rest_framework.exceptions import NotAuthenticated

from posts.models import MAX_CAPTION_LENGTH, MAX_IMAGES, Post, PostImage, Visibility
from sign_s3.api.fields import StrictCharField
from sign_s3.api.serializers import UploadKeyField, UploadModelSerializer
from sign_s3.models import MediaObject
from users.models import User


class AuthorSerializer(serializers.ModelSerializer[User]):
    """A post's author, as everybody sees them."""

    profile_image_url = serializers.URLField(
        source="profile_image.url", default=None, allow_null=True
    )

    class Meta:
        model = User
        fields = ["id", "nickname", "profile_image_url"]


class MediaSerializer(serializers.Serializer[Any]):
    """A file as clients show it. Sizes are bytes and pixels; videos have no pixels here."""

    key = serializers.CharField()
    url = serializers.URLField()
    content_type = serializers.CharField()
    size = serializers.IntegerField()
    width = serializers.IntegerField(allow_null=True)
    height = serializers.IntegerField(allow_null=True)
    thumbnails = serializers.DictField(child=serializers.URLField())


class PostListSerializer(serializers.ListSerializer[Any]):
    """A page of posts, its files looked up together."""

    def to_representation(self, data: Any) -> list[Any]:
        posts = list(data.all() if isinstance(data, models.Manager) else data)
        look_up_files(self.context, posts)
        return super().to_representation(posts)


class PostSerializer(UploadModelSerializer):
    """A post: reads keys, shows files."""

    author = AuthorSerializer(read_only=True)
    caption = StrictCharField(max_length=MAX_CAPTION_LENGTH, allow_blank=True, default="")
    album = serializers.CharField(read_only=True, default=None)
    visibility = serializers.ChoiceField(choices=Visibility.choices, default=Visibility.PUBLIC)
    images = serializers.ListField(
        child=UploadKeyField(destination=PostImage._meta.get_field("image").destination),
        max_length=MAX_IMAGES,
        default=list,
        write_only=True,
    )

    class Meta:
        model = Post
        list_serializer_class = PostListSerializer
        fields = [
            "id", "author", "caption", "album", "visibility", "images", "video",
            "created_at", "updated_at",
        ]  # fmt: skip
        extra_kwargs = {"created_at": {"read_only": True}, "updated_at": {"read_only": True}}

    def current_keys(self, instance: Post) -> set[str]:
        return super().current_keys(instance) | {
            row.image.name for row in PostImage.objects.filter(post=instance)
        }

    def create(self, validated_data: dict[str, Any]) -> Post:
        keys = validated_data.pop("images")
        author_id = self.context["request"].user.pk
        # Locked, so that an account cannot go while a post of its appears.
        if not User.objects.select_for_update(no_key=True).filter(pk=author_id).exists():
            raise NotAuthenticated
        post = Post.objects.create(author_id=author_id, **validated_data)
        PostImage.objects.bulk_create(
            PostImage(post=post, position=place, image=key) for place, key in enumerate(keys)
        )
        return self._fresh(post)

    def update(self, instance: Post, validated_data: dict[str, Any]) -> Post:
        keys = validated_data.pop("images", None)
        post = super().update(instance, validated_data)
        if keys is not None:
            self._arrange(post, keys)
        return self._fresh(post)

    def _arrange(self, post: Post, keys: list[str]) -> None:
        """Rows that stay are moved and never remade: removing a row releases its file."""
        PostImage.objects.filter(post=post).exclude(image__in=keys).delete()
        staying = {row.image.name: row for row in PostImage.objects.filter(post=post)}
        for place, key in enumerate(keys):
            if key in staying:
                staying[key].position = place
        PostImage.objects.bulk_update(staying.values(), ["position"])
        PostImage.objects.bulk_create(
            PostImage(post=post, position=place, image=key)
            for place, key in enumerate(keys)
            if key not in staying
        )

    def _fresh(self, post: Post) -> Post:
        return Post.objects.select_related("author").prefetch_related("images").get(pk=post.pk)

    def to_representation(self, instance: Post) -> dict[str, Any]:
        if "files" not in self.context:
            look_up_files(self.context, [instance])
        shown = super().to_representation(instance)
        shown["images"] = [self._file(row.image) for row in instance.images.all()]
        shown["video"] = self._file(instance.video) if instance.video else None
        return {name: shown[name] for name in self.Meta.fields}

    def _file(self, file: Any) -> dict[str, Any]:
        row = self.context["files"].get(file.name)
        return {
            "key": file.name,
            "url": file.url,
            "content_type": row.content_type if row else None,
            "size": row.size if row else None,
            "width": row.width if row else None,
            "height": row.height if row else None,
            "thumbnails": {},
        }


def look_up_files(context: dict[str, Any], posts: Iterable[Post]) -> None:
    """Put what the ledger knows of the posts' files into a serializer's context, in one query."""
    keys = [row.image.name for post in posts for row in post.images.all()]
    keys += [post.video.name for post in posts if post.video]
    context["files"] = MediaObject.objects.in_bulk(keys, field_name="key")
