"""S44, S55: one order that nobody can read among many, and more requests at once than the venue takes."""

import asyncio
from collections.abc import Awaitable
from decimal import Decimal
from random import Random  # noqa: TID251 - jitter from a seed

import pytest

from adapters.bitmart.sign import Credentials
from adapters.bitmart.spot.venue import Options
from adapters.bitmart.venue import Bitmart, Endpoints
from adapters.simulator.wire.gateway import Reply
from adapters.simulator.wire.keys import demo_credentials
from oms.account.events import PayloadQuarantined
from oms.account.state import QUARANTINED_MAX, Account, evolve, quarantine
from oms.order.state import Life
from oms.values import Provenance, Symbol
from tests.scenarios.house import PERPETUAL, SPOT, House, beside, stream, tell
from tests.simulation.process import Process
from tests.simulation.running import CountedIds


@pytest.mark.parametrize(("symbol", "size"), [(SPOT, "0.01"), (PERPETUAL, "5")])
def test_s44_one_order_that_cannot_be_read_keeps_nobody_from_the_others_and_its_bytes_are_kept(
    symbol: Symbol, size: str
) -> None:
    async def story(house: House) -> None:
        await house.start()
        for number in range(4):
            await house.place(f"c{number}", "buy", size, str(50_000 + number), symbol=symbol)
        await house.until(lambda: all(house.life(f"c{number}") is Life.WORKING for number in range(4)))
        account = house.spot if symbol == SPOT else house.futures
        bad = [account.order_by_client_id(name) for name in ("c0", "c1")]
        for each in bad:
            assert each is not None
            each.price = Decimal("NaN")  # what the venue says of them from now on, in the same words
        house.faults(frame_dropped=1)  # so that the poll alone can tell
        house.stranger("sell", size, "50003", symbol=symbol)
        await house.until(lambda: house.life("c3") is Life.FILLED, seconds=60)
        await asyncio.sleep(60)
        assert [house.life(name) for name in ("c0", "c1", "c2")] == [Life.WORKING] * 3
        await house.cancel("c2")
        await house.until(lambda: house.life("c2") is Life.CANCELED, seconds=60)
        assert any(failed.startswith("coverage:") for failed in house.breaks()), "a list with a hole counts as whole"
        kept = [each for each in house.account_events() if isinstance(each, PayloadQuarantined)]
        listed = [each for each in kept if "NaN" in each.why]
        alone = [each for each in kept if "cannot be read" in each.why]
        assert len(listed) == 2, "each once, however often the list is polled, although the words are the same"
        assert [sum(each.order_id in told.why for told in listed) for each in bad if each is not None] == [1, 1]
        assert [told.why.partition(":")[0] for told in alone] == [stream("c0"), stream("c1")], "asked for by themselves"
        assert len(kept) == 4
        for told in kept:
            raw = house.log._messages[told.message_id]
            assert raw.channel == told.channel
            assert b"NaN" in raw.body
        assert all(b'"c0"' in house.log._messages[told.message_id].body for told in (*listed, alone[0]))
        head = await house.log.head()
        await asyncio.sleep(120)
        assert len([each for each in house.log._events[head:] if each.topic.startswith("payload-")]) == 0
        house.kill()
        house.begin()
        await house.oms.leads.wait()
        await asyncio.sleep(60)
        assert not house.engine.trading, "c0 cannot be asked for: nothing trades before it can"
        assert sum(isinstance(each, PayloadQuarantined) for each in house.account_events()) == 4, "also after a restart"

    tell(story)


def test_s44_a_push_that_cannot_be_read_is_kept_and_the_stream_goes_on() -> None:
    async def story(house: House) -> None:
        await house.start()
        await house.place("c1", "buy", "0.01", "50000")
        await house.until(lambda: house.life("c1") is Life.WORKING)
        house.faults(frame_garbage=1)
        await house.place("c2", "buy", "0.01", "49000")
        await asyncio.sleep(5)
        house.faults()
        kept = [each for each in house.account_events() if isinstance(each, PayloadQuarantined)]
        assert kept
        assert all(house.log._messages[each.message_id].body for each in kept)
        house.stranger("sell", "0.01", "50000")
        await house.until(lambda: house.life("c1") is Life.FILLED)
        assert house.heard[-1][0] is Provenance.STREAM
        await house.rests()

    tell(story)


def test_s44_a_venue_that_speaks_another_language_does_not_fill_the_log() -> None:
    account, kept = Account(), 0
    for number in range(10 * QUARANTINED_MAX):
        events = quarantine(PayloadQuarantined(channel="ws", why=f"?{number}", message_id="m"), account)
        for event in events:
            account = evolve(account, event)
        kept += len(events)
    assert kept == QUARANTINED_MAX


def test_s55_a_burst_stays_within_the_venues_limits_and_cancels_are_not_held_up_by_it() -> None:
    async def story(house: House) -> None:
        await house.start()
        turned_away = ear_at_the_door(house)
        await house.place("first", "buy", "0.0002", "40000")
        await house.until(lambda: house.life("first") is Life.WORKING)
        names = [f"c{number}" for number in range(200)]
        await asyncio.gather(*(house.place(name, "buy", "0.0002", "40000") for name in names))
        await house.cancel("first")  # in the middle of it
        await house.until(lambda: house.life("first") is Life.CANCELED, seconds=5)
        await house.until(lambda: all(house.life(name) is not Life.SENDING for name in names), seconds=120)
        assert {house.life(name) for name in names} == {Life.WORKING}
        assert turned_away == []
        assert len(house.network.submits()) == 201
        await house.rests()

    tell(story)


@pytest.mark.parametrize("told", [True, False])
def test_s55_four_processes_at_one_address_break_no_limit_once_they_know_of_each_other(
    told: bool,  # noqa: FBT001
) -> None:
    async def story(house: House) -> None:
        turned_away = ear_at_the_door(house)
        work = [beside(burst(neighbour(house, number))) for number in range(3)]
        await house.start()
        names = [f"c{number}" for number in range(60)]
        await asyncio.gather(*(house.place(name, "buy", "0.0002", "40000") for name in names))
        await house.cancel("c0")  # in the middle of it
        await house.until(lambda: house.life("c0") is Life.CANCELED, seconds=5)
        await asyncio.gather(*work)
        await house.until(lambda: all(house.life(name) is Life.WORKING for name in names[1:]))
        await house.rests()
        assert (turned_away == []) is told, "without a word the four are too many: the burst is one"

    tell(story, lambda: House(options=Options(callers=4 if told else 1)))


def ear_at_the_door(house: House) -> list[int]:
    """Return where the status of every answer of the venue that turns somebody away is put down from now on."""
    turned_away: list[int] = []
    serve = house.simulator.serve

    def heard(*args, **kwargs):  # type: ignore[no-untyped-def]
        reply = serve(*args, **kwargs)
        if isinstance(reply, Reply) and reply.status in {429, 418}:
            turned_away.append(reply.status)
        return reply

    house.simulator.serve = heard  # type: ignore[method-assign]
    return turned_away


def neighbour(house: House, number: int) -> Bitmart:
    """Another process on this machine, which trades an account of its own."""
    keys = demo_credentials(f"neighbour{number}", number)
    house.simulator.open_account(keys, {"USDT": Decimal(1000)}, {"USDT": Decimal(1000)})
    ids = CountedIds(house.clock, 100 + number, Random(number))
    return Bitmart(
        Credentials(key=keys.key, secret=keys.secret, memo=keys.memo),
        Endpoints(),
        link=house.network.line(),
        clock=house.clock,
        ids=ids,
        spawn=Process().spawn,
        options=house.options,
    )


async def burst(venue: Bitmart) -> None:
    """Call as fast as one process may, by what it knows."""
    for _ in range(10):
        calls: list[Awaitable[object]] = [venue.instruments() for _ in range(20)]
        calls += [venue.balances(), venue.open_orders(), venue.positions()]
        await asyncio.gather(*calls, return_exceptions=True)
