"""S30, S32, S43, S67, S68: balances, closed orders and whole days that are put right by the venue's word."""

import asyncio
from decimal import Decimal

import pytest
from msgspec.structs import replace

from adapters.bitmart.spot import codec as spot
from oms.errors import OrderClosedError
from oms.order.state import Life
from oms.ports import Batch, Committed, NewEvent
from oms.store.codec import decode_meta
from oms.store.memory import Fault, MemoryLog, Trouble
from oms.values import AccountId, Currency, Provenance, TimeInForce, Wallet, purse
from tests.scenarios.house import SPOT, House, tell

USDT = purse(Wallet.SPOT, Currency("USDT"))
HOUR = 3600.0
DAY = 24 * HOUR


async def restore(house: House, length: int) -> None:
    """Put the log back to its first `length` events, as a backup or a replica that lagged behind would have them."""
    events = [NewEvent(each.stream, each.version, each.topic, each.state) for each in house.log._events[:length]]
    house.log = MemoryLog(house.log_faults)
    assert isinstance(await house.log.append(Batch(AccountId(""), 0, events)), Committed)


def recovered(house: House, since: int) -> set[Provenance]:
    """Return how the events after a position came to be known, but for the start of the writer itself."""
    return {
        decode_meta(each.state).source for each in house.log._events[since:] if not each.topic.startswith("writer-")
    }


def test_s30_a_late_balance_with_an_older_snapshot_takes_nothing_back_and_a_lasting_difference_is_a_break() -> None:
    async def story(house: House) -> None:
        await house.start()
        await house.place("c1", "buy", "0.01", "50000")
        await house.until(lambda: house.life("c1") is Life.WORKING)
        house.network.slow_answers[spot.WALLET] = 5.0  # what was true five seconds ago
        await house.until(lambda: house.network.sent[-1].path == spot.WALLET)  # it has answered: before the fill
        house.stranger("sell", "0.01", "50000")
        await house.until(lambda: house.life("c1") is Life.FILLED)
        after = house.book.funds(USDT)
        assert after.held == 0
        for _ in range(600):
            await asyncio.sleep(0.1)
            now = house.book.funds(USDT)
            assert (now.total, now.held) == (after.total, after.held) or now.total < after.total  # its fee may follow
            assert house.breaks() == {}
        house.network.mend()
        await house.rests()
        house.spot.balance("USDT").available += Decimal(7)  # nobody told us of it
        await house.until(lambda: bool(house.breaks()), seconds=60)
        (opened,) = house.book.account.breaks.open.values()
        assert opened.difference == 7
        assert house.book.funds(USDT).total == Decimal(opened.ours)  # and ours stays ours

    tell(story)


def test_s32_partially_canceled_is_filled_for_a_market_buy_and_canceled_for_a_limit() -> None:
    async def story(house: House) -> None:
        await house.start()
        house.stranger("sell", "1", "50000.01")
        market = replace(house.order_for("m1", "buy", "1", None), quantity=None, notional=Decimal(100))
        await house.give(market)
        await house.until(lambda: house.life("m1") is Life.FILLED)
        assert 99 < house.order("m1").cum_cost < 100
        assert house.held() == 0
        assert house.spot.order_by_client_id("m1").state.name == "PARTIALLY_CANCELED"  # type: ignore[union-attr]
        await house.rests()
        house.stranger("sell", "0.004", "49000")
        await house.place("i1", "buy", "0.01", "49000", time_in_force=TimeInForce.IOC)
        await house.until(lambda: house.life("i1") is Life.CANCELED)
        assert house.order("i1").cum_quantity == Decimal("0.004")
        assert house.held() == 0
        await house.rests()

    tell(story)


def test_s43_an_order_that_is_absent_everywhere_for_ten_days_is_closed_with_evidence_and_not_polled_for_ever() -> None:
    async def story(house: House) -> None:
        await house.start()
        await house.place("c1", "buy", "0.01", "50000")
        await house.until(lambda: house.life("c1") is Life.WORKING)
        house.kill()
        house.venue_cancels("c1")
        house.leap(10 * DAY)
        await house.start()
        await house.until(lambda: house.life("c1") in {Life.VANISHED, Life.CANCELED}, seconds=300)
        ended = house.told("c1")
        assert ended[-2:] == ["venue-searched", "order-vanished"]
        assert house.held() == 0
        await asyncio.sleep(30)
        alone = {spot.QUERY_CLIENT_ORDER, spot.QUERY_ORDER, spot.QUERY_ORDER_TRADES}
        before = [each for each in house.network.sent if each.path in alone]
        await asyncio.sleep(600)
        assert [each for each in house.network.sent if each.path in alone] == before
        assert house.told("c1") == ended  # it stays in the log, and says so to whoever asks
        with pytest.raises(OrderClosedError):
            await house.cancel("c1")
        await house.rests()

    tell(story)


def test_s67_with_a_database_two_seconds_slow_no_order_leaves_before_its_intent_is_committed() -> None:
    async def story(house: House) -> None:
        await house.start()
        known: list[int] = []
        note = house.network.note

        def look(method: str, path: str, body: bytes) -> None:
            note(method, path, body)
            if path == spot.SUBMIT_ORDER:
                name = house.network.sent[-1].body["client_order_id"]
                known.append(house.told(name).count("send-started"))

        house.network.note = look  # type: ignore[method-assign]  # whoever carries a request looks into the log first
        house.log_faults.appends.extend(Fault(Trouble.NONE, 1.0, 1.0) for _ in range(200))
        await asyncio.gather(*(house.place(f"c{number}", "buy", "0.001", "50000") for number in range(10)))
        await house.until(lambda: len(known) == 10)
        assert known == [1] * 10
        house.log_faults.appends.clear()
        await house.rests()

    tell(story)


def test_s67_after_a_failover_that_lost_the_last_commits_the_venues_orders_are_adopted_under_their_own_ids() -> None:
    async def story(house: House) -> None:
        await house.start()
        await house.place("c1", "buy", "0.01", "50000")
        await house.until(lambda: house.life("c1") is Life.WORKING)
        replicated = await house.log.head()
        await house.place("c2", "buy", "0.01", "49000")
        await house.until(lambda: house.life("c2") is Life.WORKING)
        house.kill()
        await restore(house, replicated)
        assert house.told("c2") == []
        await house.start()
        await house.until(lambda: house.told("c2") != [])
        assert house.life("c2") is Life.WORKING
        assert house.told("c2")[0] == "external-order-seen"
        assert recovered(house, replicated) == {Provenance.RECOVERED}, "and whoever asks is told which those are"
        assert len(house.network.submits()) == 2  # nothing was sent again
        await house.cancel("c2")  # it is an order like any other
        await house.until(lambda: house.life("c2") is Life.CANCELED)
        await house.rests()

    tell(story)


def test_s68_yesterdays_backup_and_the_venues_history_make_today_again() -> None:
    async def story(house: House) -> None:
        await house.start()
        await house.place("c1", "buy", "0.02", "50000")
        await house.until(lambda: house.life("c1") is Life.WORKING)
        await house.rests()
        backup = await house.log.head()
        house.kill()
        house.leap(HOUR)
        await house.start()  # today
        house.stranger("sell", "0.01", "50000")  # half of c1
        await house.place("c2", "sell", "0.005", "51000")  # comes, trades and goes
        house.stranger("buy", "0.005", "51000")
        await house.place("c3", "buy", "0.01", "45000")  # rests
        await house.until(lambda: house.life("c2") is Life.FILLED and house.life("c3") is Life.WORKING)
        await house.rests()
        totals, position = dict(house.book.totals), house.position(SPOT).quantity
        house.kill()
        house.leap(HOUR)
        await restore(house, backup)
        house.spot.balance("USDT").available += Decimal(5)  # a deposit of the night, which no order explains
        await house.start()
        await house.until(lambda: bool(house.breaks()), seconds=120)
        assert house.order("c1").cum_quantity == Decimal("0.01")
        assert house.life("c1") is house.life("c3") is Life.WORKING
        assert house.life("c2") is Life.FILLED
        assert house.position(SPOT).quantity == position
        assert {name: total for name, total in house.book.totals.items() if total} == {
            name: total for name, total in totals.items() if total
        }
        told = [each for each in house.log._events[backup:] if each.stream.startswith(("order/", "position/"))]
        marked = {each.topic for each in told if decode_meta(each.state).source is Provenance.RECOVERED}
        assert {each.topic for each in told} == marked
        assert marked >= {"external-order-seen/1", "order-filled/1", "fill-booked/1", "progress-reported/1"}
        rest = {each.topic for each in house.log._events[backup:]} - marked
        assert rest == {"writer-started/1", "break-opened/1", "trades-covered/1"}, "what is of today"
        (listed,) = house.book.account.breaks.open.values()
        assert listed.difference == 5
        assert len(house.network.submits()) == 3

    tell(story)
