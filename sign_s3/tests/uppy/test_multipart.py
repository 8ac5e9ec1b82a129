"""``/uppy/s3/multipart``: beginning, parts, aborting; whose uploads they are (A15)."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

from rest_framework.test import APIClient

from sign_s3 import bucket
from sign_s3.services.ticket import Ticket
from sign_s3.tests.uppy.conftest import FILM

NOT_FOUND = {
    "type": "client_error",
    "errors": [{"code": "not_found", "detail": "No such upload of yours.", "attr": None}],
}


def error_of(answer):
    assert answer.status_code == 400, answer.content
    (error,) = answer.json()["errors"]
    return error["attr"], error["code"]


def everything(underway):
    """Every request there is about one upload."""
    return {
        "list": underway.get(),
        "one": underway.get("/1"),
        "several": underway.get("/batch", partNumbers="1,2"),
        "complete": underway.complete({"PartNumber": 1, "ETag": "x"}),
        "abort": underway.abort(),
    }


# ---------------------------------------------------------------- begin


def test_an_upload_begins_with_a_key_type_and_owner_of_the_servers_making(
    alice, client_of, buckets
):
    answer = client_of(alice).post("/uppy/s3/multipart", {"filename": "film.mp4", **FILM})

    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    told = answer.json()
    assert told == {"key": told["key"], "uploadId": told["uploadId"], "bucket": "test-incoming"}
    [begun] = buckets.incoming.list_multiparts()
    assert begun.key == told["key"]
    key = told["key"].removeprefix("media/")
    assert key.startswith("videos/posts/video_")
    assert Ticket.read(told["uploadId"], owner=alice.pk, key=key) == Ticket(
        begun.upload_id, key, alice.pk, 2 * 1024**3
    )


def test_beginning_costs_one_signed_key(alice, client_of, buckets):
    client = client_of(alice)
    first, second = (client.post("/uppy/s3/multipart", FILM).headers["RateLimit"] for _ in range(2))
    left = [int(said.partition("r=")[2].partition(";")[0]) for said in (first, second)]
    assert left[0] - left[1] == 1


def test_anonymous_begins_nothing(db, buckets):
    assert APIClient().post("/uppy/s3/multipart", FILM).status_code == 401
    assert [*buckets.incoming.list_multiparts()] == []


def test_metadata_besides_the_path_is_not_looked_at(begun):
    markup = "<img src=x onerror=alert(1)>.mp4"
    underway = begun(
        filename=markup,
        metadata={**FILM["metadata"], "userid": "bob", "name": markup, "x": {"y": [None]}},
    )
    underway.put(1, b"film")
    underway.complete(*underway.get().json())

    info = underway.incoming.stat(underway.key)
    assert info.metadata == {"userid": underway.ticket.owner}
    assert "img" not in underway.key


def test_what_is_wrong_with_a_beginning_is_named(alice, client_of, buckets):
    client = client_of(alice)
    path, type_ = "metadata.path", "type"
    wrong: list[tuple[dict[str, Any], tuple[str, str]]] = [
        ({"metadata": None}, ("metadata", "null")),
        ({"metadata": "videos/posts/video_"}, ("metadata.non_field_errors", "invalid")),
        ({"metadata": ["path"]}, ("metadata.non_field_errors", "invalid")),
        ({"metadata": {}}, (path, "required")),
        ({"metadata": {"path": None}}, (path, "null")),
        ({"metadata": {"path": 7}}, (path, "invalid")),
        ({"metadata": {"path": ["videos/posts/video_"]}}, (path, "invalid")),
        ({"metadata": {"path": "\0"}}, (path, "null_characters_not_allowed")),
        ({"metadata": {"path": "videos/"}}, (path, "unknown_path")),
        ({"type": None}, (type_, "null")),
        ({"type": {"a": 1}}, (type_, "invalid")),
        ({"type": "image/png"}, (type_, "type_not_allowed")),
    ]
    for change, expected in wrong:
        answer = client.post("/uppy/s3/multipart", {**FILM, **change})
        assert error_of(answer) == expected, change
    assert [*buckets.incoming.list_multiparts()] == []


def test_with_s3_out_of_reach_it_is_503_with_a_time(alice, client_of, settings):
    settings.AWS_S3_ENDPOINT_URL = "http://127.0.0.1:9"
    settings.SIGN_S3 = {**settings.SIGN_S3, "max_attempts": 1}

    answer = client_of(alice).post("/uppy/s3/multipart", FILM)

    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "5"


# ---------------------------------------------------------------- parts


def test_a_part_goes_to_a_url_for_it_alone(underway):
    answer = underway.get("/7")

    assert answer.status_code == 200
    assert list(answer.json()) == ["url"]
    url = urlsplit(answer.json()["url"])
    assert (url.netloc, url.path) == (
        "test-incoming.s3.eu-west-1.amazonaws.com",
        f"/{underway.key}",
    )
    query = parse_qs(url.query)
    assert query["partNumber"] == ["7"]
    assert query["uploadId"] == [underway.ticket.upload_id]
    assert query["X-Amz-Expires"] == ["300"]


def test_several_parts_are_signed_for_at_once(underway):
    answer = underway.get("/batch", partNumbers="3,1")

    assert answer.status_code == 200
    urls = answer.json()["presignedUrls"]
    assert {
        number: parse_qs(urlsplit(url).query)["partNumber"] for number, url in urls.items()
    } == {
        "3": ["3"],
        "1": ["1"],
    }


def test_signing_for_parts_asks_neither_the_database_nor_s3(underway, django_assert_num_queries):
    asked: list[str] = []
    stop = bucket.on_request(asked.append)
    try:
        with django_assert_num_queries(0):
            assert underway.get("/1").status_code == 200
            assert underway.get("/batch", partNumbers="1,2").status_code == 200
    finally:
        stop()
    assert asked == []


def test_a_part_number_that_is_none_is_refused(underway):
    texts = ["0", "-1", "10001", "99999999", "x", "1.5", "1e2", "01", "%20", "\u0661"]
    for number in (*texts, "9" * 5000):
        assert error_of(underway.get(f"/{number}")) == ("partNumber", "invalid"), number
        batch = underway.get("/batch", partNumbers=f"1,{number}")
        assert error_of(batch) == ("partNumbers", "invalid"), number
    assert error_of(underway.get("/1,2")) == ("partNumber", "invalid")
    assert error_of(underway.get("/batch", partNumbers="1,1")) == ("partNumbers", "invalid")


def test_a_number_no_upload_of_that_size_needs_is_refused(begun):
    # 20 MiB are four parts of 5 MiB, the least S3 takes.
    picture = begun(type="image/png", metadata={"path": "images/posts/post_"})

    assert picture.get("/4").status_code == 200
    assert error_of(picture.get("/5")) == ("partNumber", "invalid")


def test_a_batch_has_a_hundred_numbers_at_most(underway):
    numbers = [str(number) for number in range(1, 102)]

    assert underway.get("/batch", partNumbers=",".join(numbers[:100])).status_code == 200
    assert error_of(underway.get("/batch", partNumbers=",".join(numbers))) == (
        "partNumbers",
        "max_length",
    )
    assert error_of(underway.get("/batch")) == ("partNumbers", "invalid")


def test_the_parts_that_arrived_are_listed(underway):
    assert underway.get().json() == []

    part = underway.put(2, b"second")

    assert underway.get().json() == [
        {"PartNumber": 2, "ETag": f'"{part["ETag"]}"', "Size": len(b"second")}
    ]


# ---------------------------------------------------------------- abort


def test_an_aborted_upload_is_gone_and_may_be_aborted_again(underway):
    underway.put(1, b"film")

    for _ in range(2):
        answer = underway.abort()
        assert (answer.status_code, answer.json()) == (200, {})

    assert [*underway.incoming.list_multiparts()] == []
    assert (underway.get().status_code, underway.get().json()) == (404, NOT_FOUND)


def test_aborting_what_is_complete_leaves_the_object(underway):
    underway.complete(underway.put(1, b"film"))

    assert underway.abort().status_code == 200

    assert underway.incoming.stat(underway.key).size == len(b"film")


# ---------------------------------------------------------------- whose they are


def test_to_somebody_else_it_does_not_exist(underway, bob, client_of):
    for name, answer in everything(underway.seen_by(client_of(bob))).items():
        assert (name, answer.status_code) == (name, 404)
        assert answer.json() == NOT_FOUND
    assert len([*underway.incoming.list_multiparts()]) == 1


def test_to_nobody_it_is_401(underway):
    for name, answer in everything(underway.seen_by(APIClient())).items():
        assert (name, answer.status_code) == (name, 401)
    assert len([*underway.incoming.list_multiparts()]) == 1


def test_a_token_whose_account_is_gone_signs_and_does_no_more(underway, alice):
    alice.delete()
    statuses = {name: answer.status_code for name, answer in everything(underway).items()}
    assert statuses == {"list": 401, "one": 200, "several": 200, "complete": 401, "abort": 401}


def test_another_key_is_not_found(underway):
    for key in ("media/videos/posts/video_3L5fgCyhLwTX5LWfT7dhya.mp4", "x", f"/{underway.key}"):
        answer = underway.client.get(underway.address("/1", key=key))
        assert (answer.status_code, answer.json()) == (404, NOT_FOUND), key


def test_the_key_may_be_given_without_its_prefix(underway):
    bare = underway.address("/1", key=underway.key.removeprefix("media/"))
    assert underway.client.get(bare).status_code == 200


def test_the_key_is_asked_for(underway):
    address = underway.address().partition("?")[0]
    for query, code in {"": "required", "key=": "blank", "key=a&key=b": "invalid"}.items():
        assert error_of(underway.client.get(f"{address}?{query}")) == ("key", code), query


def test_what_s3_is_asked_about_uploads_is_limited_by_user(underway, settings):
    rates = settings.REST_FRAMEWORK["DEFAULT_THROTTLE_RATES"]
    settings.REST_FRAMEWORK = {
        **settings.REST_FRAMEWORK,
        "DEFAULT_THROTTLE_RATES": {**rates, "parts": "3/day"},
    }
    answers = [underway.get(), underway.complete({"PartNumber": 1, "ETag": "x"}), underway.get()]
    assert [answer.status_code for answer in answers] == [200, 400, 200]

    refused = underway.abort()

    assert refused.status_code == 429
    assert int(refused.headers["Retry-After"]) >= 1
    # Signing for parts asks S3 nothing.
    assert underway.get("/1").status_code == 200
