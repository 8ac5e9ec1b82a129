"""Stopping a command between two pieces of work."""

import os
import select
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final, Protocol

STOP: Final = (signal.SIGTERM, signal.SIGINT)


class Stopping(Protocol):
    """Whether the process was asked to stop; waits for it up to so many seconds."""

    def __call__(self, within: float = 0) -> bool: ...


@contextmanager
def stop_signals() -> Iterator[Stopping]:
    """Turn SIGTERM and SIGINT into something to ask about; the second one ends the process.

    Only the main thread may do this. A pipe, since select waits for it and a handler may write to
    it at any moment; a threading.Event could deadlock there.
    """
    reader, writer = os.pipe()

    def note(number: int, _: FrameType | None) -> None:
        signal.signal(number, before[signal.Signals(number)])
        os.write(writer, b".")

    before = {number: signal.getsignal(number) for number in STOP}
    for number in STOP:
        signal.signal(number, note)
    try:
        yield lambda within=0: bool(select.select([reader], [], [], within)[0])
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        os.close(reader)
        os.close(writer)
