"""Counters of fixed windows: in this process, or by `counting_on_redis` for all of them together.

Windows of n seconds begin at multiples of n since the epoch. A counter's window is part of its
name, so an old one is never reset, only forgotten.
"""

import functools
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple, Protocol

from django.conf import settings
from django.core.signals import setting_changed
from django.dispatch import receiver

#: Counters of one window length a process holds by name, and those that the rest share.
MAX_NAMED: Final = 100_000
SHARED: Final = 4096


class Window(NamedTuple):
    """At most `limit` units in each `seconds`."""

    name: str
    limit: int
    seconds: int


#: What is left of each window after the charge, and in how many seconds the window ends.
Left = Sequence[tuple[int, int]]


class Counter(Protocol):
    def charge(self, subject: str, windows: Sequence[Window], cost: int) -> tuple[bool, Left]:
        """Charge `cost` to every window of `subject`, or to none if one of them cannot bear it."""


class LocalCounter:
    """Counters of this process, safe between its threads.

    Memory is bounded: a window's counters go all at once when it ends, and past `max_named` new
    subjects share `SHARED` counters by hash. Sharing makes a limit tighter; throwing a live counter
    away would lift it.
    """

    def __init__(self, clock: Callable[[], float] = time.time, max_named: int = MAX_NAMED) -> None:
        self._clock = clock
        self._max_named = max_named
        self._lock = threading.Lock()
        # window length -> (the window's number, subject or shared slot -> used)
        self._counts: dict[int, tuple[int, dict[str | int, int]]] = {}

    def charge(self, subject: str, windows: Sequence[Window], cost: int) -> tuple[bool, Left]:
        now = int(self._clock())
        with self._lock:
            found = [self._find(subject, window.seconds, now) for window in windows]
            free = [
                window.limit - counts.get(name, 0)
                for window, (counts, name) in zip(windows, found, strict=True)
            ]
            allowed = min(free) >= cost
            if allowed:
                for counts, name in found:
                    counts[name] = counts.get(name, 0) + cost
        spent = cost if allowed else 0
        return allowed, [
            (left - spent, window.seconds - now % window.seconds)
            for window, left in zip(windows, free, strict=True)
        ]

    def _find(self, subject: str, seconds: int, now: int) -> tuple[dict[str | int, int], str | int]:
        number, counts = self._counts.get(seconds, (-1, {}))
        if number != now // seconds:
            counts = {}
            self._counts[seconds] = now // seconds, counts
        if subject in counts or len(counts) < self._max_named:
            return counts, subject
        return counts, hash(subject) % SHARED


@functools.cache
def counter() -> Counter:
    """This process's counter, by ``REDIS_URL``."""
    local = LocalCounter()
    url: str | None = getattr(settings, "REDIS_URL", None)
    if not url:
        return local
    # Only here, since Redis' client takes 6 MB and 100 ms to import.
    from sign_s3.api.counting_on_redis import RedisCounter, SparedCounter  # noqa: PLC0415

    return SparedCounter(RedisCounter(url), local)


@receiver(setting_changed)
def _forget_counter(*, setting: str, **kwargs: Any) -> None:
    if setting == "REDIS_URL":
        counter.cache_clear()
