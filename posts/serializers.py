"""Posts on the wire."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypedDict, cast

from rest_framework import serializers
from rest_framework.exceptions import NotAuthenticated

from posts.models import MAX_CAPTION_LENGTH, MAX_IMAGES, PICTURES, Post, PostImage, Visibility
from sign_s3.api.fields import StrictCharField
from sign_s3.api.serializers import (
    UploadKeyField,
    UploadModelSerializer,
    changed_meanwhile,
)
from sign_s3.fields import UploadField
from sign_s3.models import MediaObject
from users.models import User


class Facts(TypedDict):
    """What the ledger knows of a file, as it is shown."""

    content_type: str
    size: int
    width: int | None
    height: int | None


#: Of a file whose row is gone, which only an audit can explain.
UNKNOWN: Final = Facts(content_type="application/octet-stream", size=0, width=None, height=None)


@dataclass(frozen=True, slots=True)
class Files:
    """The files of some posts: their pictures' keys by post, in order, and facts by key."""

    pictures: Mapping[str, Sequence[str]]
    facts: Mapping[str, Facts]


class AuthorSerializer(serializers.Serializer[Any]):
    """A post's author, as everybody sees them."""

    id = serializers.CharField()
    nickname = serializers.CharField()
    profile_image_url = serializers.URLField(allow_null=True)


class FileSerializer(serializers.Serializer[Any]):
    """A file as clients show it. Sizes are bytes and pixels; videos have no pixels here."""

    key = serializers.CharField()
    url = serializers.URLField()
    content_type = serializers.CharField()
    size = serializers.IntegerField()
    width = serializers.IntegerField(allow_null=True)
    height = serializers.IntegerField(allow_null=True)
    thumbnails = serializers.DictField(child=serializers.URLField())


class ShownPostsSerializer(serializers.ListSerializer[Any]):
    """A page of posts, its files looked up together."""

    def to_representation(self, data: Any) -> list[Any]:
        posts = list(data)
        files = files_of(posts)
        return [show_post(post, files) for post in posts]


class ShownPostSerializer(serializers.Serializer[Any]):
    """A post as everybody reads it. The fields are for the schema; `show_post` fills them."""

    id = serializers.CharField()
    author = AuthorSerializer()
    caption = serializers.CharField()
    album = serializers.CharField(allow_null=True)
    visibility = serializers.ChoiceField(choices=Visibility.choices)
    images = FileSerializer(many=True)
    video = FileSerializer(allow_null=True)
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()

    class Meta:
        list_serializer_class = ShownPostsSerializer

    def to_representation(self, instance: Post) -> dict[str, Any]:
        return show_post(instance, files_of([instance]))


def files_of(posts: Sequence[Post]) -> Files:
    """Look the posts' files up together: two queries, however many there are.

    As plain rows, since making model instances of them would take half of the feed's time.
    """
    pictures: dict[str, list[str]] = {post.pk: [] for post in posts}
    rows = (
        PostImage.objects.filter(post__in=pictures)
        .exclude(image=None)
        .values_list("post_id", "image")
    )
    for post_id, key in rows:
        pictures[post_id].append(key)
    keys = [key for those in pictures.values() for key in those]
    keys += [str(post.video) for post in posts if post.video]
    known = MediaObject.objects.filter(key__in=keys).values("key", *Facts.__annotations__)
    return Files(pictures, {row.pop("key"): cast("Facts", row) for row in known})


def show_post(post: Post, files: Files) -> dict[str, Any]:
    """A post as `ShownPostSerializer` declares it.

    By hand, since a feed is read far more often than anything else here is done: REST framework's
    fields take five times as long for the same answer.
    """
    author, facts = post.author, files.facts
    picture: UploadField = PostImage._meta.get_field("image")
    film: UploadField = Post._meta.get_field("video")
    return {
        "id": post.pk,
        "author": {
            "id": author.pk,
            "nickname": author.nickname,
            "profile_image_url": author.profile_image.url if author.profile_image else None,
        },
        "caption": post.caption,
        "album": None,
        "visibility": post.visibility,
        "images": [show_file(picture, key, facts) for key in files.pictures[post.pk]],
        "video": show_file(film, str(post.video), facts) if post.video else None,
        "created_at": _timestamp(post.created_at),
        "updated_at": _timestamp(post.updated_at),
    }


def show_file(field: UploadField, key: str, facts: Mapping[str, Facts]) -> dict[str, Any]:
    """A file as `FileSerializer` declares it."""
    return {"key": key, "url": field.url(key), **facts.get(key, UNKNOWN), "thumbnails": {}}


def _timestamp(time: datetime) -> str:
    return time.isoformat().replace("+00:00", "Z")


class PostSerializer(UploadModelSerializer):
    """A post as its author writes it: keys in, files out."""

    caption = StrictCharField(max_length=MAX_CAPTION_LENGTH, allow_blank=True, default="")
    visibility = serializers.ChoiceField(choices=Visibility.choices, default=Visibility.PUBLIC)
    images = serializers.ListField(
        child=UploadKeyField(destination=PICTURES),
        max_length=MAX_IMAGES,
        default=list,
    )

    class Meta:
        model = Post
        fields = ["caption", "visibility", "images", "video"]

    def current_keys(self, instance: Post) -> set[str]:
        pictures = PostImage.objects.filter(post=instance)
        return super().current_keys(instance) | {str(row.image) for row in pictures}

    def locked(self, instance: Post) -> Post | None:
        return Post.objects.locked(instance)

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
        if keys is not None and self.current_keys(instance) - self.held:
            raise changed_meanwhile()  # the list would drop a picture its sender never saw
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
        return Post.objects.select_related("author").get(pk=post.pk)

    def to_representation(self, instance: Post) -> dict[str, Any]:
        return show_post(instance, files_of([instance]))
