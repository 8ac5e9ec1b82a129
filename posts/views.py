"""The feed, a user's wall, and single posts."""

from datetime import UTC
from typing import Any

from django.db import models, transaction
from django.utils.dateparse import parse_datetime
from rest_framework.exceptions import NotFound
from rest_framework.generics import (
    GenericAPIView,
    ListAPIView,
    ListCreateAPIView,
    RetrieveUpdateDestroyAPIView,
    get_object_or_404,
)
from rest_framework.pagination import Cursor, CursorPagination
from rest_framework.permissions import SAFE_METHODS, BasePermission, IsAuthenticatedOrReadOnly
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer
from rest_framework.views import APIView

from posts.models import Post
from posts.serializers import SHOWN, PostSerializer, ShownPostSerializer
from sign_s3.api.documentation import documented
from sign_s3.api.idempotency import IDEMPOTENCY_KEY, IdempotentCreateMixin
from users.models import User


class NewestFirst(CursorPagination):
    """Pages of twenty unless ``?limit=`` asks for up to a hundred."""

    ordering = ("-created_at", "-id")
    page_size = 20
    page_size_query_param = "limit"
    max_page_size = 100

    def decode_cursor(self, request: Request) -> Cursor | None:
        """The cursor, or a 404 for one that is not ours: its position goes into a query."""
        cursor = super().decode_cursor(request)
        if (
            cursor is not None
            and cursor.position is not None
            and not _is_moment(str(cursor.position))
        ):
            raise NotFound(self.invalid_cursor_message)
        return cursor


def _is_moment(text: str) -> bool:
    """Whether `text` is a time with its zone that UTC has too: 0001-01-01 at +23:59 is none."""
    try:
        moment = parse_datetime(text)
        return moment is not None and moment.tzinfo is not None and bool(moment.astimezone(UTC))
    except (ValueError, OverflowError):
        return False


class IsAuthorOrReadOnly(BasePermission):
    """Only the author changes or deletes a post."""

    def has_object_permission(self, request: Request, view: APIView, obj: Post) -> bool:
        return request.method in SAFE_METHODS or obj.author_id == request.user.pk


class PostsView(GenericAPIView[Post]):
    """What every list and single post starts from."""

    permission_classes = [IsAuthenticatedOrReadOnly, IsAuthorOrReadOnly]
    pagination_class = NewestFirst

    def get_serializer_class(self) -> type[BaseSerializer[Any]]:
        return ShownPostSerializer if self.request.method in SAFE_METHODS else PostSerializer

    def get_queryset(self) -> models.QuerySet[Post]:
        return Post.objects.visible_to(self.request.user.pk).select_related("author")


class ListedPosts(PostsView):
    """What is listed, as rows: model instances would take as long again as all the rest."""

    def filter_queryset(self, queryset: Any) -> Any:
        return super().filter_queryset(queryset).values(*SHOWN)


class FeedView(IdempotentCreateMixin, ListedPosts, ListCreateAPIView[Post]):
    """Everybody's posts, newest first; and new ones."""

    @documented(parameters=[IDEMPOTENCY_KEY])
    def post(self, request: Request) -> Response:
        return self.create(request)

    def get_queryset(self) -> models.QuerySet[Post]:
        posts = super().get_queryset()
        if author := self.request.query_params.get("author"):
            posts = posts.filter(author_id=author)
        return posts


class PostView(PostsView, RetrieveUpdateDestroyAPIView[Post]):
    """One post. A private one exists for its author alone."""

    http_method_names = ["get", "head", "options", "patch", "delete"]

    def perform_destroy(self, instance: Post) -> None:
        with transaction.atomic():
            if (post := Post.objects.locked(instance)) is not None:
                post.delete()


class WallView(ListedPosts, ListAPIView[Post]):
    """One user's posts."""

    def get_queryset(self) -> models.QuerySet[Post]:
        author = get_object_or_404(User, pk=self.kwargs["user_id"], is_active=True)
        return super().get_queryset().filter(author=author)
