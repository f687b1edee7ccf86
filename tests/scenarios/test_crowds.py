"""S44, S55: one order that nobody can read among many, and more requests at once than the venue takes."""

import asyncio
from decimal import Decimal

import pytest

from adapters.simulator.wire.gateway import Reply
from oms.account.events import PayloadQuarantined
from oms.account.state import QUARANTINED_MAX, Account, evolve, quarantine
from oms.order.state import Life
from oms.values import Provenance, Symbol
from tests.scenarios.house import PERPETUAL, SPOT, House, stream, tell


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
        turned_away = 0
        serve = house.simulator.serve

        def counted(*args, **kwargs):  # type: ignore[no-untyped-def]
            nonlocal turned_away
            reply = serve(*args, **kwargs)
            turned_away += isinstance(reply, Reply) and reply.status in {429, 418}
            return reply

        house.simulator.serve = counted  # type: ignore[method-assign]  # an ear at the venue's door
        await house.place("first", "buy", "0.0002", "40000")
        await house.until(lambda: house.life("first") is Life.WORKING)
        names = [f"c{number}" for number in range(200)]
        await asyncio.gather(*(house.place(name, "buy", "0.0002", "40000") for name in names))
        await house.cancel("first")  # in the middle of it
        await house.until(lambda: house.life("first") is Life.CANCELED, seconds=5)
        await house.until(lambda: all(house.life(name) is not Life.SENDING for name in names), seconds=120)
        assert {house.life(name) for name in names} == {Life.WORKING}
        assert turned_away == 0
        assert len(house.network.submits()) == 201
        await house.rests()

    tell(story)
