"""One REST call to BitMart, whole: its turn, its signature, its evidence, and the venue's clock it is stamped with."""

import asyncio
import math
from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Final
from urllib.parse import urlencode

from msgspec import Struct

from adapters.bitmart.envelope import HTTP_OK, opened, payload
from adapters.bitmart.limits import BANNED, TOO_MANY, Ban, Limiter, Purpose, Rate, TurnedAwayError
from adapters.bitmart.scalars import LATEST_MS, SECONDS_BELOW, Wire, whole
from adapters.bitmart.sign import Credentials, keyed, signed
from oms.ports import Clock, Link, LinkAnswer, LinkError, Spawn
from oms.reports import Refusal, RefusalClass
from oms.venue import Evidence, LastLook, NoAnswerError, nothing_holds

CALL_SECONDS: Final = 10.0  # a submit may still execute up to a minute later (PROTOCOL 9.22)
TIME_PATH: Final = "/system/time"
RESYNC_SECONDS: Final = 60.0
RETRY_SECONDS: Final = 5.0
ROUND_TRIP_SECONDS: Final = 2.0  # a slower answer says too little about the time
NO_QUERY: Final[Mapping[str, str | int]] = MappingProxyType({})
NS_PER_MS: Final = 1_000_000
NS_PER_SECOND: Final = 1_000_000_000


class ServerTime(Struct):
    """`/system/time`, in ms."""

    server_time: Wire


class Rest:
    """Calls to one BitMart host. No command is ever repeated here. A question about the account that came too often
    for the venue is put once more when it may be: the process that led before us may have used the rate up.

    `server_clock` is that of another host, where this one does not say the time; a ban of either is then one of both.
    `callers` are the processes at this address.
    """

    def __init__(
        self,
        *,
        credentials: Credentials,
        url: str,
        rates: Mapping[str, Rate],
        link: Link,
        clock: Clock,
        spawn: Spawn,
        server_clock: "ServerClock | None" = None,
        callers: int = 1,
    ) -> None:
        self._credentials = credentials
        self._url = url.rstrip("/")
        self.clock = clock
        self._link = link
        ban = None if server_clock is None else server_clock.ban
        self.limiter = Limiter(clock, rates, callers=callers, ban=ban)
        self.server_clock = server_clock or ServerClock(self, clock, spawn)

    async def public(self, path: str, query: Mapping[str, str | int] = NO_QUERY) -> Evidence:
        """GET without a key. The evidence's request is the query."""
        return await self._call("GET", path, urlencode(query).encode(), {}, purpose=Purpose.LOOKING)

    async def time(self, left: Callable[[], None]) -> Evidence:
        """GET the venue's time; `left` is called the moment the question leaves."""
        return await self._call(
            "GET", TIME_PATH, b"", {}, purpose=Purpose.TIMING, seconds=ROUND_TRIP_SECONDS, last_look=left
        )

    async def keyed(self, path: str, query: Mapping[str, str | int] = NO_QUERY) -> Evidence:
        """GET with the key alone. The evidence's request is the query. It carries no stamp; but who reads by dates has
        to know what time it is there.
        """
        await self.server_clock.ready()
        return await self._call("GET", path, urlencode(query).encode(), keyed(self._credentials))

    async def signed(
        self, path: str, body: bytes, purpose: Purpose = Purpose.ASKING, last_look: LastLook = nothing_holds
    ) -> Evidence:
        """POST `body`, signed with the venue's time at the moment it leaves, unless `last_look` holds it back then.

        Raises:
            NoAnswerError: no whole answer came; `sent` is False only if certainly nothing left. So do `public` and
                `keyed`.
        """
        await self.server_clock.ready()
        return await self._call("POST", path, body, None, purpose=purpose, last_look=last_look)

    async def _call(
        self,
        method: str,
        path: str,
        body: bytes,
        headers: Mapping[str, str] | None,
        *,
        purpose: Purpose = Purpose.ASKING,
        seconds: float = CALL_SECONDS,
        last_look: LastLook = nothing_holds,
    ) -> Evidence:
        """Make the call once its turn has come; `headers` None: sign it at that moment. A GET's `body` is its query."""
        call = partial(self._once, method, path, body, headers, purpose=purpose, seconds=seconds, last_look=last_look)
        evidence = await call()
        if evidence.status == TOO_MANY and purpose is Purpose.ASKING:  # certainly not executed (PROTOCOL 3.1)
            return await call()
        return evidence

    async def _once(
        self,
        method: str,
        path: str,
        body: bytes,
        headers: Mapping[str, str] | None,
        *,
        purpose: Purpose,
        seconds: float,
        last_look: LastLook,
    ) -> Evidence:
        channel = f"{method} {path}"
        url = self._url + (f"{path}?{body.decode()}" if method == "GET" and body else path)
        sent_ns: int | None = None
        try:
            async with self.limiter.turn(path, purpose):
                held = last_look()
                if held is not None:
                    raise NoAnswerError(held, Evidence(channel=channel, request=body), sent=False)
                if headers is None:
                    headers = signed(self._credentials, self.server_clock.now_ms(), body)
                sent_ns = self.clock.now_ns()
                answer = await self._link.call(method, url, headers, b"" if method == "GET" else body, seconds)
        except TurnedAwayError as error:
            unsent = Evidence(channel=channel, request=body)
            raise NoAnswerError(str(error), unsent, sent=False, again_seconds=error.seconds) from error
        except LinkError as error:
            nothing = Evidence(channel=channel, request=body, sent_ns=sent_ns, received_ns=self.clock.now_ns())
            raise NoAnswerError(f"{channel}: {error}", nothing, sent=error.sent) from error
        self.limiter.answered(path, _told(answer), answer.headers, purpose)
        return self._evidence(channel, body, answer, sent_ns)

    def _evidence(self, channel: str, body: bytes, answer: LinkAnswer, sent_ns: int) -> Evidence:
        return Evidence(
            channel=channel,
            request=body,
            response=answer.body,
            status=answer.status,
            sent_ns=sent_ns,
            received_ns=self.clock.now_ns(),
        )


def _told(answer: LinkAnswer) -> int:
    """Return the status of an answer, 429 where only its code says so: futures say "too often" with 400 (4.7)."""
    if answer.status in (HTTP_OK, TOO_MANY, BANNED):
        return answer.status
    found = opened(answer.body, answer.status)
    return TOO_MANY if isinstance(found, Refusal) and found.klass is RefusalClass.RATE_LIMIT else answer.status


class ServerClock:
    """The venue's time: what `/system/time` said about a minute ago at most, carried on by our monotonic clock, so that
    nobody who sets our own clock sets this one.

    Until an answer came it is our own time; a request whose stamp is off is refused with 30007, and then the next one
    measures again.
    """

    def __init__(self, rest: Rest, clock: Clock, spawn: Spawn) -> None:
        self._rest = rest
        self._clock = clock
        self._spawn = spawn
        self._why = "was not asked"  # that it is not known
        self._said: tuple[int, float] | None = None  # the venue's time in ns, and when that was by the monotonic clock
        self._due_at: float | None = None  # None: before the next request
        self._measuring = asyncio.Lock()
        self._refreshing = False

    @property
    def ban(self) -> Ban:
        """What all that is stamped with this time goes by."""
        return self._rest.limiter.ban

    @ban.setter
    def ban(self, ban: Ban) -> None:
        self._rest.limiter.ban = ban

    @property
    def skew_ms(self) -> float:
        """How far the venue's clock is ahead of ours, in ms."""
        now_ns = self.now_ns()
        return 0.0 if now_ns is None else round((now_ns - self._clock.now_ns()) / NS_PER_MS, 3)

    def now_ns(self) -> int | None:
        """Return the venue's time in ns, None before it was measured."""
        if self._said is None:
            return None
        said_ns, at = self._said
        return said_ns + int((self._clock.monotonic() - at) * NS_PER_SECOND)

    def now_ms(self) -> int:
        """Return the venue's time in ms."""
        now_ns = self.now_ns()
        return (self._clock.now_ns() if now_ns is None else now_ns) // NS_PER_MS

    def doubt(self) -> None:
        """Have the next request measure first: the venue refused a stamp."""
        self._due_at = None

    async def ready(self) -> None:
        """Measure before the first request; later measure beside the requests, so that none waits for it."""
        if self._due_at is None:
            async with self._measuring:
                if self._due_at is None:
                    await self._measure()
        elif self._clock.monotonic() >= self._due_at and not self._refreshing:
            self._refreshing = True
            self._spawn(self._refresh(), name="bitmart clock")

    async def known(self) -> None:
        """Return once the venue's time is known. Raises NoAnswerError."""
        await self.ready()
        if self._said is None:
            async with self._measuring:
                await self._measure()
        if self._said is None:
            cause = f"the venue has not said what time it is: {self._why}"
            raise NoAnswerError(cause, Evidence(channel=f"GET {TIME_PATH}"))

    async def _refresh(self) -> None:
        try:
            await self._measure()
        finally:
            self._refreshing = False

    async def _measure(self) -> None:
        said = await self._ask()
        if said is not None:
            self._said = said
        self._due_at = self._clock.monotonic() + (RETRY_SECONDS if said is None else RESYNC_SECONDS)

    async def _ask(self) -> tuple[int, float] | None:
        """Take the server's time as that of the middle of the round trip; None without a usable answer."""
        left_at = math.nan

        def left() -> None:
            nonlocal left_at
            left_at = self._clock.monotonic()

        try:
            evidence = await self._rest.time(left)
        except NoAnswerError as error:
            self._why = str(error)
            return None
        self._why = f"status {evidence.status} and nothing that tells it"
        now = self._clock.monotonic()
        said = payload(ServerTime, evidence.response, evidence.status)
        trip = now - left_at  # by the clock that nobody sets: the other one may step meanwhile
        if isinstance(said, Refusal) or trip > ROUND_TRIP_SECONDS:
            return None
        try:
            server_ms = whole(said.server_time, "server_time")
        except ValueError:
            return None
        if not SECONDS_BELOW < server_ms <= LATEST_MS:  # nothing, or seconds: every stamp would be refused by it
            return None
        return server_ms * NS_PER_MS, now - trip / 2
