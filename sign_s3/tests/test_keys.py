import uuid

import pytest
import shortuuid
from hypothesis import given
from hypothesis import strategies as st

from sign_s3.keys import (
    ALPHABET,
    ID_LENGTH,
    MAX_KEY_LENGTH,
    MAX_PATH_LENGTH,
    InvalidKey,
    Key,
    bare_key,
    encode_id,
    is_owner,
    is_path,
    new_id,
    object_key,
    parse_key,
)

ID = "3L5fgCyhLwTX5LWfT7dhya"
NOT_PATHS = [
    "",
    "/",
    "/x",
    "a//b",
    "../x",
    "a/../b",
    "./x",
    "%2e%2e",
    "a\\b",
    "a\0b",
    "a\n",
    "a b",
    "\u202eabc",
    "cafe\u0301",
    "é",
    "a" * (MAX_PATH_LENGTH + 1),
    "a" * 2048,
    "${filename}",
    '"},{"acl":"public-read',
]

segments = st.text("ABCabc019_-", min_size=1, max_size=12)
paths = st.lists(segments, max_size=4).map("/".join) | st.lists(segments, max_size=4).map(
    lambda parts: "".join(f"{part}/" for part in parts)
)
keys = st.builds(
    Key,
    path=paths.filter(lambda path: not path.startswith("media/")),
    id=st.text(ALPHABET, min_size=ID_LENGTH, max_size=ID_LENGTH),
    extension=st.from_regex(r"\.[a-z0-9]{2,5}", fullmatch=True),
)


def test_a_new_id_is_a_version_4_uuid_to_shortuuid() -> None:
    for _ in range(1000):
        text = new_id()
        number = shortuuid.decode(text)
        assert (number.version, number.variant) == (4, uuid.RFC_4122)
        assert shortuuid.encode(number) == text


def test_new_ids_use_every_random_bit_and_differ() -> None:
    numbers = {shortuuid.decode(new_id()).int for _ in range(1000)}
    assert len(numbers) == 1000
    ever_set, always_set = 0, -1
    for number in numbers:
        ever_set |= number
        always_set &= number
    assert always_set == uuid.UUID("00000000-0000-4000-8000-000000000000").int
    assert ever_set == uuid.UUID("ffffffff-ffff-4fff-bfff-ffffffffffff").int


@given(st.uuids(allow_nil=True))
def test_an_id_is_written_as_shortuuid_writes_it(number: uuid.UUID) -> None:
    assert encode_id(number.int) == shortuuid.encode(number)


@given(keys)
def test_a_key_reads_back_as_it_was_written_with_or_without_the_prefix(key: Key) -> None:
    assert parse_key(str(key)) == key
    assert parse_key(object_key(str(key))) == key
    assert bare_key(object_key(str(key))) == str(key)


@given(st.text() | st.text("ab/_.%$\\-\n\0é", max_size=60).map(lambda text: f"{text}{ID}.png"))
def test_text_is_refused_or_means_exactly_itself(text: str) -> None:
    try:
        key = parse_key(text)
    except InvalidKey:
        return
    assert str(key) == text.removeprefix("media/")
    assert key.path == "" or is_path(key.path)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "media/",
        ID,
        f"images/{ID}",
        f"images/{ID}.",
        f"images/{ID}.p",
        f"images/{ID}.PNG",
        f"images/{ID}.toolong",
        f"images/{ID}.png\n",
        f"images/{ID}.png.exe",
        f"images/{ID[:-1]}.png",
        f"images/{ID[:-1]}0.png",  # shortuuid's alphabet has no 0, 1, I, O and l
        f"/images/{ID}.png",
        f"images//{ID}.png",
        f"images/../{ID}.png",
        f"images/é/{ID}.png",
        f"media/media//{ID}.png",
        "a" * MAX_KEY_LENGTH + f"{ID}.png",
    ],
)
def test_what_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(InvalidKey):
        parse_key(text)


def test_the_longest_key_there_can_be_is_a_key() -> None:
    text = "a" * MAX_PATH_LENGTH + ID + ".abcde"
    assert len(text) == MAX_KEY_LENGTH
    assert parse_key(text) == Key("a" * MAX_PATH_LENGTH, ID, ".abcde")


def test_a_name_outside_the_media_prefix_has_no_key() -> None:
    with pytest.raises(InvalidKey):
        bare_key(f"images/{ID}.png")


@pytest.mark.parametrize(
    "text", ["a", "images/", "images/posts/post_", "A-Z_09/x", "a" * MAX_PATH_LENGTH]
)
def test_segments_of_letters_digits_and_dashes_are_a_path(text: str) -> None:
    assert is_path(text)


@pytest.mark.parametrize("text", NOT_PATHS)
def test_anything_else_is_no_path(text: str) -> None:
    assert not is_path(text)


@pytest.mark.parametrize("text", ["alice", "42", ID, "a-b_c", "a" * 64])
def test_an_owner_is_up_to_64_letters_digits_and_dashes(text: str) -> None:
    assert is_owner(text)


@pytest.mark.parametrize("text", ["", "a b", "a/b", "a\n", "é", "${filename}", "a" * 65])
def test_anything_else_is_no_owner(text: str) -> None:
    assert not is_owner(text)
