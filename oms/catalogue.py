"""Which markets an account has: asked at the start, and again by itself until its venue has named them all.

A venue that answers for a part begins with that part. Nothing trades before everything was compared, so a missing part
costs trading and not the start: the log, the reads and the halts are there, and `/health/ready` says what is missing.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Final, Protocol

import structlog
from msgspec import Struct

from oms.decide import Decider
from oms.errors import OmsError
from oms.instrument import Instrument
from oms.ports import Clock, Spawn
from oms.reconcile import Result
from oms.values import AccountId
from oms.venue import CatalogueCutError, NoAnswerError, Venue
from oms.watcher import Watcher

ASK_AGAIN_SECONDS: Final = (0.5, 1.0, 2.0, 5.0)  # between tries to reach a venue at the start; the last one repeats
PART_SECONDS: Final = 5.0  # then a comparison of a part is enough to start with
LOOK_SECONDS: Final = 0.1

Tell = Callable[[str], None]

log = structlog.get_logger()


class Follow(Protocol):
    """Follows the markets that are wanted, as far as they are known."""

    def __call__(self, *, cut: bool) -> None: ...


class VenueDownError(OmsError):
    """The venue could not be asked for what trading starts with."""

    code = "venue_down"
    next_step = "see that the venue is up and its address is right (oms config show), then start again"


class Catalogue(Struct, frozen=True):
    """The markets that a venue has named; `missing` says which it could not, "" for none."""

    markets: Sequence[Instrument]
    missing: str = ""


async def ask(name: AccountId, venue: Venue, *, seconds: float, clock: Clock, tell: Tell) -> Catalogue:
    """Ask the venue for its markets, again and again for so long; a part of them is an answer.

    Raises:
        VenueDownError: it named none.
    """
    deadline = clock.monotonic() + seconds
    for attempt in range(10_000):
        try:
            return Catalogue(await venue.instruments())
        except CatalogueCutError as error:
            tell(f"account {name}: {venue.name} named a part of its markets; nothing trades yet: {error.cause}")
            return Catalogue(error.found, error.cause)
        except NoAnswerError as error:
            if clock.monotonic() > deadline:
                raise VenueDownError(f"account {name}: {venue.name} cannot be asked: {error.cause}") from error
            pause = ASK_AGAIN_SECONDS[min(attempt, len(ASK_AGAIN_SECONDS) - 1)]
            tell(f"{venue.name} cannot be asked ({error.cause}); trying again in {pause} s")
            await asyncio.sleep(pause)
    raise AssertionError("the deadline comes before the last attempt")


async def complete(decider: Decider, venue: Venue, whole: Callable[[], None]) -> None:
    """Ask until the venue has named all of its markets, have them decided with, and call `whole`."""
    while True:
        await asyncio.sleep(ASK_AGAIN_SECONDS[-1])
        with suppress(NoAnswerError):
            markets = await venue.instruments()
            # without a pause in between: no comparison is complete before its markets are known
            decider.instruments = {market.symbol: market for market in markets}
            log.info("the venue has named all of its markets", account=decider.account)
            whole()
            return


def complete_each(
    lacking: Mapping[AccountId, Venue], deciders: Mapping[AccountId, Decider], follow: Follow, spawn: Spawn
) -> None:
    """Have each account's markets completed, and those followed that are wanted; `cut` while another one lacks some."""
    left = set(lacking)

    def whole(name: AccountId) -> None:
        left.discard(name)
        follow(cut=bool(left))

    for name, venue in lacking.items():
        spawn(complete(deciders[name], venue, partial(whole, name)), name=f"markets of {name}")


async def compared(name: AccountId, watcher: Watcher, *, seconds: float, clock: Clock, tell: Tell) -> None:
    """Wait until the account was compared with its venue; where a part of that cannot be asked for, only for a while.

    Raises:
        VenueDownError: nothing could be asked in time.
    """
    began = clock.monotonic()
    while not watcher.synced.is_set():
        passed = clock.monotonic() - began
        standing = watcher.standing
        if passed > min(PART_SECONDS, seconds) and standing is not None and standing.result is Result.PARTIAL:
            tell(f"account {name} does not trade yet, and goes on trying: {watcher.broken()}")
            return
        if passed > seconds:
            raise VenueDownError(f"account {name} could not be compared with its venue in time: {watcher.broken()}")
        with suppress(TimeoutError):
            async with asyncio.timeout(LOOK_SECONDS):
                await watcher.synced.wait()
