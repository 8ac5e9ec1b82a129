"""Posts in the admin, beside the API."""

import threading
import time
from collections.abc import Callable

import pytest
from django.db import connection, connections, transaction
from django.test import Client
from django.urls import reverse

from posts.models import Post, PostImage
from users.models import User


@pytest.fixture
def staff(db: None) -> Client:
    root = User.objects.create_superuser(email="root@example.com", password="x", nickname="Root")
    browser = Client()
    browser.force_login(root)
    return browser


@pytest.fixture
def post(alice: User) -> Post:
    made = Post.objects.create(author=alice, caption="Rome")
    PostImage.objects.create(post=made, position=0)
    return made


def delete_one(staff: Client, post: Post) -> int:
    return staff.post(
        reverse("admin:posts_post_delete", args=[post.pk]), {"post": "yes"}
    ).status_code


def delete_many(staff: Client, post: Post) -> int:
    chosen = {"action": "delete_selected", "_selected_action": [post.pk], "post": "yes"}
    return staff.post(reverse("admin:posts_post_changelist"), chosen).status_code


def delete_author(staff: Client, post: Post) -> int:
    address = reverse("admin:users_user_delete", args=[post.author_id])
    return staff.post(address, {"post": "yes"}).status_code


def delete_authors(staff: Client, post: Post) -> int:
    chosen = {"action": "delete_selected", "_selected_action": [post.author_id], "post": "yes"}
    return staff.post(reverse("admin:users_user_changelist"), chosen).status_code


def change(staff: Client, post: Post) -> int:
    image = post.images.get()
    form = {
        "author": post.author_id,
        "caption": "Paris",
        "visibility": "public",
        "images-TOTAL_FORMS": 1,
        "images-INITIAL_FORMS": 1,
        "images-0-id": image.pk,
        "images-0-post": post.pk,
        "images-0-position": 0,
        "images-0-DELETE": "on",
    }
    return staff.post(reverse("admin:posts_post_change", args=[post.pk]), form).status_code


DELETIONS = [delete_one, delete_many, delete_author, delete_authors]


@pytest.mark.django_db
@pytest.mark.parametrize("act", DELETIONS)
def test_a_post_is_deleted_with_its_pictures(
    staff: Client, post: Post, act: Callable[[Client, Post], int]
) -> None:
    assert act(staff, post) == 302
    assert not Post.objects.exists()
    assert not PostImage.objects.exists()


@pytest.mark.django_db
def test_a_picture_is_taken_out_of_a_post(staff: Client, post: Post) -> None:
    assert change(staff, post) == 302
    assert Post.objects.get().caption == "Paris"
    assert not PostImage.objects.exists()


def somebody_waits() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
        return bool(cursor.fetchone() != (0,))


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("act", [*DELETIONS, change])
def test_nothing_of_a_post_is_held_while_its_author_is_waited_for(
    staff: Client, post: Post, act: Callable[[Client, Post], int]
) -> None:
    """The API takes the account first, then post and pictures: this way there is no circle."""
    answers: list[int] = []

    def acting() -> None:
        try:
            answers.append(act(staff, post))
        finally:
            connections.close_all()

    thread = threading.Thread(target=acting)
    with transaction.atomic():
        User.objects.select_for_update().get(pk=post.author_id)
        thread.start()
        until = time.monotonic() + 10
        while not somebody_waits() and time.monotonic() < until:
            time.sleep(0.02)
        assert somebody_waits()
        for rows in (Post.objects, PostImage.objects):
            assert len(rows.select_for_update(nowait=True)) == 1
    thread.join()
    assert answers == [302]
