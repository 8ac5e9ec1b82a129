"""The ticket: whatever is done to its text, it is the one handed out or none (A15)."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sign_s3.services.errors import UnknownUploads
from sign_s3.services.ticket import MAX_PARTS, Ticket

TICKET = Ticket("2~S3sOwnId", "videos/posts/video_3L5fgCyhLwTX5LWfT7dhya.mp4", "alice", 2 * 1024**3)
URL_SAFE = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."

tickets = st.builds(
    Ticket,
    st.text(st.characters(codec="utf-8"), min_size=1, max_size=200),
    st.text(URL_SAFE, min_size=1, max_size=150),
    st.text(URL_SAFE, min_size=1, max_size=64),
    st.integers(1, 5 * 1024**4),
)


def read(text: str, owner: str = TICKET.owner, key: str = TICKET.key) -> Ticket:
    return Ticket.read(text, owner=owner, key=key)


@given(tickets)
def test_it_says_what_it_was_given_in_characters_of_a_url(ticket: Ticket) -> None:
    text = str(ticket)

    assert set(text) <= set(URL_SAFE)
    assert read(text, ticket.owner, ticket.key) == ticket
    assert read(text, ticket.owner, f"media/{ticket.key}") == ticket


@given(st.data())
def test_an_edited_one_is_none(data: st.DataObject) -> None:
    text = str(TICKET)
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 3)))
    edited = text[:start] + data.draw(st.text(max_size=3)) + text[end:]
    if edited != text:
        with pytest.raises(UnknownUploads):
            read(edited)


@given(st.text())
def test_anything_else_is_none(text: str) -> None:
    with pytest.raises(UnknownUploads):
        read(text)


@given(tickets, st.text(), st.text())
def test_it_is_for_its_owner_and_its_key(ticket: Ticket, owner: str, key: str) -> None:
    if (owner, key) != (ticket.owner, ticket.key):
        with pytest.raises(UnknownUploads):
            read(str(ticket), owner, key)


def test_parts_of_two_tickets_make_none() -> None:
    other = str(Ticket("other", TICKET.key, TICKET.owner, 1))
    payload, moment, signature = str(TICKET).split(".")
    their_payload, _, their_signature = other.split(".")
    for mixed in ((payload, moment, their_signature), (their_payload, moment, signature)):
        with pytest.raises(UnknownUploads):
            read(".".join(mixed))


def test_it_ends_when_s3_may_have_expired_the_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    text, now = str(TICKET), time.time()
    monkeypatch.setattr(time, "time", lambda: now + 2 * 86_400 - 5)
    assert read(text) == TICKET
    monkeypatch.setattr(time, "time", lambda: now + 2 * 86_400 + 5)
    with pytest.raises(UnknownUploads):
        read(text)


@pytest.mark.parametrize(
    ("limit", "last"),
    [(1, 1), (5 * 1024**2, 1), (5 * 1024**2 + 1, 2), (2 * 1024**3, 410), (5 * 1024**4, MAX_PARTS)],
)
def test_there_are_as_many_parts_as_the_limit_can_need(limit: int, last: int) -> None:
    assert Ticket("u", "k", "o", limit).last_part == last
