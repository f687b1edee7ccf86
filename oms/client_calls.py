"""The calls of the SDK: each is made until it is answered, and what is repeated is the very same request."""

import asyncio
from collections.abc import Mapping
from types import TracebackType
from typing import Final, Self, TypeVar

import aiohttp
import msgspec
from msgspec.structs import replace
from yarl import URL

from oms.client_wire import (
    RefusedError,
    UnexpectedAnswerError,
    UnreachableError,
    UnsendableError,
    connector,
    decoded,
    given,
    written,
)
from oms.gateway.problems import Problem
from oms.ports import Clock, Ids
from oms.runtime import SystemClock, TimeOrderedIds

ATTEMPTS_MAX: Final = 8  # of one call
PAUSES: Final = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0)  # seconds between attempts, each varied by half; the last repeats

_SUCCESS: Final = frozenset({200, 202})
_UNAVAILABLE: Final = 503

_V = TypeVar("_V")


class Calls:
    """One connection to a gateway."""

    def __init__(
        self,
        url: str,
        *,
        token: str,
        timeout: float = 10.0,
        ca: str | None = None,
        clock: Clock | None = None,
        ids: Ids | None = None,
    ) -> None:
        """Name the gateway at `url`: ``http://``, ``https://``, or ``unix://`` and the path of a socket.

        `timeout` is the seconds that one attempt may take, `ca` a PEM file of whom to trust beside the usual.
        Raises UnsendableError for what is no token.
        """
        if not token.isprintable():
            raise UnsendableError("the token has characters that no header can hold")
        system = SystemClock()
        self._named = URL(url)
        self._url = URL("http://localhost") if self._named.scheme == "unix" else self._named
        self._ca = ca
        self._token = token
        self._timeout = aiohttp.ClientTimeout(total=timeout)
        self._clock = clock or system
        self._ids = ids or TimeOrderedIds(system)
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        """Open; nothing is sent yet."""
        self._session = aiohttp.ClientSession(timeout=self._timeout, connector=connector(self._named, self._ca))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close every connection."""
        if self._session is not None:
            await self._session.close()

    # ------------------------------------------------------------------------------------------------ commands

    async def _call(
        self,
        kind: type[_V],
        method: str,
        path: str,
        *,
        query: Mapping[str, str | int | None] | None = None,
        body: Mapping[str, object] | None = None,
        key: str | None = None,
        known_again: bool = True,
    ) -> _V:
        """Make a call until it is answered; what is repeated is the very same request, which the OMS knows again. One
        that it would not know again is not repeated once it may have arrived; of one that may have, nobody says that
        nothing happened.
        """
        asked = given(query or {})
        url = self._url.join(URL(path, encoded=True)).with_query(asked)
        with written():
            "".join(str(value) for value in asked.values()).encode()  # an address would leave out what is no text
            data = None if body is None else msgspec.json.encode(body)
        headers = given({"Authorization": f"Bearer {self._token}", "Idempotency-Key": key})
        maybe_done = False  # by an attempt whose answer was lost, or that nobody knows the end of
        for attempt in range(ATTEMPTS_MAX):
            last = attempt == ATTEMPTS_MAX - 1
            try:
                return await self._once(kind, method, url, headers, data)
            except RefusedError as refusal:
                maybe_done = maybe_done or refusal.outcome == "unknown"
                again = refusal.retryable and refusal.status == _UNAVAILABLE and (known_again or not maybe_done)
                if last or not again:
                    if maybe_done and refusal.outcome == "none" and method != "GET":  # true of this attempt alone
                        said = f"an attempt before may have arrived; of the last: {refusal.problem.detail}"
                        raise RefusedError(replace(refusal.problem, outcome="unknown", detail=said)) from refusal
                    raise
            except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, TimeoutError) as error:
                maybe_done = maybe_done or not isinstance(error, aiohttp.ClientConnectorError)
                if maybe_done and not known_again:
                    raise UnreachableError(
                        f"no answer from {self._named}: it may be done; look before you ask again: {_words(error)}",
                        outcome="unknown",
                    ) from error
                if last:
                    raise UnreachableError(
                        f"no answer from {self._named} in {ATTEMPTS_MAX} attempts: {_words(error)}",
                        outcome="unknown" if maybe_done and method != "GET" else "none",
                    ) from error
            await self._pause(attempt)
        raise AssertionError("the last attempt returns or raises")

    async def _once(self, kind: type[_V], method: str, url: URL, headers: Mapping[str, str], data: bytes | None) -> _V:
        async with self._opened().request(method, url, headers=headers, data=data, allow_redirects=False) as response:
            answer = await response.read()
            if response.status in _SUCCESS:
                return decoded(kind, answer)
            if response.content_type != "application/problem+json":
                raise UnexpectedAnswerError(f"{url} answered {response.status} {response.content_type}")
            raise RefusedError(decoded(Problem, answer))

    async def _pause(self, attempt: int) -> None:
        await asyncio.sleep(PAUSES[min(attempt, len(PAUSES) - 1)] * self._ids.uniform(0.5, 1.5))

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise RuntimeError("the client is not open: use it in `async with oms.connect(...) as client`")
        return self._session


def _words(error: Exception) -> str:
    return str(error) or "none came in time"  # a timeout has no words of its own
