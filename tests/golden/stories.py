"""The histories of the golden corpus as they are told, before they are written down once and for all.

For a new topic, or a topic that gained a field, add a story under a new name and run `make golden`. A story whose
chapter is written may be deleted: the file is what counts.
"""

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any

import msgspec
from msgspec import Struct

from oms.account import events as account
from oms.book import Book, Event, account_stream, order_stream, position_stream
from oms.breaks import events as breaks
from oms.moves import MOVING, moved
from oms.order import events as order
from oms.ports import Meta, StoredEvent
from oms.position import events as position
from oms.position.state import FLAT
from oms.store.codec import decode, encode, encode_meta, topic_of
from oms.values import (
    AccountId,
    ClientOrderId,
    Crossing,
    Currency,
    ExecId,
    Liquidity,
    MarginMode,
    OrderType,
    Origin,
    PositionLeg,
    PositionMode,
    PriceSource,
    Protection,
    Provenance,
    Side,
    StrategyId,
    Symbol,
    TimeInForce,
    VenueOrderId,
    Wallet,
)
from oms.venue import Trigger

MAIN = AccountId("golden")
SPOT, PERPETUAL = Symbol("BTC/USDT"), Symbol("BTC/USDT:USDT")
USDT, BMX = Currency("USDT"), Currency("BMX")
T0 = 1_767_225_600_000_000_000  # 2026-01-01


class Old(Struct, frozen=True):
    """An event as a program of long ago wrote it."""

    topic: str
    fields: Mapping[str, Any]


Said = tuple[str, Event | Old]
Story = Callable[[], Iterator[Said]]


def told(name: str, story: Story) -> list[StoredEvent]:
    """Return a story's log; what its trades move follows from the domain. Raises CorruptStreamError: not legal."""
    book, log, versions = Book(MAIN, closed_kept=2**62), list[StoredEvent](), dict[str, int]()

    def put(stream: str, said: Event | Old) -> None:
        number, version = len(log) + 1, versions.get(stream, 0) + 1
        versions[stream] = version
        meta = Meta(
            id=f"{name}-{number:04d}",
            recorded_ns=T0 + number,
            cause=f"{name}-{number:04d}",
            actor="venue",
            epoch=1,
            source=Provenance.STREAM,
            occurred_ns=T0,
        )
        if isinstance(said, Old):
            topic, body = said.topic, msgspec.json.encode({**msgspec.to_builtins(meta), **said.fields})
        else:
            topic, body = topic_of(said), encode(encode_meta(meta), said)
        event = decode(topic, body)
        book.apply(stream, event)
        log.append(StoredEvent(number, stream, version, topic, body))
        if type(event) in MOVING:
            whole = book.orders[stream]
            leg = position_stream(MAIN, whole.request.symbol, whole.request.position_leg)
            for change in moved(book.positions.get(leg, FLAT), whole, event):  # type: ignore[arg-type]  # MOVING
                put(leg, change)

    for stream, said in story():
        put(stream, said)
    return log


def _order(name: str, *events: Event) -> Iterator[Said]:
    stream = order_stream(MAIN, ClientOrderId(name))
    for event in events:
        yield stream, event


def _account(*events: Event | Old) -> Iterator[Said]:
    for event in events:
        yield account_stream(MAIN), event


def _leg(*events: Event, leg: PositionLeg = PositionLeg.NET) -> Iterator[Said]:
    for event in events:
        yield position_stream(MAIN, PERPETUAL, leg), event


def _asked(name: str, **more: Any) -> order.OrderRequested:
    fields: dict[str, Any] = {
        "account": MAIN,
        "client_order_id": ClientOrderId(name),
        "strategy": StrategyId("maker"),
        "symbol": SPOT,
        "side": Side.BUY,
        "order_type": OrderType.LIMIT,
        "quantity": Decimal("0.30"),
        "price": Decimal("50000.1"),
        "fee_rate": Decimal("0.001"),
    }
    return order.OrderRequested(**(fields | more))


def _fill(exec_id: str, quantity: str, price: str, commission: str | None = None) -> order.OrderFilled:
    return order.OrderFilled(
        exec_id=ExecId(exec_id),
        quantity=Decimal(quantity),
        price=Decimal(price),
        commission=None if commission is None else Decimal(commission),
        commission_currency=None if commission is None else USDT,
        liquidity=Liquidity.MAKER,
    )


SENT, ACCEPTED = order.SendStarted(attempt=1), order.VenueAccepted(venue_order_id=VenueOrderId("v1"))
MARKS = (order.Mark(message_id="m1", what="order"), order.Mark(message_id="m2", what="trades", since_ms=1, until_ms=2))


def whole() -> Iterator[Said]:
    """Everything that can happen in 2026, each in a history where it can."""
    yield from _beginning()
    yield from _spot_orders()
    yield from _ends()
    yield from _changes()
    yield from _contracts()
    yield from _disagreements()


def _beginning() -> Iterator[Said]:
    opening: dict[str, Any] = {"reason": "opening"}
    yield from _account(
        account.WriterStarted(account=MAIN, venue="BitMart"),
        account.BalanceAdjusted(currency=USDT, change=Decimal("100000.50"), total=Decimal("100000.50"), **opening),
        account.BalanceAdjusted(currency=BMX, change=Decimal(7), total=Decimal(7), **opening),
        account.BalanceAdjusted(
            currency=USDT, change=Decimal(5000), total=Decimal(5000), wallet=Wallet.FUTURES, **opening
        ),
        account.TradesCovered(until_ms=T0 // 1_000_000),
        account.TradingHalted(reason="drill", halt_id="h1", strategy=StrategyId("taker"), symbol=SPOT),
        account.TradingHalted(reason="drill", halt_id="h2"),
        account.TradingResumed(reason="over", strategy=StrategyId("taker"), symbol=SPOT),
        account.TradingResumed(reason="over"),
        account.PositionModeRequested(mode=PositionMode.ONE_WAY),
        account.PositionModeRefused(reason="open_orders", code="40059", text="no"),
        account.PositionModeRequested(mode=PositionMode.ONE_WAY),
        account.PositionModeSet(mode=PositionMode.ONE_WAY),
    )


def _spot_orders() -> Iterator[Said]:
    yield from _order(
        "filled",
        _asked("filled", post_only=True, tags={"why": "quote"}),
        SENT,
        ACCEPTED,
        _fill("t1", "0.10", "50000.1"),
        order.CommissionReported(exec_id=ExecId("t1"), commission=Decimal("0.0000123"), commission_currency=BMX),
        _fill("t2", "0.20", "50000.00", "-1.25"),
    )
    yield from _order(
        "sold",
        _asked("sold", side=Side.SELL, strategy=StrategyId("taker"), quantity=Decimal("0.15"), price=Decimal(50100)),
        SENT,
        _fill("t3", "0.15", "50100.00", "7.515"),  # before its ack
        ACCEPTED,
        order.TradeBusted(
            exec_id=ExecId("t3"), quantity=Decimal("0.15"), price=Decimal("50100.00"), commission=Decimal("7.515"),
            commission_currency=USDT,
        ),
        order.ProgressReported(cum_quantity=Decimal("0.05"), done=True),
        _fill("t4", "0.05", "50100.00", "2.505"),
        order.ReportContradicted(report="state 99", why="no such state"),
    )  # fmt: skip
    spent = _asked("spent", order_type=OrderType.MARKET, quantity=None, price=None, notional=Decimal(100))
    yield from _order("spent", spent, SENT, ACCEPTED, _fill("t5", "0.002", "49999.99", "0.1"))


def _ends() -> Iterator[Said]:
    unknown = order.OutcomeUnknown(reason="timeout", valid_until_ns=T0 + 60_000_000_000)
    yield from _order("denied", _asked("denied"), order.OrderDenied(limit="insufficient_funds", detail="needs 1"))
    refused = order.VenueRefused(reason="insufficient_funds", code="50020", text="Balance not enough")
    yield from _order("refused", _asked("refused"), SENT, order.SendStarted(attempt=2), refused)
    absent = order.AbsenceProven(evidence=("m1", "m2"))
    yield from _order("absent", _asked("absent"), SENT, unknown, order.VenueSearched(marks=MARKS), absent)
    vanished = order.OrderVanished(evidence=("m1",))
    yield from _order("vanished", _asked("vanished"), SENT, ACCEPTED, order.VenueSearched(marks=MARKS), vanished)
    yield from _order(
        "canceled",
        _asked("canceled", time_in_force=TimeInForce.GTC),
        SENT,
        unknown,
        ACCEPTED,
        _fill("t6", "0.01", "50000.1", "0.5"),
        order.CancelRequested(request_id="x1", reason="stop"),
        order.CancelUnknown(request_id="x1", reason="timeout"),
        order.CancelRefused(request_id="x1", reason="order_not_found", code="50005", text="none"),
        order.CancelRequested(request_id="x2"),
        order.CancelAccepted(request_id="x2"),
        order.VenueCanceled(reason="user", cum_quantity=Decimal("0.01")),
    )
    ioc = _asked("expired", time_in_force=TimeInForce.IOC)
    yield from _order("expired", ioc, SENT, ACCEPTED, order.OrderExpired(cum_quantity=Decimal(0)))
    yield from _order("waiting", _asked("waiting"), SENT, ACCEPTED)  # is open at the end


def _changes() -> Iterator[Said]:
    asked = _asked(
        "changed", symbol=PERPETUAL, quantity=Decimal(10), contract_size=Decimal("0.001"), margin_leverage=Decimal(5)
    )
    until_ns = T0 + 60_000_000_000
    yield from _order(
        "changed",
        asked,
        SENT,
        ACCEPTED,
        order.AmendRequested(request_id="a1", price=Decimal("50001.5"), quantity=Decimal(12)),
        order.AmendAccepted(request_id="a1", valid_until_ns=until_ns, venue_order_id=VenueOrderId("v2")),
        order.OrderAmended(request_id="a1", price=Decimal("50001.5"), quantity=Decimal(12)),
        order.AmendRequested(request_id="a2", price=Decimal(50002)),
        order.AmendUnknown(request_id="a2", reason="timeout", valid_until_ns=until_ns),
        order.AmendRefused(request_id="a2", reason="not_applied", code="1", text="late"),
    )


def _contracts() -> Iterator[Said]:
    yield from _leg(
        position.LeverageRequested(request_id="l1", leverage=Decimal(200), margin_mode=MarginMode.CROSS),
        position.LeverageRefused(request_id="l1", reason="leverage", code="40012", text="too high"),
        position.LeverageSet(leverage=Decimal(5), margin_mode=MarginMode.ISOLATED),
    )
    yield from _order(
        "plan",
        _asked(
            "plan",
            symbol=PERPETUAL,
            quantity=Decimal(5),
            contract_size=Decimal("0.001"),
            leverage=Decimal(5),
            margin_mode=MarginMode.ISOLATED,
            margin_leverage=Decimal(5),
            trigger=Trigger(price=Decimal(50500), when=Crossing.RISES_TO, by=PriceSource.MARK),
            take_profit=Protection(price=Decimal(60000)),
            stop_loss=Protection(price=Decimal(45000), by=PriceSource.MARK),
        ),
        SENT,
        ACCEPTED,
        order.OrderTriggered(venue_order_id=VenueOrderId("v3")),
        _fill("p1", "5", "50500.5", "0.1515"),
    )
    close = _asked(
        "flips", symbol=PERPETUAL, side=Side.SELL, order_type=OrderType.MARKET, quantity=Decimal(8), price=None,
        contract_size=Decimal("0.001"), margin_leverage=Decimal(5), reference_price=Decimal(51000),
    )  # fmt: skip
    yield from _order("flips", close, SENT, ACCEPTED, _fill("p2", "8", "51000.0", "0.24"))
    busted = order.TradeBusted(exec_id=ExecId("p4"), quantity=Decimal(1), price=Decimal(51200))
    buys = _asked("busted", symbol=PERPETUAL, quantity=Decimal(1), price=Decimal(51200), contract_size=Decimal("0.001"))
    yield from _order("busted", buys, SENT, ACCEPTED, _fill("p4", "1", "51200"), busted)
    seen = order.ExternalOrderSeen(
        account=MAIN,
        client_order_id=ClientOrderId("external1"),
        venue_order_id=VenueOrderId("v9"),
        symbol=PERPETUAL,
        side=Side.BUY,
        order_type=OrderType.LIMIT,
        quantity=Decimal(2),
        price=Decimal(52000),
        contract_size=Decimal("0.001"),
        reduce_only=True,
        origin=Origin.LIQUIDATION,
    )
    yield from _order("external1", seen, _fill("p3", "2", "52000", "0"))
    yield from _leg(
        position.FundingBooked(ledger_id="f1", amount=Decimal("-0.0123"), at_ms=T0 // 1_000_000),
        position.ClearanceBooked(ledger_id="f1", amount=Decimal("-1.5"), currency=USDT, at_ms=T0 // 1_000_000),
    )


def _disagreements() -> Iterator[Said]:
    for name, kind in (("b1", breaks.BreakKind.BALANCE), ("b2", breaks.BreakKind.HISTORY)):
        yield from _account(
            breaks.BreakOpened(
                break_id=name,
                kind=kind,
                subject="spot/USDT",
                ours="1",
                theirs="3",
                difference=Decimal(2),
                evidence=("m1",),
                until_ms=T0 // 1_000_000 + 1,
                opened_ns=T0,
            ),
            breaks.BreakChanged(break_id=name, ours="1", theirs="4", difference=Decimal(3), evidence=("m2",)),
        )
    yield from _account(
        breaks.BreakExplained(break_id="b1", reason="a deposit"),
        breaks.BreakResolved(break_id="b1", resolution=breaks.Resolution.ACCEPTED, reason="a deposit"),
    )


def before_halts_had_scopes() -> Iterator[Said]:
    """Halts and their ends as the first version wrote them; and one that goes on."""
    yield from _account(
        account.WriterStarted(account=MAIN, venue="BitMart"),
        Old("trading-halted/1", {"reason": "lunch"}),
        Old("trading-resumed/1", {"reason": "back"}),
        Old("trading-halted/1", {"reason": "night"}),
    )


def post_only_that_would_take() -> Iterator[Said]:
    """A post-only order that the venue took, and ended because it crossed."""
    ended = order.VenueCanceled(cum_quantity=Decimal(0))
    yield from _order(
        "crossing", _asked("crossing", post_only=True), SENT, ACCEPTED, ended, order.PostOnlyRefused(lived_ms=3)
    )


def called_dead_and_shown_alive() -> Iterator[Said]:
    """An order that was refused, is shown alive after all, and is ended by a later record."""
    refused = order.VenueRefused(reason="insufficient_funds", code="50020")
    alive = order.VenueAccepted(venue_order_id=VenueOrderId("v1"), at_ms=T0 // 1_000_000 + 5)
    ended = order.VenueRefused(reason="refused_by_venue", text="failed", at_ms=T0 // 1_000_000 + 9)
    yield from _order("disputed", _asked("disputed"), SENT, refused, alive, ended)
    yield from _order("alive", _asked("alive"), SENT, refused, alive)


def stop_loss_of_a_human() -> Iterator[Said]:
    """A stop-loss that somebody placed at the venue's website; a position that must have one."""
    yield from _account(
        breaks.BreakOpened(
            break_id=f"protection:{PERPETUAL}/net",
            kind=breaks.BreakKind.PROTECTION,
            subject=f"{PERPETUAL}/net",
            ours="3 must have a live stop",
            theirs="0 have one",
            difference=Decimal(-3),
            symbol=PERPETUAL,
            opened_ns=T0,
        )
    )
    seen = order.ExternalOrderSeen(
        account=MAIN,
        client_order_id=ClientOrderId("external8"),
        venue_order_id=VenueOrderId("8"),
        symbol=PERPETUAL,
        side=Side.SELL,
        order_type=OrderType.MARKET,
        quantity=Decimal(3),
        contract_size=Decimal("0.001"),
        reduce_only=True,
        conditional=True,
        stops=True,
    )
    yield from _order("external8", seen)


def claimed() -> Iterator[Said]:
    """An order of nobody's that was given to a strategy."""
    seen = order.ExternalOrderSeen(
        account=MAIN,
        client_order_id=ClientOrderId("external5"),
        venue_order_id=VenueOrderId("5"),
        symbol=SPOT,
        side=Side.BUY,
        order_type=OrderType.LIMIT,
        quantity=Decimal("0.3"),
        price=Decimal(50000),
    )
    given = order.OrderClaimed(strategy=StrategyId("maker"), reason="placed by hand")
    yield from _order("external5", seen, _fill("t1", "0.1", "50000", "5"), given, _fill("t2", "0.1", "50000", "5"))


def collared() -> Iterator[Said]:
    """Orders that a price collar let pass, and one that it stopped."""
    opening = account.BalanceAdjusted(currency=USDT, change=Decimal(90000), total=Decimal(90000), reason="opening")
    yield from _account(account.WriterStarted(account=MAIN, venue="BitMart"), opening)
    yield from _order("near", _asked("near", collar_price=Decimal("50010.5")), SENT, ACCEPTED)
    far = order.OrderDenied(limit="collar", detail="50000.1 is beyond 45000")
    yield from _order("far", _asked("far", collar_price=Decimal(40000)), far)


def trigger_changed() -> Iterator[Said]:
    """A plan order whose trigger was changed while it waited."""
    moved_to = Decimal("50600.50")
    waits = Trigger(price=Decimal(50500), when=Crossing.RISES_TO, by=PriceSource.MARK)
    yield from _account(account.WriterStarted(account=MAIN, venue="BitMart"))
    yield from _order(
        "waits",
        _asked("waits", symbol=PERPETUAL, quantity=Decimal(5), contract_size=Decimal("0.001"), trigger=waits),
        SENT,
        ACCEPTED,
        order.AmendRequested(request_id="a1", trigger_price=moved_to),
        order.OrderAmended(request_id="a1", trigger_price=moved_to),
    )


def good_till_a_date() -> Iterator[Said]:
    """An order that was to end by itself."""
    yield from _account(account.WriterStarted(account=MAIN, venue="BitMart"))
    yield from _order("until", _asked("until", expires_ns=T0 + 3_600_000_000_000), SENT, ACCEPTED)


def held_before_the_log() -> Iterator[Said]:
    """Legs of perpetuals that the venue held when the log began, and a trade that closes a part of one."""
    yield from _leg(
        position.LegTakenOver(
            quantity=Decimal(10),
            total=Decimal(10),
            cost_change=Decimal("500.005"),
            reason="opening",
            price=Decimal("50000.5"),
            contract_size=Decimal("0.001"),
            leverage=Decimal(5),
            margin_mode=MarginMode.CROSS,
        )
    )
    closes = _asked(
        "closes", symbol=PERPETUAL, side=Side.SELL, quantity=Decimal(4), price=Decimal(51000), reduce_only=True,
        contract_size=Decimal("0.001"),
    )  # fmt: skip
    yield from _order("closes", closes, SENT, ACCEPTED, _fill("p1", "4", "51000", "0.2"))


def inferred() -> Iterator[Said]:
    """Fills that no trade stood for: one stays, one is taken back for a part of it that was a trade after all."""
    guess = _fill("inferred:c1:0.1-0.3", "0.2", "50010")
    ended = order.VenueCanceled(reason="user", cum_quantity=Decimal("0.30"))
    yield from _order("c1", _asked("c1"), SENT, ACCEPTED, _fill("t1", "0.1", "50000.1", "5"), ended, guess)
    yield from _order(
        "c2",
        _asked("c2"),
        SENT,
        ACCEPTED,
        order.ProgressReported(cum_quantity=Decimal("0.30"), done=True),
        _fill("inferred:c2:0-0.3", "0.30", "50000"),
        order.InferredFillReplaced(exec_id=ExecId("inferred:c2:0-0.3"), quantity=Decimal("0.30"), price=Decimal(50000)),
        _fill("t2", "0.1", "49999.9", "5"),
        _fill("inferred:c2:0.1-0.3", "0.20", "50000.05"),
    )


def payload_that_nobody_could_read() -> Iterator[Said]:
    """Bytes of the venue that are kept, as nobody here can read them."""
    where = "POST /spot/v4/query/open-orders"
    yield from _account(account.PayloadQuarantined(channel=where, why="not a number: 'NaN'", message_id="m1"))


def who_made_the_market_told_later() -> Iterator[Said]:
    """A trade of which the stream did not say who made the market, and a list did."""
    heard = order.OrderFilled(
        exec_id=ExecId("p1"),
        quantity=Decimal(3),
        price=Decimal("50000.5"),
        commission=Decimal("0.09"),
        commission_currency=USDT,
    )
    yield from _order(
        "later",
        _asked("later", symbol=PERPETUAL, quantity=Decimal(3), contract_size=Decimal("0.001")),
        SENT,
        ACCEPTED,
        heard,
        order.LiquidityReported(exec_id=ExecId("p1"), liquidity=Liquidity.TAKER),
    )


def what_the_opening_holds() -> Iterator[Said]:
    """Return what a venue had listed of the time right before the log when its balances were taken over."""
    payments = (f"funding {PERPETUAL} 900 {T0 // 1_000_000 - 60_000}",)
    yield from _account(
        account.HistoryKept(since_ms=T0 // 1_000_000 - 900_000, trades=(ExecId("t900"),), payments=payments),
        account.HistoryKept(since_ms=T0 // 1_000_000 - 800_000),  # known already: not written again
    )


def opening_that_held_a_trade() -> Iterator[Said]:
    """What the log had booked before it took the balances over counts once; a trade that turned up later, twice."""
    yield from _account(
        account.HistoryKept(since_ms=T0 // 1_000_000 - 900_000, booked=(ExecId("t901"),)),
        account.BalanceAdjusted(
            currency=USDT, change=Decimal("-59.94"), total=Decimal("40.06"), reason="opening", trades=(ExecId("t902"),)
        ),
    )


def share_claimed_and_protection_changed() -> Iterator[Said]:
    """A part of what was there before the log is given to a strategy, whose next order changes what protects it."""
    profit, higher = Protection(price=Decimal(60000)), Protection(price=Decimal("61000.50"), by=PriceSource.MARK)
    yield from _leg(
        position.LegTakenOver(
            quantity=Decimal(-10),
            total=Decimal(-10),
            cost_change=Decimal("-500.005"),
            reason="opening",
            price=Decimal("50000.5"),
            contract_size=Decimal("0.001"),
        ),
        position.ShareClaimed(
            request_id="k1",
            strategy=StrategyId("maker"),
            quantity=Decimal(-4),
            price=Decimal("50000.5"),
            reason="it was his",
            contract_size=Decimal("0.001"),
        ),
    )
    yield from _order(
        "guarded",
        _asked("guarded", symbol=PERPETUAL, quantity=Decimal(5), contract_size=Decimal("0.001"), take_profit=profit),
        SENT,
        ACCEPTED,
        order.AmendRequested(request_id="a1", take_profit=higher),
        order.OrderAmended(request_id="a1", take_profit=higher),
    )


def busted_at_a_moment() -> Iterator[Said]:
    """A trade that was taken back by a record of a known moment."""
    busted = order.TradeBusted(
        exec_id=ExecId("t1"), quantity=Decimal("0.1"), price=Decimal(50000), at_ms=T0 // 1_000_000
    )
    yield from _order("dated", _asked("dated"), SENT, ACCEPTED, _fill("t1", "0.1", "50000"), busted)


def told_and_never_booked() -> Iterator[Said]:
    """An order of which more was told than the venue counts in the end."""
    told = order.ProgressReported(cum_quantity=Decimal("0.3"))
    lowered = order.CountLowered(cum_quantity=Decimal("0.1"), at_ms=T0 // 1_000_000)
    ended = order.VenueCanceled(reason="system", cum_quantity=Decimal("0.1"))
    yield from _order("less", _asked("less"), SENT, ACCEPTED, _fill("t1", "0.1", "50000", "5"), told, lowered, ended)


def accepted_and_gone() -> Iterator[Said]:
    """A break that a person accepted, and that is gone since."""
    name = f"position:{PERPETUAL}/net"
    yield from _account(
        breaks.BreakOpened(
            break_id=name,
            kind=breaks.BreakKind.POSITION,
            subject=f"{PERPETUAL}/net",
            ours="0",
            theirs="5",
            difference=Decimal(5),
            symbol=PERPETUAL,
            opened_ns=T0,
        ),
        breaks.BreakResolved(break_id=name, resolution=breaks.Resolution.ACCEPTED, reason="a test at the website"),
        breaks.BreakForgotten(break_id=name),
    )


def changed_at_a_moment() -> Iterator[Said]:
    """A change that a picture of a known moment showed."""
    asked = order.AmendRequested(request_id="a1", price=Decimal("50000.5"))
    shown = order.OrderAmended(request_id="a1", price=Decimal("50000.5"), at_ms=T0 // 1_000_000)
    yield from _order("moved", _asked("moved"), SENT, ACCEPTED, asked, shown)


STORIES: dict[str, Story] = {
    "0001-whole": whole,
    "0002-before-halts-had-scopes": before_halts_had_scopes,
    "0003-post-only-that-would-take": post_only_that_would_take,
    "0004-called-dead-and-shown-alive": called_dead_and_shown_alive,
    "0006-claimed": claimed,
    "0005-stop-loss-of-a-human": stop_loss_of_a_human,
    "0007-collared": collared,
    "0008-trigger-changed": trigger_changed,
    "0010-good-till-a-date": good_till_a_date,
    "0011-held-before-the-log": held_before_the_log,
    "0012-inferred": inferred,
    "0016-who-made-the-market-told-later": who_made_the_market_told_later,
    "0015-payload-that-nobody-could-read": payload_that_nobody_could_read,
    "0017-what-the-opening-holds": what_the_opening_holds,
    "0018-share-claimed-and-protection-changed": share_claimed_and_protection_changed,
    "0019-busted-at-a-moment": busted_at_a_moment,
    "0020-told-and-never-booked": told_and_never_booked,
    "0021-opening-that-held-a-trade": opening_that_held_a_trade,
    "0022-accepted-and-gone": accepted_and_gone,
    "0023-changed-at-a-moment": changed_at_a_moment,
}
