"""Counters on Redis, shared by all processes, and what counts while Redis is away."""

import logging
import threading
import time
from collections.abc import Sequence
from typing import Any, Final

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError, NoScriptError, RedisError  # noqa: A004
from redis.retry import Retry

from sign_s3.api.counting import Left, LocalCounter, Window

log = logging.getLogger(__name__)

#: Seconds Redis may take to connect or answer, and for how long it is left alone after it failed.
#: While it is, requests are not held up, so a Redis that hangs costs a worker one wait in 5 s.
REDIS_TIMEOUT: Final = 0.25
REDIS_PAUSE: Final = 5.0


class RedisCounter:
    """Counters that all processes share, by one script, so in one trip and exactly.

    The script looks before it charges, with nothing in between: of concurrent requests exactly
    `limit` units are granted. Counting first and giving back what was too much would be one trip
    more for refused requests, and would refuse others that still fit meanwhile. The windows are
    those of Redis' clock, so it does not matter that the workers' differ.

    The braces keep one subject's counters on one node of a cluster.
    """

    SCRIPT: Final = """
        local now = tonumber(redis.call('TIME')[1])
        local cost = tonumber(ARGV[1])
        local answer, names, allowed = {now}, {}, 1
        for i = 2, #ARGV, 2 do
            local limit, seconds = tonumber(ARGV[i]), tonumber(ARGV[i + 1])
            local name = KEYS[1] .. ':' .. seconds .. ':' .. math.floor(now / seconds)
            local free = limit - tonumber(redis.call('GET', name) or 0)
            if free < cost then allowed = 0 end
            names[#names + 1] = {name, seconds}
            answer[#answer + 1] = free
        end
        if allowed == 1 then
            for i, each in ipairs(names) do
                redis.call('INCRBY', each[1], cost)
                redis.call('EXPIRE', each[1], each[2])
                answer[i + 1] = answer[i + 1] - cost
            end
        end
        answer[#answer + 1] = allowed
        return answer
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._thread = threading.local()
        self._sha: str | None = None

    def charge(self, subject: str, windows: Sequence[Window], cost: int) -> tuple[bool, Left]:
        """As every Counter; `RedisError` if Redis does not answer."""
        arguments: list[Any] = [1, f"rate:{{{subject}}}", cost]
        for window in windows:
            arguments += [window.limit, window.seconds]
        now, *free, allowed = self._run(arguments)
        return allowed == 1, [
            (left, window.seconds - now % window.seconds)
            for window, left in zip(windows, free, strict=True)
        ]

    def _run(self, arguments: list[Any]) -> list[int]:
        redis = self._connected()
        if self._sha is not None:
            try:
                return redis.execute_command("EVALSHA", self._sha, *arguments)  # type: ignore[no-any-return]
            except NoScriptError:  # Redis was restarted
                self._sha = None
        self._sha = redis.script_load(self.SCRIPT)
        return redis.execute_command("EVALSHA", self._sha, *arguments)  # type: ignore[no-any-return]

    def _connected(self) -> Any:
        """This thread's own connection: taking one from a pool costs as much as the trip itself.

        One that Redis closed while it was idle is opened again, once; a timeout is not tried again.
        """
        try:
            return self._thread.redis
        except AttributeError:
            self._thread.redis = Redis.from_url(
                self._url,
                single_connection_client=True,
                socket_timeout=REDIS_TIMEOUT,
                socket_connect_timeout=REDIS_TIMEOUT,
                retry=Retry(NoBackoff(), 1, supported_errors=(ConnectionError,)),
            )
            return self._thread.redis


class SparedCounter:
    """Redis' count, or the local one while Redis cannot be reached, which is logged."""

    def __init__(
        self, shared: RedisCounter, local: LocalCounter, pause: float = REDIS_PAUSE
    ) -> None:
        self._shared = shared
        self._local = local
        self._pause = pause
        self._paused_until = 0.0

    def charge(self, subject: str, windows: Sequence[Window], cost: int) -> tuple[bool, Left]:
        if time.monotonic() >= self._paused_until:
            try:
                return self._shared.charge(subject, windows, cost)
            except RedisError as exc:
                # A line a pause and thread at most. The text could name the URL: left out.
                self._paused_until = time.monotonic() + self._pause
                log.error(  # noqa: TRY400 - the trace would add nothing
                    "rate limits are counted in this process alone for %d s, Redis: %s",
                    self._pause,
                    type(exc).__name__,
                )
        return self._local.charge(subject, windows, cost)
