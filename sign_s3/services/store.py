"""How services wait for S3: several calls side by side, and never all workers at once."""

import functools
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import TypeVar

from sign_s3 import guard
from sign_s3.conf import conf
from sign_s3.services.errors import StoreBusy

T = TypeVar("T")
R = TypeVar("R")


@contextmanager
def waiting_for_store() -> Iterator[None]:
    """A place among the requests of this process that may wait for S3; `StoreBusy` if none is free.

    A bucket that hangs then holds that many threads and no more: signing goes on in the others.
    """
    places = _places(conf().max_waiting)
    if not places.acquire(blocking=False):
        raise StoreBusy
    try:
        yield
    finally:
        places.release()


def each(
    call: Callable[[T], R],
    items: Sequence[T],
    *,
    every: float | None = None,
    meanwhile: Callable[[], None] | None = None,
) -> list[R | Exception]:
    """Call for every item side by side and return results or exceptions in the items' order.

    All calls have ended when this returns, also when some failed. ``meanwhile`` runs in the calling
    thread every so many seconds as long as any call is under way.
    """
    if len(items) == 1 and meanwhile is None:
        return [_outcome(call, items[0])]
    guard.check("a batch of calls")
    pool = _pool(conf().parallel_calls)
    futures = [pool.submit(_outcome, call, item) for item in items]
    try:
        while wait(futures, timeout=every).not_done:
            if meanwhile is not None:
                meanwhile()
    finally:
        wait(futures)
    return [future.result() for future in futures]


def _outcome(call: Callable[[T], R], item: T) -> R | Exception:
    try:
        return call(item)
    except Exception as exc:  # noqa: BLE001 - handed to the caller, who looks at every one
        return exc


@functools.cache
def _places(number: int) -> threading.BoundedSemaphore:
    return threading.BoundedSemaphore(number)


@functools.cache
def _pool(size: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=size, thread_name_prefix="s3")
