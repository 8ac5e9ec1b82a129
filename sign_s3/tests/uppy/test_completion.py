"""``POST /uppy/s3/multipart/{uploadId}/complete``: what S3 has is what counts (A15)."""

from typing import Any

from sign_s3.destinations import MIB
from sign_s3.keys import object_key
from sign_s3.tests.uppy.test_multipart import NOT_FOUND, error_of

PICTURE = {"type": "image/png", "metadata": {"path": "images/posts/post_"}}


def test_the_object_waits_in_the_incoming_bucket(underway):
    answer = underway.complete(underway.put(1, b"f" * 5 * MIB), underway.put(2, b"ilm"))

    assert answer.status_code == 200
    assert answer.json() == {
        "location": f"https://test-incoming.s3.eu-west-1.amazonaws.com/{underway.key}",
        "key": underway.key,
        "bucket": "test-incoming",
    }
    info = underway.incoming.stat(underway.key)
    assert (info.size, info.content_type, info.metadata) == (
        5 * MIB + 3,
        "video/mp4",
        {"userid": underway.ticket.owner},
    )


def test_uppy_may_send_quotes_headers_and_any_order(underway):
    first, second = underway.put(1, b"f" * 5 * MIB), underway.put(2, b"ilm")
    quoted = {**second, "ETag": f'"{second["ETag"]}"', "content-length": "0"}

    assert underway.complete(quoted, first).status_code == 200


def test_a_completion_whose_answer_was_lost_succeeds_again(underway):
    part = underway.put(1, b"film")
    first = underway.complete(part)

    again = underway.complete(part)

    assert (again.status_code, again.json()) == (200, first.json())


def test_a_completion_of_what_was_aborted_is_not_found(underway):
    part = underway.put(1, b"film")
    underway.abort()

    answer = underway.complete(part)

    assert (answer.status_code, answer.json()) == (404, NOT_FOUND)


def test_somebody_elses_object_under_the_key_is_no_success(underway):
    part = underway.put(1, b"film")
    underway.abort()
    underway.incoming.put(underway.key, b"other", {"userid": "bob"})

    assert underway.complete(part).status_code == 404


def test_too_many_bytes_are_refused_and_the_upload_is_aborted(begun):
    underway = begun(**PICTURE)
    parts = [underway.put(number, bytes(7 * MIB)) for number in (1, 2, 3)]

    answer = underway.complete(*parts)

    assert answer.status_code == 400
    assert answer.json() == {
        "type": "validation_error",
        "errors": [
            {
                "code": "too_large",
                "detail": f"The parts have {21 * MIB} bytes; {20 * MIB} are taken here.",
                "attr": "parts",
            }
        ],
    }
    assert [*underway.incoming.list_multiparts()] == []
    assert [*underway.incoming.list()] == []


def test_as_many_bytes_as_are_allowed_are_taken(begun):
    underway = begun(**PICTURE)
    parts = [underway.put(number, bytes(5 * MIB)) for number in (1, 2, 3, 4)]

    assert underway.complete(*parts).status_code == 200


def test_only_the_parts_that_are_named_count(begun):
    underway = begun(**PICTURE)
    parts = [underway.put(number, bytes(7 * MIB)) for number in (1, 2, 3)]

    assert underway.complete(*parts[:2]).status_code == 200

    assert underway.incoming.stat(underway.key).size == 14 * MIB


def test_a_part_replaced_meanwhile_is_refused(underway):
    named = underway.put(1, b"light")
    underway.put(1, b"much heavier")

    assert error_of(underway.complete(named)) == ("parts.0", "invalid_part")

    assert [*underway.incoming.list()] == []


def test_a_part_that_is_not_there_is_named_by_its_place(underway):
    part = underway.put(1, b"film")
    missing = {"PartNumber": 2, "ETag": part["ETag"]}
    assert error_of(underway.complete(part, missing)) == ("parts.1", "invalid_part")


def test_parts_too_small_for_s3_are_refused(underway):
    parts = [underway.put(1, b"small"), underway.put(2, b"film")]

    assert error_of(underway.complete(*parts)) == ("parts", "part_too_small")


def test_parts_that_are_none_are_refused(underway):
    wrong: list[tuple[Any, tuple[str, str]]] = [
        ([], ("parts", "empty")),
        (None, ("parts", "null")),
        ("1", ("parts", "not_a_list")),
        ({}, ("parts", "not_a_list")),
        ([None], ("parts.0", "null")),
        ([1], ("parts.0", "invalid")),
        ([{"PartNumber": 1, "ETag": "x"}, *[1] * 9_999], ("parts.1", "invalid")),
        ([{}], ("parts.0", "invalid")),
        ([{"PartNumber": 0, "ETag": "x"}], ("parts.0", "invalid")),
        ([{"PartNumber": 10_001, "ETag": "x"}], ("parts.0", "invalid")),
        ([{"PartNumber": "1", "ETag": "x"}], ("parts.0", "invalid")),
        ([{"PartNumber": True, "ETag": "x"}], ("parts.0", "invalid")),
        ([{"PartNumber": 1.0, "ETag": "x"}], ("parts.0", "invalid")),
        ([{"PartNumber": 1}], ("parts.0", "invalid")),
        ([{"PartNumber": 1, "ETag": ""}], ("parts.0", "invalid")),
        ([{"PartNumber": 1, "ETag": 5}], ("parts.0", "invalid")),
        ([{"PartNumber": 1, "ETag": "x"}] * 2, ("parts", "repeated")),
        ([{"PartNumber": 1, "ETag": "x"}] * 10_001, ("parts", "max_length")),
    ]
    for parts, expected in wrong:
        answer = underway.client.post(underway.address("/complete"), {"parts": parts})
        assert error_of(answer) == expected, parts


def test_a_body_of_ten_thousand_parts_is_read_and_a_larger_one_is_not(underway):
    parts = [{"PartNumber": number, "ETag": "0" * 32} for number in range(1, 10_001)]
    answer = underway.complete(*parts)
    assert {error["code"] for error in answer.json()["errors"]} == {"invalid_part"}

    assert underway.complete({"PartNumber": 1, "ETag": "0" * MIB}).status_code == 413


def test_a_film_in_parts_is_attached_like_any_other(underway, alice, buckets):
    film = b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + bytes(5 * MIB)
    parts = [underway.put(1, film), underway.put(2, bytes(100))]
    assert underway.complete(*parts).status_code == 200

    answer = underway.client.post("/posts/", {"video": underway.key})

    assert answer.status_code == 201, answer.content
    assert answer.json()["video"]["key"] == underway.ticket.key
    assert buckets.media.stat(object_key(underway.ticket.key)).size == len(film) + 100
