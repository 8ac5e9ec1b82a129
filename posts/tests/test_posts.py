"""The feed and single posts, on an S3 in process."""

import re
from datetime import UTC, datetime

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from local.pictures import CLIP, picture
from posts.models import Post, PostImage
from sign_s3.bucket import on_request
from sign_s3.keys import object_key
from sign_s3.models import MediaObject, State
from sign_s3.services.sweep import sweep
from users.models import User

IMAGES = "images/posts/post_"
VIDEOS = "videos/posts/video_"

pytestmark = pytest.mark.django_db


def states(*keys):
    return [MediaObject.objects.get(key=key).state for key in keys]


def test_a_post_shows_its_pictures_in_order_and_its_video(alice, client_of, upload, buckets):
    client = client_of(alice)
    keys = [upload(client, IMAGES, picture("PNG", 40 + n, 30)) for n in range(2)]
    film = upload(client, VIDEOS, CLIP.read_bytes(), mime="video/mp4")

    answer = client.post(
        "/posts/",
        {"caption": "Rome", "images": [keys[1], object_key(keys[0])], "video": film},
    )

    assert answer.status_code == 201, answer.content
    post = Post.objects.get()
    body = answer.json()
    urls = [image.pop("url") for image in body["images"]] + [body["video"].pop("url")]
    for url, key in zip(urls, [keys[1], keys[0], film], strict=True):
        assert re.search(rf"/media/{key}\?X-Amz-Algorithm=AWS4-HMAC-SHA256&", url)
    sizes = {key: buckets.media.stat(object_key(key)).size for key in (*keys, film)}
    shown = [
        {
            "key": keys[n],
            "content_type": "image/png",
            "size": sizes[keys[n]],
            "width": 40 + n,
            "height": 30,
            "thumbnails": {},
        }
        for n in (1, 0)
    ]
    assert body == {
        "id": post.pk,
        "author": {"id": alice.pk, "nickname": "alice", "profile_image_url": None},
        "caption": "Rome",
        "album": None,
        "visibility": "public",
        "images": shown,
        "video": {
            "key": film,
            "content_type": "video/mp4",
            "size": sizes[film],
            "width": None,
            "height": None,
            "thumbnails": {},
        },
        "created_at": post.created_at.isoformat().replace("+00:00", "Z"),
        "updated_at": post.updated_at.isoformat().replace("+00:00", "Z"),
    }
    assert states(*keys, film) == [State.ATTACHED] * 3
    assert not list(buckets.incoming.list())


def test_a_new_posts_answer_is_what_reading_it_gives_and_takes_no_look(
    alice, client_of, upload, buckets
):
    client = client_of(alice)
    body = {"images": [upload(client, IMAGES), upload(client, IMAGES)]}
    body["video"] = upload(client, VIDEOS, CLIP.read_bytes(), mime="video/mp4")
    with CaptureQueriesContext(connection) as sent:
        made = client.post("/posts/", body).json()
    looks = [query["sql"] for query in sent if query["sql"].startswith("SELECT")]
    assert len(looks) == 2, "who is asking, and whether they are there still"
    assert all("users_user" in look for look in looks), looks
    assert made == client.get(f"/posts/{made['id']}/").json()


def test_a_new_posts_answer_shows_its_author_as_of_now(alice, client_of, upload, buckets):
    client = client_of(alice)
    key = upload(client, IMAGES)

    def rename(operation):
        if operation == "GetObject":
            User.objects.filter(pk=alice.pk).update(nickname="alicia")

    stop = on_request(rename)
    made = client.post("/posts/", {"images": [key]}).json()
    stop()
    assert made["author"]["nickname"] == "alicia"
    assert made == client.get(f"/posts/{made['id']}/").json()


def test_a_patch_keeps_attaches_and_releases(alice, client_of, upload, buckets):
    client = client_of(alice)
    first, second, third = (upload(client, IMAGES) for _ in range(3))
    url = f"/posts/{client.post('/posts/', {'images': [first, second]}).json()['id']}/"

    answer = client.patch(url, {"images": [third, second]})

    assert answer.status_code == 200, answer.content
    assert [image["key"] for image in answer.json()["images"]] == [third, second]
    assert states(first, second, third) == [State.DELETING, State.ATTACHED, State.ATTACHED]
    sweep()
    assert sorted(info.key for info in buckets.media.list()) == sorted(
        map(object_key, (second, third))
    )


def test_a_key_the_post_holds_already_stands_in_its_list_once(alice, client_of, upload, buckets):
    client = client_of(alice)
    key = upload(client, IMAGES)
    url = f"/posts/{client.post('/posts/', {'images': [key]}).json()['id']}/"

    answer = client.patch(url, {"images": [key, key]})

    assert answer.status_code == 400
    assert answer.json()["errors"] == [
        {"code": "repeated", "detail": "This key stands here twice.", "attr": "images.1"}
    ]


def test_a_picture_that_came_meanwhile_is_not_dropped_unseen(alice, client_of, upload, buckets):
    client = client_of(alice)
    key = upload(client, IMAGES)
    post = Post.objects.create(author=alice)

    def come_between(operation: str) -> None:
        if operation == "GetObject":
            other = "images/posts/post_3L5fgCyhLwTX5LWfT7dhya.jpeg"
            PostImage.objects.create(post=post, position=0, image=other)

    forget = on_request(come_between)
    try:
        answer = client.patch(f"/posts/{post.pk}/", {"images": [key]})
    finally:
        forget()

    assert answer.status_code == 409
    assert answer.json()["errors"] == [
        {
            "code": "changed",
            "detail": "The record changed meanwhile. Read it and try again.",
            "attr": None,
        }
    ]
    assert post.images.count() == 1


def test_a_post_whose_picture_lost_its_file_is_shown_without_it(alice, client, buckets):
    post = Post.objects.create(author=alice, caption="x")
    PostImage.objects.create(post=post, position=0, image=None)

    assert client.get("/posts/").json()["results"][0]["images"] == []
    assert client.get(f"/posts/{post.pk}/").json()["images"] == []


def test_deleting_a_post_releases_every_file(alice, client_of, upload, buckets):
    client = client_of(alice)
    image, film = (
        upload(client, IMAGES),
        upload(client, VIDEOS, CLIP.read_bytes(), mime="video/mp4"),
    )
    post = client.post("/posts/", {"images": [image], "video": film}).json()

    answer = client.delete(f"/posts/{post['id']}/")

    assert (answer.status_code, answer.content) == (204, b"")
    sweep()
    assert not list(buckets.media.list())
    assert states(image, film) == [State.DELETING, State.DELETING]


@pytest.mark.parametrize(
    ("images", "attr", "code"),
    [
        (["images/posts/post_3L5fgCyhLwTX5LWfT7dhya.jpeg"], "images.0", "not_uploaded"),
        (["images/other/post_3L5fgCyhLwTX5LWfT7dhya.jpeg"], "images.0", "wrong_destination"),
        (["../secret"], "images.0", "invalid_key"),
        ([7], "images.0", "invalid"),
        ("images/posts/post_3L5fgCyhLwTX5LWfT7dhya.jpeg", "images", "not_a_list"),
        ([None], "images.0", "null"),
        (["images/posts/post_3L5fgCyhLwTX5LWfT7dhya.jpeg"] * 11, "images", "max_length"),
        (["images/posts/post_3L5fgCyhLwTX5LWfT7dhya.jpeg"] * 2, "images.1", "repeated"),
    ],
)
def test_a_key_that_cannot_be_attached_is_named(alice, client_of, buckets, images, attr, code):
    answer = client_of(alice).post("/posts/", {"images": images})

    assert answer.status_code == 400
    (error,) = answer.json()["errors"]
    assert (error["attr"], error["code"]) == (attr, code)
    assert not Post.objects.exists()


def test_one_bad_key_refuses_them_all(alice, client_of, upload, buckets):
    client = client_of(alice)
    good, bad = upload(client, IMAGES), upload(client, IMAGES, b"<html><script>alert(1)</script>")

    answer = client.post("/posts/", {"images": [good, bad]})

    assert answer.status_code == 400
    assert answer.json() == {
        "type": "validation_error",
        "errors": [
            {
                "code": "content_mismatch",
                "detail": "The file's first bytes are not image/png.",
                "attr": "images.1",
            }
        ],
    }
    assert not Post.objects.exists()
    assert not MediaObject.objects.exists()
    assert not list(buckets.media.list())


def test_another_users_upload_is_as_good_as_none(alice, bob, client_of, upload):
    key = upload(client_of(alice), IMAGES)

    answer = client_of(bob).post("/posts/", {"images": [key]})

    assert answer.status_code == 400
    assert answer.json()["errors"] == [
        {
            "code": "not_uploaded",
            "detail": "Nothing has been uploaded under this key.",
            "attr": "images.0",
        }
    ]


def test_a_key_attached_already_is_a_conflict(alice, bob, client_of, upload):
    client = client_of(alice)
    key = upload(client, IMAGES)
    client.post("/posts/", {"images": [key]})

    again = client.post("/posts/", {"images": [key]})
    stranger = client_of(bob).post("/posts/", {"images": [key]})

    assert again.status_code == 409
    assert again.json() == {
        "type": "client_error",
        "errors": [
            {
                "code": "attached",
                "detail": "A record of yours holds this key already.",
                "attr": None,
            }
        ],
    }
    assert stranger.status_code == 400
    assert Post.objects.count() == 1


def test_a_refused_record_can_be_rolled_back(alice, client_of, upload, buckets):
    client = client_of(alice)
    key = upload(client, IMAGES)
    refused = client.post("/posts/", {"images": [key], "visibility": "friends"})
    assert refused.status_code == 400

    answer = client.delete("/sign_s3/", {"key": object_key(key)})

    assert (answer.status_code, answer.content) == (204, b"")
    assert not list(buckets.incoming.list())


def test_only_the_author_changes_and_deletes(alice, bob, client_of, client, buckets):
    url = f"/posts/{Post.objects.create(author=alice, caption='mine').pk}/"
    stranger = client_of(bob)

    assert stranger.patch(url, {"caption": "his"}).status_code == 403
    assert stranger.delete(url).status_code == 403
    assert client.patch(url, {"caption": "?"}, content_type="application/json").status_code == 401
    assert client.delete(url).status_code == 401
    assert client.get(url).status_code == 200
    assert Post.objects.get().caption == "mine"


def test_a_private_post_exists_for_its_author_alone(alice, bob, client_of, client, buckets):
    post = Post.objects.create(author=alice, visibility="private")
    mine = client_of(alice)

    for path in (f"/posts/{post.pk}/", "/posts/", f"/users/{alice.pk}/posts/"):
        assert post.pk in mine.get(path).content.decode()
        for other in (client_of(bob), client):
            assert post.pk not in other.get(path).content.decode()
    assert client_of(bob).get(f"/posts/{post.pk}/").status_code == 404
    assert client_of(bob).delete(f"/posts/{post.pk}/").status_code == 404


def test_the_feed_is_newest_first_in_pages_at_a_constant_cost(
    alice, bob, client, django_assert_num_queries, buckets
):
    posts = [
        Post.objects.create(
            author=(alice, bob)[n % 2],
            caption=str(n),
            created_at=datetime(2026, 1, 1, 12, n, tzinfo=UTC),
        )
        for n in range(25)
    ]
    PostImage.objects.bulk_create(
        PostImage(post=post, position=0, image=f"images/posts/post_{n:022}.png")
        for n, post in enumerate(posts)
    )

    with django_assert_num_queries(3):
        page = client.get("/posts/").json()
    assert [post["caption"] for post in page["results"]] == [str(n) for n in range(24, 4, -1)]
    assert page["previous"] is None
    rest = client.get(page["next"]).json()
    assert [post["caption"] for post in rest["results"]] == [str(n) for n in range(4, -1, -1)]
    assert rest["next"] is None

    with django_assert_num_queries(3):
        assert len(client.get("/posts/?limit=25").json()["results"]) == 25
    of_bob = client.get(f"/posts/?author={bob.pk}").json()["results"]
    assert {post["author"]["nickname"] for post in of_bob} == {"bob"}


@pytest.mark.parametrize(
    "cursor",
    [
        "x",
        "cD1ub3RhdGltZQ==",
        "bz0xMDAwMDAwMDAw",
        "%00",
        "cD0wMDAwLTAwLTAw",
        "cD0yMDI1LTAxLTAxVDAw",  # a time without its zone
        "cD0wMDAxLTAxLTAxVDAwJTNBMDAlM0EwMCUyQjIzJTNBNTk=",  # the year 1 at +23:59
        "cD05OTk5LTEyLTMxVDIzJTNBNTklM0E1OS0yMyUzQTU5",  # the year 9999 at -23:59
    ],
)
def test_a_cursor_that_is_not_ours_is_not_found(alice, client, cursor):
    Post.objects.create(author=alice)
    assert client.get(f"/posts/?cursor={cursor}").status_code in {200, 400, 404}


def test_an_unknown_users_wall_is_not_found(db, client):
    assert client.get("/users/nobody/posts/").status_code == 404


def test_a_field_nobody_should_set_is_ignored(alice, bob, client_of, buckets):
    answer = client_of(alice).post(
        "/posts/", {"caption": "x", "author": bob.pk, "id": "mine", "created_at": "2000-01-01"}
    )

    assert answer.status_code == 201
    post = Post.objects.get()
    assert post.author == alice
    assert post.pk != "mine"
    assert post.created_at.year > 2000
