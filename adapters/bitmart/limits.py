"""How often BitMart may be called: one bucket for each endpoint, honoured in every window (PROTOCOL 3).

The venue counts in fixed windows whose phase nobody tells, so a bucket keeps its limit in any window of that length:
the n-th call waits until the answer to the one n before it is a window old. The answer, since a call may arrive at any
moment until then: a wire that stalls delivers at once what left bit by bit. Calls wait in the order they came and for a
bounded time; who would wait longer is turned away before anything is sent. Sleeping is the loop's; time the Clock's.

Submits and cancels have buckets of their own at the venue. What they share is ours: the calls in flight. A part of
those is kept for cancels, so that a venue that answers slowly cannot fill them with submits. And what is ours is who
gives way: once the venue said 429 to anything, new orders are turned away at once for as long as that bucket rests,
while cancels and queries of other buckets go on. After 418 nothing goes at all, to no host of the venue.
"""

import asyncio
import math
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from enum import Enum
from types import MappingProxyType
from typing import Final

from msgspec import Struct

from oms.ports import Clock


class Rate(Struct, frozen=True):
    """At most `calls` in any `seconds`."""

    calls: int
    seconds: float

    def shared(self, callers: int) -> "Rate":
        """Return the part of it that each of at most `calls` callers may use without asking the others."""
        assert callers <= self.calls, "what is less than one call each nobody can share unasked"
        return Rate(self.calls // callers, self.seconds)


class Purpose(Enum):
    """What a call is for: who gives way to whom."""

    OPENING = "opening"  # a new order: the first to stop
    ASKING = "asking"
    CHANGING = "changing"  # an order or a setting that is there
    LOOKING = "looking"  # at what is public: counted by address, and no sign of how the account is doing
    CANCELING = "canceling"  # also a heartbeat: places are kept for it
    TIMING = "timing"  # what time it is there: public, and in a kept place, since cancels wait for it too


KEPT: Final = frozenset({Purpose.CANCELING, Purpose.TIMING})  # those who need not wait for a submit to be answered
PUBLIC: Final = frozenset({Purpose.LOOKING, Purpose.TIMING})


# PROTOCOL 3.2, the endpoints we call.
SPOT_RATES: Final[Mapping[str, Rate]] = MappingProxyType(
    {
        "/system/time": Rate(10, 1),
        "/spot/v1/symbols/details": Rate(12, 2),
        "/spot/v1/wallet": Rate(12, 2),
        "/spot/v1/user_fee": Rate(2, 2),
        "/spot/v1/trade_fee": Rate(2, 2),
        "/spot/quotation/v3/klines": Rate(10, 2),
        "/spot/v2/submit_order": Rate(40, 2),
        "/spot/v4/batch_orders": Rate(40, 2),
        "/spot/v3/cancel_order": Rate(40, 2),
        "/spot/v4/cancel_orders": Rate(40, 2),
        "/spot/v4/cancel_all": Rate(1, 3),
        "/spot/v4/query/order": Rate(50, 2),
        "/spot/v4/query/client-order": Rate(50, 2),
        "/spot/v4/query/open-orders": Rate(12, 2),
        "/spot/v4/query/history-orders": Rate(12, 2),
        "/spot/v4/query/trades": Rate(12, 2),
        "/spot/v4/query/order-trades": Rate(12, 2),
        "/spot/v4/algo/submit_order": Rate(10, 2),
        "/spot/v4/algo/cancel_order": Rate(10, 2),
        "/spot/v4/algo/cancel_all": Rate(5, 2),
        "/spot/v4/query/algo/order": Rate(40, 2),
        "/spot/v4/query/algo/client-order": Rate(40, 2),
        "/spot/v4/query/algo/open-orders": Rate(20, 2),
        "/spot/v4/query/algo/history-orders": Rate(20, 2),
    },
)
# PROTOCOL 3.3, the endpoints we call.
FUTURES_RATES: Final[Mapping[str, Rate]] = MappingProxyType(
    {
        "/contract/public/details": Rate(12, 2),
        "/contract/public/kline": Rate(12, 2),
        "/contract/public/leverage-bracket": Rate(12, 2),
        "/contract/private/submit-order": Rate(24, 2),
        "/contract/private/submit-plan-order": Rate(24, 2),
        "/contract/private/submit-tp-sl-order": Rate(24, 2),
        "/contract/private/submit-trail-order": Rate(24, 2),
        "/contract/private/modify-limit-order": Rate(24, 2),
        "/contract/private/modify-plan-order": Rate(24, 2),
        "/contract/private/modify-tp-sl-order": Rate(24, 2),
        "/contract/private/modify-preset-plan-order": Rate(24, 2),
        "/contract/private/cancel-order": Rate(40, 2),
        "/contract/private/cancel-plan-order": Rate(40, 2),
        "/contract/private/cancel-trail-order": Rate(24, 2),
        "/contract/private/cancel-all-after": Rate(4, 2),
        "/contract/private/submit-leverage": Rate(24, 2),
        "/contract/private/set-position-mode": Rate(2, 2),
        "/contract/private/get-position-mode": Rate(2, 2),
        "/contract/private/order": Rate(50, 2),
        "/contract/private/get-open-orders": Rate(50, 2),
        "/contract/private/current-plan-order": Rate(50, 2),
        "/contract/private/order-history": Rate(6, 2),
        "/contract/private/trades": Rate(6, 2),
        "/contract/private/transaction-history": Rate(6, 2),
        "/contract/private/position-v2": Rate(6, 2),
        "/contract/private/assets-detail": Rate(12, 2),
        "/contract/private/trade-fee-rate": Rate(2, 2),
        "/account/v1/transfer-contract-list": Rate(1, 2),
    },
)
UNLISTED: Final = Rate(1, 2)  # the tightest the venue documents
# Counted by address, so that every process behind it draws on them. All else is counted by key or account, and an
# account has one leader.
BY_ADDRESS: Final = frozenset(
    {
        "/system/time",
        "/spot/v1/symbols/details",
        "/spot/quotation/v3/klines",
        "/contract/public/details",
        "/contract/public/kline",
        "/contract/public/leverage-bracket",
    }
)

WAIT_MAX: Final = 5.0  # seconds a caller waits for its turn
STRETCH: Final = 1.1  # of the window: calls spaced when they leave may arrive closer together
FREEZE_MAX: Final = 60.0
BAN_SECONDS: Final = 300.0  # after 418: "retry after minutes"; how long a ban lasts is unverified
STRIKES_MAX: Final = 6

IN_FLIGHT: Final = 48  # calls at once
IN_FLIGHT_FOR_CANCELS: Final = 16  # more, for cancels and the time they are stamped with

TOO_MANY: Final = 429
BANNED: Final = 418
USED_HEADER: Final = "x-bm-ratelimit-remaining"  # the name lies: it counts the calls used, upwards
LIMIT_HEADER: Final = "x-bm-ratelimit-limit"


class TurnedAwayError(Exception):
    """No turn within the time a caller may wait; nothing was sent. A turn may be free in `seconds`."""

    def __init__(self, cause: str, seconds: float) -> None:
        super().__init__(cause)
        self.seconds = seconds


class _Call:
    """One call: when it is to leave, and from its answer on when that was. One that never left leaves its place to the
    one that it waited for.
    """

    __slots__ = ("at", "flying", "instead")

    def __init__(self, at: float) -> None:
        self.at = at
        self.flying = False
        self.instead: _Call | None = None


_NEVER: Final = _Call(-math.inf)


class _Bucket:
    """One endpoint's last calls, as many as fit into one window."""

    def __init__(self, rate: Rate) -> None:
        self.window = rate.seconds * STRETCH
        self.calls: deque[_Call] = deque(maxlen=rate.calls)
        self.frozen_until = 0.0
        self.strikes = 0

    @property
    def before(self) -> _Call:
        """The call that the next one waits for."""
        return self.calls[0] if len(self.calls) == self.calls.maxlen else _NEVER

    def free(self, before: _Call, now: float) -> float:
        """Return when a call that waits for `before` may leave, at the soonest."""
        before = before.instead or before
        return max(now, self.frozen_until, (now if before.flying else before.at) + self.window)


class Ban:
    """Until when nothing goes to the venue: it banned the address, not a host or an account (PROTOCOL 3.1). One for all
    that is called from there.
    """

    def __init__(self) -> None:
        self.until = 0.0  # of the monotonic clock


class Limiter:
    """Admits calls to one host.

    Args:
        clock: tells the time.
        rates: by path; a path that is not listed gets the tightest.
        callers: how many processes call from the same address; each keeps to its part of what is counted by address.
        ban: what the other hosts' limiters of this process go by too.
    """

    def __init__(self, clock: Clock, rates: Mapping[str, Rate], *, callers: int = 1, ban: Ban | None = None) -> None:
        self._clock = clock
        self._buckets = {
            path: _Bucket(rate.shared(callers) if path in BY_ADDRESS else rate) for path, rate in rates.items()
        }
        self._unlisted = _Bucket(UNLISTED)
        self.ban = ban or Ban()
        self._shedding_until = 0.0
        self._slots = asyncio.Semaphore(IN_FLIGHT)
        self._kept_slots = asyncio.Semaphore(IN_FLIGHT_FOR_CANCELS)

    @asynccontextmanager
    async def turn(self, path: str, purpose: Purpose = Purpose.ASKING) -> AsyncIterator[None]:
        """Hold a place among the calls in flight while the body runs, from the moment `path` may be called.

        Raises:
            TurnedAwayError: that moment is more than WAIT_MAX away, or new orders give way to the rest.
        """
        self._give_way(path, purpose)
        slots = self._kept_slots if purpose in KEPT else self._slots
        if slots.locked():
            await self._place(slots, path)
        else:
            await slots.acquire()  # at once: a timer for it would be wasted
        try:
            call = await self._wait(path)
            try:
                self._give_way(path, purpose)  # the venue may have said so while we waited
                yield
            finally:
                call.at, call.flying = self._clock.monotonic(), False
        finally:
            slots.release()

    def answered(self, path: str, status: int, headers: Mapping[str, str], purpose: Purpose = Purpose.ASKING) -> None:
        """Learn from an answer: its status, and the venue's own count."""
        bucket, now = self._bucket(path), self._clock.monotonic()
        if status in (TOO_MANY, BANNED):
            if now >= bucket.frozen_until:  # else it left with one that was refused already: one storm is one strike
                bucket.strikes = min(bucket.strikes + 1, STRIKES_MAX)
                bucket.frozen_until = now + min(bucket.window * 2 ** (bucket.strikes - 1), FREEZE_MAX)
            if purpose not in PUBLIC:
                self._shedding_until = max(self._shedding_until, bucket.frozen_until)
            if status == BANNED:
                self.ban.until = now + BAN_SECONDS
            return
        bucket.strikes = 0
        used, limit = headers.get(USED_HEADER, ""), headers.get(LIMIT_HEADER, "")
        if used.isdecimal() and limit.isdecimal() and int(used) >= int(limit) > 0:
            bucket.frozen_until = max(bucket.frozen_until, now + bucket.window)

    @staticmethod
    async def _place(slots: asyncio.Semaphore, path: str) -> None:
        try:
            async with asyncio.timeout(WAIT_MAX):
                await slots.acquire()
        except TimeoutError as error:
            raise TurnedAwayError(f"{path}: as many calls in flight as there may be", WAIT_MAX) from error

    def _give_way(self, path: str, purpose: Purpose) -> None:
        rest = self._shedding_until - self._clock.monotonic()
        if purpose is Purpose.OPENING and rest > 0:
            raise TurnedAwayError(f"{path}: the venue is busy, no new orders for {rest:.1f} s", rest)

    async def _wait(self, path: str) -> _Call:
        """Return the call once it may leave, and count it from then on."""
        bucket, now = self._bucket(path), self._clock.monotonic()
        deadline, before, call = now + WAIT_MAX, bucket.before, None
        while True:
            start = max(bucket.free(before, now), self.ban.until)
            if start > deadline:
                if call is not None:
                    call.instead = before.instead or before
                raise TurnedAwayError(f"{path}: the next turn is {start - now:.1f} s away", start - now)
            if call is None:
                call = _Call(start)
                bucket.calls.append(call)
            call.at = start
            if start <= now:
                call.flying = True
                return call
            await asyncio.sleep(start - now)
            now = self._clock.monotonic()  # the one before may still fly, or the venue froze us while we slept

    def _bucket(self, path: str) -> _Bucket:
        return self._buckets.get(path, self._unlisted)
