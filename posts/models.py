"""Posts: a caption, up to ten pictures in order, and a video.

Post ──── PostImage   one row a picture
"""

from django.conf import settings
from django.db import models
from django.db.models.functions import Now

from sign_s3.destinations import GIB, IMAGES, MIB, VIDEOS, Destination
from sign_s3.fields import UploadField
from sign_s3.keys import ID_LENGTH, new_id
from users.models import User

MAX_IMAGES = 10
MAX_CAPTION_LENGTH = 2200

PICTURES = Destination(path="images/posts/post_", types=IMAGES, max_size=20 * MIB)
FILMS = Destination(path="videos/posts/video_", types=VIDEOS, max_size=2 * GIB)


class Visibility(models.TextChoices):
    PUBLIC = "public"
    PRIVATE = "private"


class PostQuerySet(models.QuerySet["Post"]):
    def visible_to(self, user_id: str | None) -> "PostQuerySet":
        """Everybody's public posts and, for their author, the private ones."""
        return self.filter(models.Q(visibility=Visibility.PUBLIC) | models.Q(author_id=user_id))

    def locked(self, post: "Post") -> "Post | None":
        """The post as it is now, locked until the transaction ends; None if it is gone.

        Its author's account is locked before it. So whoever changes or deletes a post, and whoever
        deletes an account with all its posts, takes turns, and none waits for another in a circle.
        """
        authors = User.objects.select_for_update(no_key=True).filter(pk=post.author_id)
        return self.select_for_update().filter(pk=post.pk).first() if authors else None


class Post(models.Model):
    """What a user shows, to everybody or to nobody else."""

    id = models.CharField(primary_key=True, max_length=ID_LENGTH, default=new_id, editable=False)
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="posts"
    )
    caption = models.CharField(max_length=MAX_CAPTION_LENGTH, blank=True)
    visibility = models.CharField(max_length=7, choices=Visibility, default=Visibility.PUBLIC)
    video = UploadField(destination=FILMS, blank=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    objects = PostQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(name="post_newest", fields=["-created_at", "-id"]),
            models.Index(name="post_wall", fields=["author", "-created_at", "-id"]),
        ]
        constraints = [
            models.CheckConstraint(
                name="post_visibility_known", condition=models.Q(visibility__in=Visibility.values)
            )
        ]

    def __str__(self) -> str:
        return self.caption[:40] or self.id


class PostImage(models.Model):
    """A picture's place in a post."""

    post = models.ForeignKey(Post, on_delete=models.CASCADE, related_name="images")
    position = models.PositiveSmallIntegerField()
    image = UploadField(destination=PICTURES)

    class Meta:
        ordering = ["position", "id"]

    def __str__(self) -> str:
        return str(self.image)
