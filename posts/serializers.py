"""Posts on the wire."""

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
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


#: The columns of a post and its author that are shown, as a queryset's ``values`` takes them.
SHOWN: Final = (
    *("id", "caption", "visibility", "video", "created_at", "updated_at"),
    *("author_id", "author__nickname", "author__profile_image"),
)
#: One row of those.
Row = Mapping[str, Any]

PORTRAIT: Final[UploadField] = User._meta.get_field("profile_image")
PICTURE: Final[UploadField] = PostImage._meta.get_field("image")
FILM: Final[UploadField] = Post._meta.get_field("video")


@dataclass(frozen=True)
class Files:
    """The files of some posts: their pictures' keys by post, in order, facts and URLs by key."""

    pictures: Mapping[str, Sequence[str]]
    facts: Mapping[str, Facts]

    # What is asked for these needs credentials, so only where there is a file.
    @functools.cached_property
    def portrait_url(self) -> Callable[[str], str]:
        return PORTRAIT.link()

    @functools.cached_property
    def picture_url(self) -> Callable[[str], str]:
        return PICTURE.link()

    @functools.cached_property
    def film_url(self) -> Callable[[str], str]:
        return FILM.link()


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
    """A page of posts, given as rows, their files looked up together."""

    def to_representation(self, data: Any) -> list[Any]:
        rows = list(data)
        files = files_of(rows)
        return [show_row(row, files) for row in rows]


class ShownPostSerializer(serializers.Serializer[Any]):
    """A post as everybody reads it. The fields are for the schema; `show_row` fills them."""

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
        return show_post(instance)


def files_of(posts: Sequence[Row]) -> Files:
    """Look the posts' files up together: two queries, however many there are.

    As plain rows, since making model instances of them would take half of the feed's time.
    """
    pictures: dict[str, list[str]] = {post["id"]: [] for post in posts}
    rows = (
        PostImage.objects.filter(post__id__among=pictures)
        .exclude(image=None)
        .values_list("post_id", "image")
    )
    for post_id, key in rows:
        pictures[post_id].append(key)
    keys = {key for those in pictures.values() for key in those}
    keys.update(post["video"] for post in posts if post["video"])
    known = MediaObject.objects.filter(key__among=keys).values("key", *Facts.__annotations__)
    facts = {row.pop("key"): cast("Facts", row) for row in known}
    return Files(pictures, facts)


def show_post(post: Post, files: Files | None = None) -> dict[str, Any]:
    """One post as `ShownPostSerializer` declares it; its files are looked up unless given."""
    row = {
        "id": post.pk,
        "caption": post.caption,
        "visibility": post.visibility,
        "video": post.video.name,
        "created_at": post.created_at,
        "updated_at": post.updated_at,
        "author_id": post.author_id,
        "author__nickname": post.author.nickname,
        "author__profile_image": post.author.profile_image.name,
    }
    return show_row(row, files or files_of([row]))


def show_row(post: Row, files: Files) -> dict[str, Any]:
    """A row of `SHOWN` as `ShownPostSerializer` declares it.

    By hand, since a feed is read far more often than anything else here is done: REST framework's
    fields take five times as long for the same answer.
    """
    portrait, film, facts = post["author__profile_image"], post["video"], files.facts
    return {
        "id": post["id"],
        "author": {
            "id": post["author_id"],
            "nickname": post["author__nickname"],
            "profile_image_url": files.portrait_url(portrait) if portrait else None,
        },
        "caption": post["caption"],
        "album": None,
        "visibility": post["visibility"],
        "images": [show_file(key, files.picture_url, facts) for key in files.pictures[post["id"]]],
        "video": show_file(film, files.film_url, facts) if film else None,
        "created_at": post["created_at"],
        "updated_at": post["updated_at"],
    }


def show_file(key: str, url: Callable[[str], str], facts: Mapping[str, Facts]) -> dict[str, Any]:
    """A file as `FileSerializer` declares it."""
    return {"key": key, "url": url(key), **facts.get(key, UNKNOWN), "thumbnails": {}}


class PostSerializer(UploadModelSerializer):
    """A post as its author writes it: keys in, files out."""

    #: Those of a post just made, which nobody has to look up.
    files: Files | None = None

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
        # Locked, so that an account cannot go while a post of its appears; and as it is now, since
        # copying a film took a while.
        authors = User.objects.select_for_update(no_key=True).filter(pk=author_id)
        author = next(iter(authors.only("nickname", "profile_image")), None)
        if author is None:
            raise NotAuthenticated
        post = Post.objects.create(author=author, **validated_data)
        PostImage.objects.bulk_create(
            PostImage(post=post, position=place, image=key) for place, key in enumerate(keys)
        )
        facts = {
            key: Facts(
                content_type=item.content_type,
                size=item.size,
                width=item.width,
                height=item.height,
            )
            for key, item in self.attached.items()
        }
        self.files = Files({post.pk: keys}, facts)
        return post

    def update(self, instance: Post, validated_data: dict[str, Any]) -> Post:
        keys = validated_data.pop("images", None)
        if keys is not None and self.current_keys(instance) - self.held:
            raise changed_meanwhile()  # the list would drop a picture its sender never saw
        post = super().update(instance, validated_data)
        if keys is not None:
            self._arrange(post, keys)
        return Post.objects.select_related("author").get(pk=post.pk)

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

    def to_representation(self, instance: Post) -> dict[str, Any]:
        return show_post(instance, self.files)
