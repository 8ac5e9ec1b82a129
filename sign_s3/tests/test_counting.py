"""Counters: in this process, on a real Redis from several processes, and with Redis gone."""

import contextlib
import multiprocessing
import os
import socket
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest
from redis import Redis

from sign_s3.api.counting import SHARED, LocalCounter, Window
from sign_s3.api.counting_on_redis import (
    REDIS_PAUSE,
    REDIS_TIMEOUT,
    RedisCounter,
    SparedCounter,
)

MINUTE = Window("min", 300, 60)
DAY = Window("day", 5000, 86400)


class Clock:
    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def test_a_limit_is_granted_to_the_unit_and_not_further() -> None:
    counter = LocalCounter(Clock(120))
    granted = [counter.charge("alice", [MINUTE], 1)[0] for _ in range(301)]
    assert granted == [True] * 300 + [False]


def test_the_answer_says_what_is_left_and_until_when() -> None:
    counter = LocalCounter(Clock(86400 * 3 + 70))
    assert counter.charge("alice", [MINUTE, DAY], 10) == (True, [(290, 50), (4990, 86330)])


def test_a_window_ends_for_everybody_at_once() -> None:
    clock = Clock(119)
    counter = LocalCounter(clock)
    assert counter.charge("alice", [MINUTE], 300)[0]
    assert not counter.charge("alice", [MINUTE], 1)[0]
    clock.now = 120
    assert counter.charge("alice", [MINUTE], 300)[0]


def test_one_subject_does_not_use_up_anothers() -> None:
    counter = LocalCounter(Clock(0))
    assert counter.charge("alice", [MINUTE], 300)[0]
    assert counter.charge("bob", [MINUTE], 300)[0]


def test_a_refused_request_is_charged_to_no_window() -> None:
    counter = LocalCounter(Clock(0))
    small, big = Window("min", 5, 60), Window("day", 100, 86400)
    assert counter.charge("alice", [small, big], 10) == (False, [(5, 60), (100, 86400)])
    assert counter.charge("alice", [small, big], 5) == (True, [(0, 60), (95, 86400)])


def test_threads_together_are_granted_the_limit_exactly() -> None:
    counter = LocalCounter(Clock(0))
    with ThreadPoolExecutor(8) as threads:
        answers = threads.map(lambda _: counter.charge("alice", [MINUTE], 1)[0], range(1000))
        assert Counter(answers) == {True: 300, False: 700}


def test_memory_is_bounded_and_no_limit_is_lifted_by_a_flood() -> None:
    counter = LocalCounter(Clock(0), max_named=100)
    one = Window("day", 1, 86400)
    assert counter.charge("alice", [one], 1)[0]
    granted = sum(counter.charge(f"mallory-{n}", [one], 1)[0] for n in range(20_000))
    assert granted <= 99 + SHARED
    assert not counter.charge("alice", [one], 1)[0]


# ---------------------------------------------------------------- on Redis


@pytest.fixture
def redis_url() -> str:
    return os.environ["REDIS_URL"]


@pytest.fixture
def subject() -> str:
    return f"test:{uuid.uuid4().hex}"


def early_in_a_minute() -> None:
    """Wait out the last seconds of Redis' window, for a test that must stay within one."""
    if (left := 60 - time.time() % 60) < 10:
        time.sleep(left + 0.1)


def charge_often(url: str, subject: str, cost: int, times: int, start: object) -> int:
    """How many units one process was granted."""
    counter = RedisCounter(url)
    start.wait()  # type: ignore[attr-defined]
    return sum(cost for _ in range(times) if counter.charge(subject, [MINUTE, DAY], cost)[0])


@pytest.mark.redis
@pytest.mark.parametrize("cost", [1, 7])
def test_processes_together_are_granted_the_limit_exactly(
    redis_url: str, subject: str, cost: int
) -> None:
    early_in_a_minute()
    context = multiprocessing.get_context("spawn")
    with context.Manager() as manager, context.Pool(4) as pool:
        start = manager.Event()
        runs = [
            pool.apply_async(charge_often, (redis_url, subject, cost, 120, start)) for _ in range(4)
        ]
        start.set()
        assert sum(run.get(timeout=60) for run in runs) == 300 // cost * cost


@pytest.mark.redis
def test_redis_counts_as_the_process_does(redis_url: str, subject: str) -> None:
    early_in_a_minute()
    counter = RedisCounter(redis_url)
    small = Window("min", 5, 60)
    answers = [counter.charge(subject, [small, DAY], cost) for cost in (10, 3, 3, 2, 1)]
    assert [(allowed, [left for left, _ in windows]) for allowed, windows in answers] == [
        (False, [5, 5000]),
        (True, [2, 4997]),
        (False, [2, 4997]),
        (True, [0, 4995]),
        (False, [0, 4995]),
    ]
    assert all(0 < seconds <= 60 for _, ((_, seconds), _) in answers)


@pytest.mark.redis
def test_every_key_on_redis_ends(redis_url: str, subject: str) -> None:
    RedisCounter(redis_url).charge(subject, [MINUTE, DAY], 1)
    redis = Redis.from_url(redis_url)
    keys = sorted(redis.keys(f"rate:{{{subject}}}*"))
    assert [0 < redis.ttl(key) <= seconds for key, seconds in zip(keys, (60, 86400), strict=True)]


@pytest.mark.redis
def test_a_restarted_redis_is_taught_the_script_again(redis_url: str, subject: str) -> None:
    counter = RedisCounter(redis_url)
    assert counter.charge(subject, [DAY], 1)[0]
    Redis.from_url(redis_url).script_flush()
    assert counter.charge(subject, [DAY], 1)[1][0][0] == 4998


class Relay:
    """Stands between a counter and Redis, and counts what the counter sends at once."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._redis = (parts.hostname, parts.port or 6379)
        self._listener = socket.create_server(("127.0.0.1", 0))
        port = self._listener.getsockname()[1]
        self.url = parts._replace(netloc=f"127.0.0.1:{port}").geturl()
        self.sent: list[bytes] = []
        self._sockets: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            redis = socket.create_connection(self._redis)
            self._sockets += [client, redis]
            for source, target, seen in ((client, redis, self.sent), (redis, client, [])):
                threading.Thread(
                    target=self._pass_on, args=(source, target, seen), daemon=True
                ).start()

    def _pass_on(self, source: socket.socket, target: socket.socket, seen: list[bytes]) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                seen.append(data)
                target.sendall(data)

    def hang_up(self) -> None:
        while self._sockets:
            connection = self._sockets.pop()
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()

    def close(self) -> None:
        self._listener.close()
        self.hang_up()


@pytest.fixture
def relay(redis_url: str) -> Iterator[Relay]:
    made = Relay(redis_url)
    yield made
    made.close()


@pytest.mark.redis
def test_all_windows_are_charged_in_one_trip(relay: Relay, subject: str) -> None:
    counter = RedisCounter(relay.url)
    counter.charge(subject, [MINUTE, DAY], 1)
    relay.sent.clear()

    for _ in range(20):
        counter.charge(subject, [MINUTE, DAY], 1)

    assert len(relay.sent) == 20
    assert all(packet.count(b"EVALSHA") == 1 for packet in relay.sent)


@pytest.mark.redis
def test_a_connection_that_redis_closed_is_opened_again(
    relay: Relay, subject: str, caplog: pytest.LogCaptureFixture
) -> None:
    counter = SparedCounter(RedisCounter(relay.url), LocalCounter(Clock(0)))
    counter.charge(subject, [DAY], 1)
    relay.hang_up()

    assert counter.charge(subject, [DAY], 1)[1][0][0] == 4998
    assert caplog.records == []


# ---------------------------------------------------------------- without Redis


@pytest.fixture
def dead_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
def hanging_port() -> Iterator[int]:
    """Takes connections and never answers."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(16)
        yield listener.getsockname()[1]


def spared(port: int, pause: float = REDIS_PAUSE) -> SparedCounter:
    url = f"redis://:hunter2@127.0.0.1:{port}/0"
    return SparedCounter(RedisCounter(url), LocalCounter(Clock(0)), pause)


def test_with_redis_down_the_process_counts_and_says_so_once(
    dead_port: int, caplog: pytest.LogCaptureFixture
) -> None:
    counter = spared(dead_port)
    granted = [counter.charge("alice", [MINUTE], 1)[0] for _ in range(301)]
    assert granted == [True] * 300 + [False]
    assert [record.getMessage() for record in caplog.records] == [
        "rate limits are counted in this process alone for 5 s, Redis: ConnectionError"
    ]


def test_a_redis_that_hangs_holds_up_one_request_for_a_moment(
    hanging_port: int, caplog: pytest.LogCaptureFixture
) -> None:
    counter = spared(hanging_port)
    started = time.perf_counter()
    assert all(counter.charge("alice", [MINUTE], 1)[0] for _ in range(100))
    assert time.perf_counter() - started < REDIS_TIMEOUT * 4
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert "hunter2" not in caplog.text


def test_after_the_pause_redis_is_asked_again(
    dead_port: int, caplog: pytest.LogCaptureFixture
) -> None:
    counter = spared(dead_port, pause=0.05)
    counter.charge("alice", [MINUTE], 1)
    threading.Event().wait(0.06)
    counter.charge("alice", [MINUTE], 1)
    assert len(caplog.records) == 2
