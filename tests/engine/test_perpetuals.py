"""Perpetuals at a venue: settings that are read back, and money that moves without a trade."""

import asyncio
from collections.abc import Callable
from decimal import Decimal

import pytest
from msgspec.structs import replace

from oms.account.modes import PositionModeError, SetPositionMode
from oms.account.state import ResumeTrading
from oms.book import account_stream, position_stream
from oms.gateway.prices import now_of, priced
from oms.gateway.views import PositionView
from oms.instrument import Bracket
from oms.order.state import Life
from oms.position.events import LeverageRefused
from oms.position.settings import SetLeverage
from oms.position.state import FLAT, FLOWS_KEPT, Position
from oms.reports import LedgerReport, LeverageReport, PositionReport
from oms.store.codec import decode
from oms.values import ClientOrderId, Currency, MarginMode, OrderType, PositionLeg, PositionMode, Purse, Side, Symbol
from oms.venue import Answer, LastLook, NewOrder, NoAnswerError, nothing_holds
from tests.engine.desk import MAIN, Desk, begin, play
from tests.engine.scripted_venue import Fate, Hides, ScriptedVenue
from tests.order.story import BTC_PERPETUAL, FUTURES

PERPETUAL = BTC_PERPETUAL.symbol
MARKET = position_stream(MAIN, PERPETUAL, PositionLeg.NET)
ROOT = MARKET.rpartition("/")[0]
SETTLE = Purse("futures:USDT")
DAY = 86_400
HEDGE, ONE_WAY = PositionMode.HEDGE, PositionMode.ONE_WAY
TEN, COMMISSION = Decimal(10), Decimal("0.1")


async def opened(desk: Desk, *, held: bool = True) -> None:
    """A futures wallet of a thousand, and ten contracts bought at 27000."""
    desk.venue.can, desk.venue.mode, desk.venue.futures = FUTURES, ONE_WAY, Decimal(1000)
    await desk.start()
    if held:
        await desk.place(symbol=PERPETUAL, quantity=TEN, price=Decimal(27000), leverage=TEN)
        await asyncio.sleep(1)
        desk.venue.push(*desk.venue.fill("c1", "10", price="27000"))
        desk.venue.futures -= COMMISSION
        desk.venue.legs = [PositionReport(symbol=PERPETUAL, leg=PositionLeg.NET, quantity=TEN, leverage=TEN)]
        await asyncio.sleep(15)
        assert leg(desk).quantity == 10


def leg(desk: Desk) -> Position:
    return desk.engine.book.positions.get(MARKET, FLAT)


def funding(desk: Desk, amount: str, seconds_ago: float = 0.0) -> LedgerReport:
    at_ms = desk.clock.now_ns() // 1_000_000 - int(seconds_ago * 1000)
    assert desk.venue.futures is not None
    desk.venue.futures += Decimal(amount)
    row = LedgerReport(
        currency=Currency("USDT"), amount=Decimal(amount), flow="funding", symbol=PERPETUAL, ledger_id="77", at_ms=at_ms
    )
    desk.venue.flows.append(row)
    return row


def test_s38_a_balance_that_a_payment_moved_is_no_break() -> None:
    """Seen on the simulated exchange: after a liquidation a break was open until the ledger's next turn, a minute."""

    async def story(desk: Desk) -> None:
        await opened(desk)
        await asyncio.sleep(60)  # the ledger was just read
        for amount in ("-0.5", "-0.25"):
            funding(desk, amount)
            await asyncio.sleep(20)
            assert desk.engine.book.funds(SETTLE).total == desk.venue.futures
        told = [each.topic for each in await desk.log.read(account_stream(MAIN))]
        assert "break-opened/1" not in told

    play(story)


def test_s38_funding_is_read_from_the_ledger_and_booked_once_across_a_restart() -> None:
    async def story(desk: Desk) -> None:
        await opened(desk)
        asked = desk.venue.ledger_asked
        funding(desk, "-0.5")
        await asyncio.sleep(130)
        assert leg(desk).funding == Decimal("-0.5")
        desk.process.kill()
        await desk.start()
        funding(desk, "0.2")
        await asyncio.sleep(130)
        assert leg(desk).funding == Decimal("-0.3")
        assert desk.engine.book.funds(SETTLE).total == desk.venue.futures
        assert not desk.breaks()
        assert desk.venue.ledger_asked - asked < 10
        assert desk.agrees()

    play(story)


@pytest.mark.parametrize("named", ["by the opening", "by nobody"])  # what was paid, as the list was whole, or cut
def test_s38_funding_between_a_logs_beginning_and_its_opening_is_in_the_opening(named: str) -> None:
    """Found by the simulation: the first start waited for its venue, and what was paid meanwhile counted twice."""

    class Cuts(ScriptedVenue):
        async def ledger(self, *, since_ms: int, until_ms: int) -> Answer:
            return replace(await super().ledger(since_ms=since_ms, until_ms=until_ms), complete=named != "by nobody")

    async def story(desk: Desk) -> None:
        desk.venue = Cuts(desk.clock.now_ns)
        desk.venue.legs = [shown_leg("10")]
        desk.venue.cut = True
        starting = begin(opened(desk, held=False))
        await asyncio.sleep(5)
        funding(desk, "-0.5")
        await asyncio.sleep(5)
        desk.venue.cut = False
        await starting
        await asyncio.sleep(5)
        funding(desk, "-0.25")
        await asyncio.sleep(130)
        assert leg(desk).funding == Decimal("-0.25")
        assert desk.engine.book.funds(SETTLE).total == desk.venue.futures == Decimal("999.25")
        assert not desk.breaks()
        assert desk.agrees()

    play(story)


class Asked(ScriptedVenue):
    """Says since when the ledger was asked for, and is `deaf` for it."""

    def __init__(self, now_ns: Callable[[], int]) -> None:
        super().__init__(now_ns)
        self.since_ms: list[int] = []
        self.deaf = False

    async def ledger(self, *, since_ms: int, until_ms: int) -> Answer:
        self.since_ms.append(since_ms)
        if self.deaf:
            raise NoAnswerError("connection reset", self._evidence())
        return await super().ledger(since_ms=since_ms, until_ms=until_ms)


def test_s38_funding_that_was_paid_while_nobody_ran_for_ten_days_is_booked_at_the_start() -> None:
    async def story(desk: Desk) -> None:
        await opened(desk)
        desk.process.kill()
        desk.clock.ahead_ns += 10 * DAY * 10**9
        funding(desk, "-0.5", seconds_ago=10 * DAY - 8 * 3600)
        await desk.start()
        await asyncio.sleep(130)
        assert leg(desk).funding == Decimal("-0.5")
        told = [each.topic for each in await desk.log.read(account_stream(MAIN))]
        assert "break-opened/1" not in told
        assert desk.agrees()

    play(story)


def test_more_payments_than_are_known_again_are_all_booked_however_the_venue_lists_them() -> None:
    async def story(desk: Desk) -> None:
        await opened(desk)
        for _ in range(FLOWS_KEPT):
            funding(desk, "-0.01", seconds_ago=1)
        hours = FLOWS_KEPT + 44
        desk.venue.flows = [replace(row, ledger_id=f"{n}") for n, row in enumerate(desk.venue.flows)]
        await asyncio.sleep(80)
        desk.process.kill()
        desk.clock.ahead_ns += (hours + 1) * 3600 * 10**9
        paid = [replace(funding(desk, "-0.01", seconds_ago=n * 3600), ledger_id=f"later{n}") for n in range(hours)]
        desk.venue.flows = paid  # the newest first
        await desk.start()
        await asyncio.sleep(130)
        assert leg(desk).funding == Decimal("-0.01") * (FLOWS_KEPT + hours)
        assert not desk.breaks()

    play(story)


def test_the_first_look_at_the_ledger_goes_no_further_back_than_the_venue_does() -> None:
    async def story(desk: Desk) -> None:
        venue = desk.venue = Asked(desk.clock.now_ns)
        await opened(desk)
        desk.process.kill()
        desk.clock.ahead_ns += 200 * DAY * 10**9
        venue.since_ms.clear()
        await desk.start()
        asked_at = desk.clock.now_ns() // 1_000_000
        reach_ms = int(FUTURES.history_reach) * 1000
        assert asked_at - reach_ms - 60_000 < venue.since_ms[0] <= asked_at - reach_ms

    play(story)


def test_the_first_look_at_the_ledger_begins_where_it_did_until_it_was_answered() -> None:
    async def story(desk: Desk) -> None:
        venue = desk.venue = Asked(desk.clock.now_ns)
        await opened(desk)
        desk.process.kill()
        desk.clock.ahead_ns += 10 * DAY * 10**9
        funding(desk, "-0.5", seconds_ago=10 * DAY - 8 * 3600)
        venue.deaf = True
        starting = begin(desk.start())
        desk.clock.ahead_ns += DAY * 10**9
        await asyncio.sleep(300)  # trades go on to be known
        assert not starting.done(), "what was paid is a part of what is compared"
        venue.deaf = False
        await starting
        await asyncio.sleep(130)
        assert leg(desk).funding == Decimal("-0.5")

    play(story)


def test_what_is_stamped_ahead_of_our_clock_is_read_all_the_same() -> None:
    """Found by the simulation, seed 777: a venue's clock may be minutes ahead."""

    async def story(desk: Desk) -> None:
        await opened(desk)
        funding(desk, "-0.5", seconds_ago=-300)
        await asyncio.sleep(80)
        assert leg(desk).funding == Decimal("-0.5")

    play(story)


def test_a_payment_from_before_the_clock_was_set_back_is_booked_in_time() -> None:
    async def story(desk: Desk) -> None:
        await opened(desk)
        await asyncio.sleep(100)
        funding(desk, "-0.5")
        desk.clock.ahead_ns -= 840 * 10**9
        await asyncio.sleep(120)
        assert (desk.engine.book.funds(SETTLE).total, desk.breaks()) == (desk.venue.futures, {})

    play(story)


@pytest.mark.parametrize("wallet", ["spot", "futures"])
def test_a_payment_that_was_hidden_at_the_opening_counts_once_whatever_makes_us_look_back(wallet: str) -> None:
    async def story(desk: Desk) -> None:
        venue = desk.venue
        venue.can, venue.mode, venue.futures = FUTURES, ONE_WAY, Decimal(1000)
        venue.legs = [shown_leg("10")]
        paid = funding(desk, "-0.5", seconds_ago=5)
        venue.flows.clear()  # hidden
        await desk.start()
        venue.flows.append(paid)
        await asyncio.sleep(90)
        assert not desk.breaks()
        if wallet == "spot":  # a deposit, for a person to look at
            venue.totals["USDT"] += 500
        else:
            venue.futures += 500
        await asyncio.sleep(120)
        assert set(desk.breaks()) == {f"balance:{wallet}/USDT"}
        assert leg(desk).funding == 0

    play(story)


def test_a_payment_that_a_clock_set_back_dates_from_before_the_log_is_booked_where_a_balance_differs_by_it() -> None:
    async def story(desk: Desk) -> None:
        await opened(desk)
        hidden = funding(desk, "-0.25", seconds_ago=400)
        desk.venue.futures = Decimal(1000) - COMMISSION  # the opening held it
        await asyncio.sleep(60)
        desk.clock.ahead_ns -= 300 * 10**9
        desk.venue.flows = [replace(hidden, ledger_id="76"), funding(desk, "-0.5")]
        await asyncio.sleep(150)
        assert (leg(desk).funding, desk.breaks()) == (Decimal("-0.5"), {})
        assert desk.engine.book.funds(SETTLE).total == desk.venue.futures

    play(story)


def test_a_payment_dated_from_before_the_log_is_found_by_what_a_balance_differs_by_now() -> None:
    """Found by the simulation, seed 23020176: what it differed by at the look before was looked for, once."""

    async def story(desk: Desk) -> None:
        await opened(desk)
        await asyncio.sleep(60)
        desk.clock.ahead_ns -= 300 * 10**9
        funding(desk, "-0.5")
        assert desk.venue.futures is not None
        desk.venue.futures -= 10  # and more is missing, which is told of only later
        await asyncio.sleep(60)
        assert set(desk.breaks()) == {"balance:futures/USDT"}
        desk.venue.futures += 10
        await asyncio.sleep(60)
        assert (leg(desk).funding, desk.breaks()) == (Decimal("-0.5"), {})

    play(story)


def test_the_mode_that_the_venue_shows_is_known_from_the_start() -> None:
    async def story(desk: Desk) -> None:
        await opened(desk, held=False)
        await asyncio.sleep(15)
        assert desk.engine.book.account.position_mode is ONE_WAY

    play(story)


def test_s24_a_switch_is_asked_for_once_and_believed_when_it_is_read_back() -> None:
    async def story(desk: Desk) -> None:
        await opened(desk, held=False)
        await desk.engine.execute(SetPositionMode(account=MAIN, mode=HEDGE), actor="operator")
        await asyncio.sleep(1)
        assert desk.venue.settings == [HEDGE]
        assert desk.engine.book.account.position_mode is HEDGE
        assert not desk.engine.book.account.halts

    play(story)


def test_s24_a_switch_that_only_says_so_halts_the_account() -> None:
    async def story(desk: Desk) -> None:
        await opened(desk, held=False)
        desk.venue.stuck = True
        await desk.engine.execute(SetPositionMode(account=MAIN, mode=HEDGE), actor="operator")
        await asyncio.sleep(1)
        await desk.place()
        assert desk.life() is Life.DENIED
        await desk.engine.execute(ResumeTrading(account=MAIN, reason="seen"), actor="operator")
        await desk.place("c2")
        await asyncio.sleep(1)
        assert desk.life("c2") is Life.WORKING

    play(story)


@pytest.mark.parametrize("fate", [Fate.ANSWER_LOST, Fate.REQUEST_LOST])
def test_s24_a_switch_without_an_answer_is_settled_by_the_next_look(fate: Fate) -> None:
    async def story(desk: Desk) -> None:
        await opened(desk, held=False)
        desk.venue.fates.append(fate)
        await desk.engine.execute(SetPositionMode(account=MAIN, mode=HEDGE), actor="operator")
        await asyncio.sleep(1)
        assert desk.engine.book.account.mode_requested is HEDGE
        await asyncio.sleep(20)
        assert desk.engine.book.account.mode_requested is None
        assert desk.engine.book.account.position_mode is desk.venue.mode
        assert bool(desk.engine.book.account.halts) is (fate is Fate.REQUEST_LOST)

    play(story)


def test_s24_a_switch_while_a_position_is_held_never_leaves() -> None:
    async def story(desk: Desk) -> None:
        await opened(desk)
        with pytest.raises(PositionModeError, match="10 of BTC/USDT:USDT are held"):
            await desk.engine.execute(SetPositionMode(account=MAIN, mode=HEDGE), actor="operator")
        await asyncio.sleep(1)
        assert not desk.venue.settings

    play(story)


def test_leverage_is_asked_for_after_its_commit_and_read_back() -> None:
    async def story(desk: Desk) -> None:
        await opened(desk)
        desk.venue.legs = []
        ask = SetLeverage(
            account=MAIN, symbol=PERPETUAL, request_id="l1", leverage=Decimal(20), margin_mode=MarginMode.CROSS
        )
        await desk.engine.execute(ask, actor="operator")
        await asyncio.sleep(1)
        assert desk.venue.settings == [(PERPETUAL, 20, MarginMode.CROSS)]
        assert (leg(desk).leverage, leg(desk).margin_mode) == (20, MarginMode.CROSS)
        desk.venue.fates.append(Fate.REFUSED)
        await desk.engine.execute(ask, actor="operator")
        await asyncio.sleep(1)
        assert leg(desk).leverage == 20

    play(story)


def test_s24_a_leverage_that_was_taken_and_is_not_shown_is_told_as_refused() -> None:
    class Deaf(ScriptedVenue):
        async def set_leverage(
            self, symbol: Symbol, leverage: Decimal, margin_mode: MarginMode, *, last_look: LastLook = nothing_holds
        ) -> Answer:
            await super().set_leverage(symbol, leverage, margin_mode, last_look=last_look)
            return self._answer((LeverageReport(symbol=symbol, leverage=TEN, margin_mode=MarginMode.CROSS),))

    async def story(desk: Desk) -> None:
        desk.venue = Deaf(desk.clock.now_ns)
        await opened(desk)
        ask = SetLeverage(
            account=MAIN, symbol=PERPETUAL, request_id="l1", leverage=Decimal(20), margin_mode=MarginMode.CROSS
        )
        await desk.engine.execute(ask, actor="operator")
        await asyncio.sleep(1)
        told = await desk.log.read(MARKET)
        (refused,) = [decode(each.topic, each.state) for each in told if each.topic == "leverage-refused/1"]
        assert isinstance(refused, LeverageRefused)
        why = "the venue took it, and shows 10 cross"
        assert (refused.request_id, refused.reason, refused.text) == ("l1", "not_read_back", why)

    play(story)


def test_the_mark_that_the_venue_shows_values_a_market_order_and_no_event_holds_it() -> None:
    async def story(desk: Desk) -> None:
        await opened(desk)
        before = await desk.log.head()
        desk.venue.legs = [
            PositionReport(
                symbol=PERPETUAL, leg=PositionLeg.NET, quantity=TEN, leverage=TEN, mark_price=Decimal("27123.4")
            )
        ]
        await asyncio.sleep(15)
        assert await desk.log.head() == before
        order = await desk.place("c2", symbol=PERPETUAL, quantity=TEN, type=OrderType.MARKET, price=None, leverage=TEN)
        assert order.state.request.reference_price == Decimal("27123.4")  # type: ignore[union-attr]

    play(story)


def test_a_leg_says_what_it_earns_and_where_it_is_taken_over() -> None:
    async def story(desk: Desk) -> None:
        tier = Bracket(floor=Decimal(0), cap=Decimal(10_000), maintenance_rate=Decimal("0.005"), deduction=Decimal(0))
        await opened(desk)
        desk.engine.decider.instruments = {PERPETUAL: replace(BTC_PERPETUAL, brackets=(tier,))}
        shown = PositionReport(
            symbol=PERPETUAL,
            leg=PositionLeg.NET,
            quantity=TEN,
            leverage=TEN,
            margin_mode="isolated",
            mark_price=Decimal(26_000),
            liquidation_price=Decimal("24460.5"),
        )
        desk.venue.legs = [shown]
        await asyncio.sleep(15)
        view = PositionView(
            account=MAIN,
            symbol=PERPETUAL,
            leg=PositionLeg.NET,
            quantity=TEN,
            open_cost=Decimal(270),
            realized=Decimal(0),
            commissions={},
            contract_size=BTC_PERPETUAL.contract_size,
            funding=Decimal(0),
            shares={},
        )
        # 10 contracts of 0.001 at 27000: cost 270, margin 27, maintenance 1.35; the taker pays a tenth of a percent:
        # (270 + 1.35 - 27) / (0.01 x 0.999) = 24459.4594..., one step up
        assert priced(view, now_of([desk.engine])) == {
            "value": Decimal(260),
            "dust": False,
            "mark_price": Decimal(26_000),
            "unrealized": Decimal(-10),
            "liquidation_price": Decimal("24459.5"),
            "venue_liquidation_price": Decimal("24460.5"),
        }
        desk.venue.legs = [replace(shown, liquidation_price=None)]
        await asyncio.sleep(15)
        assert priced(view, now_of([desk.engine]))["venue_liquidation_price"] is None
        assert priced(view, {}) == {}

    play(story)


def shown_leg(quantity: str, **more: object) -> PositionReport:
    fields = {"leg": PositionLeg.NET, "average_price": Decimal(26000), "leverage": TEN, "margin_mode": "cross"}
    return PositionReport(symbol=PERPETUAL, quantity=Decimal(quantity), **fields | more)  # type: ignore[arg-type]


def test_a_position_from_before_the_log_is_taken_over_at_the_venues_price_and_closes_with_its_profit() -> None:
    async def story(desk: Desk) -> None:
        desk.venue.legs = [shown_leg("10")]
        await opened(desk, held=False)
        assert (leg(desk).quantity, leg(desk).open_cost, leg(desk).leverage) == (10, 260, 10)
        assert leg(desk).average_price == 26000
        assert desk.engine.book.funds(SETTLE).held == 26  # what backs it
        await asyncio.sleep(30)
        assert not desk.breaks()
        await desk.place(symbol=PERPETUAL, side=Side.SELL, quantity=TEN, price=Decimal(27000), reduce_only=True)
        await asyncio.sleep(1)
        desk.venue.push(*desk.venue.fill("c1", "10", price="27000"))
        desk.venue.futures += Decimal(10) - COMMISSION  # type: ignore[operator]
        desk.venue.legs = []
        await asyncio.sleep(30)
        assert (leg(desk).quantity, leg(desk).realized) == (0, 10)
        assert not desk.breaks()
        assert desk.agrees()

    play(story)


@pytest.mark.parametrize("shown", ["10", "0", "6", "-5"])  # it opened it all, closed it all, turned it, closed a part
def test_a_trade_in_a_position_that_was_taken_over_is_told_later_and_moves_nothing(shown: str) -> None:
    """As on spot (seed 10016617); here nothing took it out, and the leg stayed twice what it is."""

    async def story(desk: Desk) -> None:
        desk.venue.by_hand("byhand", "10", symbol=PERPETUAL, price="26000")
        told = desk.venue.fill("byhand", "10", price="26000")
        await asyncio.sleep(5)
        desk.venue.legs = [] if shown == "0" else [shown_leg(shown)]
        await opened(desk, held=False)
        cost = leg(desk).open_cost
        desk.venue.push(*told)
        await asyncio.sleep(30)
        assert desk.told("byhand").count("order-filled") == 1
        assert (leg(desk).quantity, leg(desk).open_cost) == (Decimal(shown), cost)
        assert not desk.breaks()
        assert desk.agrees()

    play(story)


@pytest.mark.parametrize("costed", [True, False])
@pytest.mark.parametrize("price", ["26000", "27000"])
@pytest.mark.parametrize(
    ("mode", "shown"), [(HEDGE, "10"), (ONE_WAY, "10"), (ONE_WAY, "0"), (ONE_WAY, "6"), (ONE_WAY, "-5")]
)
def test_a_contract_trade_that_the_opening_held_unlisted_does_not_count_twice(
    mode: PositionMode, shown: str, price: str, *, costed: bool
) -> None:
    """It opened all that is held, closed it all, added to it, or turned it round."""

    async def story(desk: Desk) -> None:
        venue = desk.venue = Hides(desk.clock.now_ns)
        name = PositionLeg.NET if mode is ONE_WAY else PositionLeg.LONG
        venue.take(
            NewOrder(
                client_order_id=ClientOrderId("byhand"),
                symbol=PERPETUAL,
                side=Side.BUY,
                type=OrderType.LIMIT,
                quantity=TEN,
                price=Decimal(price),
            )
        )
        venue.orders["byhand"] = replace(venue.orders["byhand"], position_leg=name)
        told = venue.fill("byhand", "10", price=price)
        await asyncio.sleep(1)
        venue.can, venue.mode, venue.futures = FUTURES, mode, Decimal(1000)
        cost = abs(Decimal(shown)) * 26 if costed else None
        venue.legs = [] if shown == "0" else [shown_leg(shown, leg=name, cost=cost)]
        await desk.start()
        venue.hides = False
        venue.push(*told)
        await asyncio.sleep(180)
        held = desk.engine.book.positions[position_stream(MAIN, PERPETUAL, name)]
        assert desk.told("byhand").count("order-filled") == 1
        assert (held.quantity, held.open_cost) == (Decimal(shown), Decimal(shown) * 26)
        assert (desk.engine.book.funds(SETTLE).total, desk.breaks()) == (1000, {})
        assert desk.agrees()

    play(story)


@pytest.mark.parametrize("stays", [True, False])
def test_a_contract_trade_that_the_venue_takes_back_is_not_taken_for_one_of_the_opening(*, stays: bool) -> None:
    """Its figures are those of a trade that counts twice; but it came long after, or it is listed no more."""

    async def story(desk: Desk) -> None:
        await opened(desk, held=False)
        venue = desk.venue
        await asyncio.sleep(10 if stays else 1)
        venue.by_hand("byhand", "10", symbol=PERPETUAL, price="26000")
        venue.push(*venue.fill("byhand", "10", price="26000"))
        await asyncio.sleep(2)
        if not stays:
            venue.trades_done.clear()
        await asyncio.sleep(60)
        assert leg(desk).quantity == 10
        assert set(desk.breaks()) >= {f"position:{PERPETUAL}/net"}

    play(story)


def test_a_position_that_the_venue_shows_without_its_price_stays_a_break() -> None:
    async def story(desk: Desk) -> None:
        desk.venue.legs = [shown_leg("10", average_price=None)]
        await opened(desk, held=False)
        await asyncio.sleep(30)
        assert leg(desk).quantity == 0
        assert desk.breaks() == {f"position:{PERPETUAL}/net": ("0", "10")}

    play(story)


def test_hedged_legs_from_before_the_log_are_taken_over_each_with_its_sign() -> None:
    async def story(desk: Desk) -> None:
        desk.venue.legs = [shown_leg("5", leg=PositionLeg.LONG), shown_leg("3", leg=PositionLeg.SHORT)]
        desk.venue.can, desk.venue.mode, desk.venue.futures = FUTURES, HEDGE, Decimal(1000)
        await desk.start()
        held = desk.engine.book.positions
        assert {stream: each.quantity for stream, each in held.items()} == {f"{ROOT}/long": 5, f"{ROOT}/short": -3}
        assert held[f"{ROOT}/short"].open_cost == -78
        await asyncio.sleep(30)
        assert not desk.breaks()

    play(story)


def test_another_leverage_than_the_logs_is_a_break_until_it_is_read_back() -> None:
    async def story(desk: Desk) -> None:
        await opened(desk)
        desk.venue.legs = [shown_leg("10", leverage=Decimal(25), margin_mode="isolated", average_price=None)]
        seen = []
        for _ in range(50):
            await asyncio.sleep(1)
            seen.append((leg(desk).leverage, desk.breaks().get(f"leverage:{PERPETUAL}/net")))
        assert seen[0] == (TEN, None)
        assert (TEN, ("10x", "25x isolated")) in seen  # told, while it still counts as it did
        assert seen[-1] == (Decimal(25), None)  # then it is read back, and the break ends by agreement
        assert leg(desk).margin_mode is MarginMode.ISOLATED
        assert desk.engine.book.funds(SETTLE).held == Decimal("10.8")
        assert desk.agrees()

    play(story)


def test_a_leverage_that_nobody_had_said_is_learned_and_no_break() -> None:
    async def story(desk: Desk) -> None:
        await opened(desk, held=False)
        desk.venue.legs = [shown_leg("0", leverage=Decimal(25), average_price=None)]
        await asyncio.sleep(15)
        assert (leg(desk).leverage, desk.breaks()) == (25, {})

    play(story)


class Slow(ScriptedVenue):
    """Answers about positions as of when it was asked, after `slow` is set."""

    slow: asyncio.Event | None = None

    async def positions(self) -> Answer:
        answer = await super().positions()
        if self.slow is not None:
            await self.slow.wait()
        return answer


def test_a_look_older_than_a_leverage_that_was_set_does_not_put_it_back() -> None:
    async def story(desk: Desk) -> None:
        venue = desk.venue = Slow(desk.clock.now_ns)
        await opened(desk)
        venue.legs = [shown_leg("10", leverage=Decimal(5), average_price=None)]
        seen = False
        while not seen:
            await asyncio.sleep(0.1)
            seen = f"leverage:{PERPETUAL}/net" in desk.breaks()
        venue.slow = asyncio.Event()
        await asyncio.sleep(11)  # asked: five
        ask = SetLeverage(
            account=MAIN, symbol=PERPETUAL, request_id="l1", leverage=Decimal(20), margin_mode=MarginMode.CROSS
        )
        await desk.engine.execute(ask, actor="operator")
        venue.legs = [shown_leg("10", leverage=Decimal(20), average_price=None)]
        await asyncio.sleep(0.5)
        assert leg(desk).leverage == 20
        venue.slow.set()
        venue.slow = None
        await asyncio.sleep(1)
        assert leg(desk).leverage == 20

    play(story)
