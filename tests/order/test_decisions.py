"""Stories: given events, when a command or a report, then events."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from oms.errors import (
    BelowMinimumError,
    DuplicateOrderError,
    InvalidOrderError,
    LimitExceededError,
    OffGridError,
    OrderClosedError,
    UnknownOrderError,
    UnknownSymbolError,
)
from oms.order import claims, decisions, events
from oms.order.admission import WAITING_MAX
from oms.order.decisions import external
from oms.order.holds import hold
from oms.order.messages import (
    AbsenceReport,
    BustReport,
    CancelOrder,
    CancelRejected,
    CancelTaken,
    ClaimOrder,
    CountReport,
    SubmitAccepted,
    SubmitRefused,
    SubmitRepeated,
    SubmitUnknown,
)
from oms.order.state import Life, evolve, status
from oms.reports import VenueOrderStatus
from oms.risk import Facts, Limits
from oms.values import (
    LATEST_NS,
    AccountId,
    ClientOrderId,
    Crossing,
    Currency,
    OrderStatus,
    OrderType,
    PriceSource,
    Side,
    StrategyId,
    TimeInForce,
    VenueOrderId,
)
from oms.venue import Trigger
from tests.order.story import BTC_USDT, FUTURES, RICH, SPOT, asking, given, requested, sent, shown, trade

V1 = VenueOrderId("v1")
ACCEPTED = events.VenueAccepted(venue_order_id=V1)
CANCEL = CancelOrder(account=AccountId("main"), client_order_id=ClientOrderId("c1"), request_id="r1")
ASKED_TO_CANCEL = events.CancelRequested(request_id="r1")


def filled(exec_id: str, quantity: str, price: str = "100") -> events.OrderFilled:
    report = trade(exec_id, quantity, price)
    return events.OrderFilled(
        exec_id=report.exec_id,
        quantity=report.quantity,
        price=report.price,
        commission=report.commission,
        commission_currency=report.commission_currency,
    )


# ------------------------------------------------------------------------------------------------ placing


def test_an_order_is_asked_and_sent_in_one_go() -> None:
    given().when(asking()).then(requested(), events.SendStarted(attempt=1))


def test_the_same_order_again_is_a_retry() -> None:
    given(*sent()).when(asking()).then()


def test_the_same_id_for_another_order_is_refused() -> None:
    with pytest.raises(DuplicateOrderError):
        given(*sent()).when(asking(price=Decimal(101)))


def test_s21_an_order_beyond_the_funds_is_denied_and_says_the_figures() -> None:
    poor = Facts(instrument=BTC_USDT, capabilities=SPOT, available=Decimal("200.19"))
    _, denied = decisions.place(asking(), None, poor, Limits())
    assert denied == events.OrderDenied(
        limit="insufficient_funds", detail="needs 200.200 USDT, 200.19 is available after open orders"
    )
    enough = Facts(instrument=BTC_USDT, capabilities=SPOT, available=Decimal("200.2"))
    assert decisions.place(asking(), None, enough, Limits())[1] == events.SendStarted(attempt=1)


WAITS = msgspec.structs.replace(SPOT, triggers=True)
WAITING = Facts(instrument=BTC_USDT, capabilities=WAITS, available=Decimal(10**9))
STOP = Trigger(price=Decimal(90), when=Crossing.FALLS_TO)


def test_a_spot_order_that_waits_leaves_with_its_trigger_and_never_without_it() -> None:
    asked, sent_off = decisions.place(asking(trigger=STOP), None, WAITING, Limits())
    assert isinstance(asked, events.OrderRequested)
    assert asked.trigger == STOP
    assert sent_off == events.SendStarted(attempt=1)
    with pytest.raises(InvalidOrderError, match="wait"):
        decisions.place(asking(trigger=STOP), None, RICH, Limits())


def test_on_spot_only_a_sell_that_waits_can_be_reduce_only_and_only_where_the_venue_knows_such() -> None:
    takes_out = msgspec.structs.replace(WAITS, closing_triggers=True)
    facts = msgspec.structs.replace(WAITING, capabilities=takes_out)
    asked, _ = decisions.place(asking(side=Side.SELL, trigger=STOP, reduce_only=True), None, facts, Limits())
    assert isinstance(asked, events.OrderRequested)
    assert asked.reduce_only
    for wrong, known in (
        (asking(side=Side.SELL, reduce_only=True), facts),
        (asking(side=Side.BUY, trigger=STOP, reduce_only=True), facts),
        (asking(side=Side.SELL, trigger=STOP, reduce_only=True), WAITING),
    ):
        with pytest.raises(InvalidOrderError, match="reduce-only"):
            decisions.place(wrong, None, known, Limits())


@pytest.mark.parametrize(
    "changes",
    [
        {"trigger": msgspec.structs.replace(STOP, by=PriceSource.MARK)},
        {"trigger": STOP, "post_only": True},
        {"trigger": STOP, "time_in_force": TimeInForce.IOC},
    ],
)
def test_what_spot_cannot_have_wait_is_refused_before_it_is_recorded(changes: dict[str, object]) -> None:
    with pytest.raises(InvalidOrderError):
        decisions.place(asking(**changes), None, WAITING, Limits())


def test_s18_while_halted_nothing_opens() -> None:
    halted = Facts(instrument=BTC_USDT, capabilities=SPOT, available=Decimal(10**9), halted="by hand: drill")
    _, denied = decisions.place(asking(), None, halted, Limits())
    assert denied == events.OrderDenied(limit="trading_halted", detail="by hand: drill")


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"price": Decimal("100.001")}, OffGridError),
        ({"price": Decimal(-1)}, InvalidOrderError),
        ({"price": Decimal("NaN")}, InvalidOrderError),
        ({"price": Decimal("1e999999")}, InvalidOrderError),
        ({"price": Decimal("1." + "0" * 150 + "1")}, OffGridError),
        ({"price": None}, InvalidOrderError),
        ({"quantity": Decimal("0.00001")}, OffGridError),
        ({"quantity": Decimal(0)}, InvalidOrderError),
        ({"quantity": Decimal("Infinity")}, InvalidOrderError),
        ({"quantity": None}, InvalidOrderError),
        ({"notional": Decimal(10)}, InvalidOrderError),
        ({"quantity": Decimal("0.0001"), "price": Decimal(1)}, BelowMinimumError),
        ({"time_in_force": TimeInForce.FOK}, InvalidOrderError),
        ({"time_in_force": TimeInForce.IOC, "post_only": True}, InvalidOrderError),
        ({"reduce_only": True}, InvalidOrderError),
        ({"type": OrderType.MARKET}, InvalidOrderError),
        ({"type": OrderType.MARKET, "price": None}, InvalidOrderError),
        ({"type": OrderType.MARKET, "price": None, "quantity": None, "notional": Decimal("4.99")}, BelowMinimumError),
    ],
)
def test_a_malformed_order_is_refused_and_leaves_nothing(changes: dict[str, object], error: type[Exception]) -> None:
    with pytest.raises(error):
        given().when(asking(**changes))


def test_an_unknown_market_is_refused() -> None:
    nowhere = Facts(instrument=None, capabilities=SPOT, available=Decimal(0))
    with pytest.raises(UnknownSymbolError):
        decisions.place(asking(), None, nowhere, Limits())


@pytest.mark.parametrize("symbol", ["BTC/USD:BTC", "BTC/USD:BTC-261225"])
def test_an_inverse_contract_is_refused_for_what_it_is(symbol: str) -> None:
    nowhere = Facts(instrument=None, capabilities=FUTURES, available=Decimal(0))
    with pytest.raises(UnknownSymbolError, match="inverse contract, settled in BTC") as refused:
        decisions.place(asking(symbol=symbol), None, nowhere, Limits())
    assert refused.value.advice == "trade the linear one, such as BTC/USDT:USDT"
    with pytest.raises(UnknownSymbolError, match="no market NO/USDT:USDT on account main"):
        decisions.place(asking(symbol="NO/USDT:USDT"), None, nowhere, Limits())


def test_a_market_buy_is_sized_in_quote_and_holds_its_commission_too() -> None:
    bought = {"type": OrderType.MARKET, "price": None, "quantity": None, "notional": Decimal(50)}
    story = given().when(asking(**bought))
    assert story.order is not None
    assert hold(story.order) == ("USDT", Decimal("50.05"))


@pytest.mark.parametrize(
    ("asked", "kept"),
    [
        ({}, ("USDT", Decimal("150.15"))),  # one and a half at 100, with the commission
        ({"side": Side.SELL}, ("BTC", Decimal("1.5"))),
    ],
)
def test_an_order_that_is_over_holds_what_it_traded_without_telling(
    asked: dict[str, object], kept: tuple[str, Decimal]
) -> None:
    """What the venue took for it is spent, though nobody here has seen the trade (as seed 1016885, of funds)."""
    story = given(*sent(**asked), ACCEPTED).when(shown(VenueOrderStatus.CANCELED, "1.5"))
    assert story.order is not None
    assert (story.order.life, hold(story.order)) == (Life.CANCELED, kept)
    story.when(trade("t1", "1.5"))
    assert hold(story.order)[1] == 0


# ------------------------------------------------------------------------------------------------ answers


def test_an_ack_names_the_venues_id_once() -> None:
    given(*sent()).when(SubmitAccepted(venue_order_id=V1)).then(ACCEPTED)
    given(*sent(), ACCEPTED).when(SubmitAccepted(venue_order_id=V1)).then()


def test_a_certain_refusal_rejects() -> None:
    refused = events.VenueRefused(reason="insufficient_funds", code="50020")
    story = given(*sent()).when(SubmitRefused(reason="insufficient_funds", code="50020")).then(refused)
    assert story.order is not None
    assert status(story.order) is OrderStatus.REJECTED


def test_a_refusal_that_did_nothing_sends_the_same_id_again_three_times_at_most() -> None:
    story = given(*sent()).when(SubmitRepeated()).then(events.SendStarted(attempt=2))
    story.when(SubmitRepeated()).then(events.SendStarted(attempt=3))
    story.when(SubmitRepeated()).then()


def test_s02_no_answer_is_doubt_not_failure() -> None:
    unknown = events.OutcomeUnknown(reason="timeout", valid_until_ns=60)
    story = given(*sent()).when(SubmitUnknown(reason="timeout", valid_until_ns=60)).then(unknown)
    assert story.order is not None
    assert status(story.order) is OrderStatus.IN_DOUBT
    assert hold(story.order) == ("USDT", Decimal("200.2"))  # it may live, so it holds
    story.when(shown(VenueOrderStatus.NEW)).then(ACCEPTED)


def test_s13_an_order_called_dead_that_shows_up_lives_again() -> None:
    dead = events.AbsenceProven(evidence=("m1", "m2", "m3"))
    doubt = events.OutcomeUnknown(reason="timeout", valid_until_ns=60)
    given(*sent(), doubt).when(AbsenceReport(evidence=("m1", "m2", "m3"))).then(dead)
    story = given(*sent(), doubt, dead).when(shown(VenueOrderStatus.NEW)).then(ACCEPTED)
    assert story.order is not None
    assert status(story.order) is OrderStatus.OPEN


def test_absence_says_nothing_of_an_order_that_was_found_meanwhile() -> None:
    given(*sent(), ACCEPTED).when(AbsenceReport(evidence=("m1",))).then()


# ------------------------------------------------------------------------------------------------ fills


def test_s11_a_fill_that_outruns_the_ack_is_booked_and_names_the_order() -> None:
    given(*sent()).when(trade("t1", "0.5")).then(ACCEPTED, filled("t1", "0.5"))


def test_s09_a_fill_told_twice_is_booked_once() -> None:
    given(*sent(), ACCEPTED, filled("t1", "0.5")).when(trade("t1", "0.5"), trade("t1", "0.5")).then()


def test_s10_two_trades_under_one_id_are_flagged_not_lost() -> None:
    story = given(*sent(), ACCEPTED, filled("t1", "0.5")).when(trade("t1", "0.7"))
    assert [type(event) for event in story.caused] == [events.ReportContradicted]
    assert story.order is not None
    assert story.order.flagged


def test_the_last_fill_fills_the_order_and_releases_what_it_held() -> None:
    story = given(*sent(), ACCEPTED, filled("t1", "0.5")).when(trade("t2", "1.5", "99")).then(filled("t2", "1.5", "99"))
    assert story.order is not None
    assert status(story.order) is OrderStatus.FILLED
    assert story.order.average_price == Decimal("99.25")
    assert hold(story.order) == ("USDT", 0)


def test_s12_a_fill_after_the_cancel_is_booked_and_the_order_stays_canceled() -> None:
    canceled = events.VenueCanceled(reason="user", cum_quantity=Decimal(0))
    story = given(*sent(), ACCEPTED, canceled).when(trade("t1", "0.5")).then(filled("t1", "0.5"))
    assert story.order is not None
    assert status(story.order) is OrderStatus.CANCELED
    assert story.order.flagged, "the venue had said that nothing traded"
    story.when(trade("t2", "1.5"))
    assert status(story.order) is OrderStatus.FILLED


def test_s12_a_fill_that_the_cancel_told_of_and_that_comes_after_it_is_nobodys_alarm() -> None:
    canceled = events.VenueCanceled(reason="user", cum_quantity=Decimal("0.5"))
    story = given(*sent(), ACCEPTED, canceled).when(trade("t1", "0.5")).then(filled("t1", "0.5"))
    assert story.order is not None
    assert not story.order.flagged


def test_a_commission_told_later_is_added_once() -> None:
    told_late = trade("t1", "0.5", commission=None, commission_currency=None)
    story = given(*sent(), ACCEPTED).when(told_late)
    assert story.order is not None
    assert story.order.trades_missing
    charged = events.CommissionReported(
        exec_id=told_late.exec_id, commission=Decimal("0.1"), commission_currency=Currency("USDT")
    )
    story.when(trade("t1", "0.5")).then(charged)
    assert not story.order.trades_missing
    story.when(trade("t1", "0.5")).then()


def test_an_amount_whose_coin_nobody_names_is_no_commission() -> None:
    coinless = trade("t1", "0.5", commission_currency=None)
    story = given(*sent(), ACCEPTED).when(coinless)
    story.then(msgspec.structs.replace(filled("t1", "0.5"), commission=None, commission_currency=None))
    assert story.order is not None
    assert story.order.trades_missing
    story.when(coinless).then()
    story.when(trade("t1", "0.5")).then(
        events.CommissionReported(
            exec_id=coinless.exec_id, commission=Decimal("0.1"), commission_currency=Currency("USDT")
        )
    )
    assert not story.order.trades_missing


def test_what_a_log_holds_of_an_amount_without_its_coin_is_asked_for_again() -> None:
    story = given(*sent(), ACCEPTED, msgspec.structs.replace(filled("t1", "0.5"), commission_currency=None))
    assert story.order is not None
    assert story.order.trades_missing
    free = given(
        *sent(), ACCEPTED, msgspec.structs.replace(filled("t1", "0.5"), commission=Decimal(0), commission_currency=None)
    )
    assert free.order is not None
    assert not free.order.trades_missing, "nothing is as much in any coin"


def test_the_venues_total_ahead_of_our_trades_is_remembered_until_they_come() -> None:
    behind = events.ProgressReported(cum_quantity=Decimal("0.5"))
    story = given(*sent(), ACCEPTED).when(shown(VenueOrderStatus.PARTIALLY_FILLED, "0.5")).then(behind)
    assert story.order is not None
    assert story.order.trades_missing
    story.when(trade("t1", "0.5")).then(filled("t1", "0.5"))
    assert not story.order.trades_missing


def test_s32_a_market_buy_is_filled_when_the_venue_calls_it_done() -> None:
    bought = {"type": OrderType.MARKET, "price": None, "quantity": None, "notional": Decimal(100)}
    done = events.ProgressReported(cum_quantity=Decimal("0.9999"), done=True)
    story = given(*sent(**bought), ACCEPTED).when(shown(VenueOrderStatus.FILLED, "0.9999")).then(done)
    assert story.order is not None
    assert status(story.order) is OrderStatus.OPEN  # the trades are still to come
    story.when(trade("t1", "0.9999", "100.00"))
    assert status(story.order) is OrderStatus.FILLED
    assert hold(story.order) == ("USDT", 0)


def test_s33_a_post_only_order_ended_by_the_system_is_canceled_with_its_reason() -> None:
    ended = events.VenueCanceled(reason="system", cum_quantity=Decimal(0))
    story = given(*sent(post_only=True), ACCEPTED).when(shown(VenueOrderStatus.CANCELED, cancel_reason="system"))
    story.then(ended)


CROSSED: dict[str, Any] = {"created_ms": 1_000, "updated_ms": 1_003}


@pytest.mark.parametrize("by", [None, "system"])
@pytest.mark.parametrize("known", [(), (ACCEPTED,)])
def test_s33_a_post_only_order_that_the_venue_ends_at_once_reads_as_refused_and_keeps_both_facts(
    by: str | None, known: tuple[events.OrderEvent, ...]
) -> None:
    ended = events.VenueCanceled(reason=by, cum_quantity=Decimal(0))
    story = given(*sent(post_only=True), *known).when(shown(VenueOrderStatus.CANCELED, cancel_reason=by, **CROSSED))
    story.then(*(() if known else (ACCEPTED,)), ended, events.PostOnlyRefused(lived_ms=3))
    assert story.order is not None
    assert (status(story.order), story.order.reason) == (OrderStatus.REJECTED, "would take")
    story.when(SubmitAccepted(venue_order_id=VenueOrderId("v1"))).then()  # the ack was slower than the end
    assert status(story.order) is OrderStatus.REJECTED
    story.when(trade("t1", "0.5"))  # the venue takes its word back: money moved
    assert status(story.order) is OrderStatus.CANCELED
    assert story.order.flagged


@pytest.mark.parametrize(
    ("asked", "facts", "said"),
    [
        ({"post_only": False}, (), {}),
        ({}, (), {"cancel_reason": "user"}),
        ({}, (), {"cancel_reason": "stp"}),
        ({}, (), {"updated_ms": 61_000}),
        ({}, (), {"created_ms": None}),
        ({}, (ASKED_TO_CANCEL,), {}),
        ({}, (), {"cum_quantity": Decimal("0.5")}),
    ],
    ids=["may take", "by a person", "by self-trade prevention", "it rested", "no time", "asked for", "it traded"],
)
def test_s33_any_other_end_of_an_order_is_what_the_venue_calls_it(
    asked: dict[str, Any], facts: tuple[events.OrderEvent, ...], said: dict[str, Any]
) -> None:
    report = shown(VenueOrderStatus.CANCELED, **CROSSED | said)
    story = given(*sent(**{"post_only": True} | asked), ACCEPTED, *facts).when(report)
    assert story.order is not None
    assert isinstance(story.caused[-1], events.VenueCanceled)
    assert status(story.order) is OrderStatus.CANCELED


def test_s52_a_busted_trade_is_taken_back() -> None:
    story = given(*sent(), ACCEPTED, filled("t1", "2")).when(BustReport(exec_id="t1"))
    assert story.order is not None
    assert (story.order.cum_quantity, story.order.cum_cost) == (0, 0)
    assert status(story.order) is OrderStatus.OPEN


def test_s52_late_words_of_a_busted_trade_do_not_bring_it_back() -> None:
    late = shown(VenueOrderStatus.FILLED, "2", updated_ms=1_000)
    story = given(*sent(), ACCEPTED, filled("t1", "2")).when(BustReport(exec_id="t1", at_ms=1_000))
    story.when(trade("t1", "2")).then()
    story.when(late).then()
    story.when(shown(VenueOrderStatus.PARTIALLY_FILLED, "2", updated_ms=900)).then()
    story.when(trade("t1", "2")).then()
    story.when(trade("t2", "1"))
    assert story.order is not None
    assert story.order.cum_quantity == 1, "another trade is booked"


def test_s52_what_was_told_and_is_counted_no_more_is_awaited_no_more() -> None:
    told = given(*sent(), ACCEPTED, filled("t1", "1")).when(shown(VenueOrderStatus.PARTIALLY_FILLED, "2"))
    assert told.order is not None
    assert told.order.trades_missing
    told.when(CountReport(cum_quantity=Decimal("0.5"), at_ms=1_000)).then()  # not what is booked
    told.when(CountReport(cum_quantity=Decimal(1), at_ms=1_000))
    told.then(events.CountLowered(cum_quantity=Decimal(1), at_ms=1_000))
    assert (told.order.trades_missing, told.order.flagged, told.order.life) == (False, True, Life.WORKING)
    told.when(CountReport(cum_quantity=Decimal(1), at_ms=1_000)).then()
    told.when(shown(VenueOrderStatus.PARTIALLY_FILLED, "2", updated_ms=900)).then()  # from before


def test_s52_a_busted_trade_that_the_venue_counts_again_is_booked_again() -> None:
    story = given(*sent(), ACCEPTED, filled("t1", "2")).when(BustReport(exec_id="t1", at_ms=1_000))
    story.when(shown(VenueOrderStatus.FILLED, "2", updated_ms=1_001)).when(trade("t1", "2"))
    assert story.order is not None
    assert story.order.cum_quantity == 2
    assert story.order.busted == ("t1",), "somebody took it back once"


# ------------------------------------------------------------------------------------------------ cancels


def test_a_cancel_is_asked_for_once() -> None:
    story = given(*sent(), ACCEPTED).when(CANCEL).then(ASKED_TO_CANCEL)
    assert story.order is not None
    assert status(story.order) is OrderStatus.PENDING_CANCEL
    story.when(CANCEL).then()
    story.when(CancelTaken(request_id="r1")).then(events.CancelAccepted(request_id="r1"))
    assert status(story.order) is OrderStatus.PENDING_CANCEL  # asked for is not done


def test_so_many_cancels_of_one_order_wait_and_no_more() -> None:
    asked = [events.CancelRequested(request_id=f"r{number}") for number in range(WAITING_MAX)]
    story = given(*sent(), ACCEPTED, *asked)
    story.when(msgspec.structs.replace(CANCEL, request_id="r0")).then()  # a repeat is one that waits
    with pytest.raises(LimitExceededError, match="100 such requests of c1 wait already"):
        story.when(msgspec.structs.replace(CANCEL, request_id="one more"))


def test_s04_a_refused_cancel_proves_nothing_about_the_order() -> None:
    refused = events.CancelRefused(request_id="r1", reason="already_filled", code="50031")
    story = given(*sent(), ACCEPTED, ASKED_TO_CANCEL).when(
        CancelRejected(request_id="r1", reason="already_filled", code="50031")
    )
    story.then(refused)
    assert story.order is not None
    assert status(story.order) is OrderStatus.OPEN


IN_DOUBT = (*sent(), events.OutcomeUnknown(reason="timeout", valid_until_ns=1))
DEATHS = {
    "refused": (*IN_DOUBT, ASKED_TO_CANCEL, events.VenueRefused(reason="insufficient_funds")),
    "never arrived": (*IN_DOUBT, ASKED_TO_CANCEL, events.AbsenceProven(evidence=("m1",))),
    "vanished": (*IN_DOUBT, ASKED_TO_CANCEL, events.OrderVanished(evidence=("m1",))),
    "vanished at work": (*sent(), ACCEPTED, ASKED_TO_CANCEL, events.OrderVanished(evidence=("m1",))),
    "denied": (*sent(), ASKED_TO_CANCEL, events.OrderDenied(limit="trading_halted", detail="x")),
}


@pytest.mark.parametrize("death", DEATHS.values(), ids=DEATHS)
def test_a_cancel_is_still_wanted_of_an_order_that_was_called_dead_and_lives_after_all(
    death: tuple[events.OrderEvent, ...],
) -> None:
    story = given(*death)
    assert story.order is not None
    assert not story.order.unsettled
    assert status(story.order) in {OrderStatus.REJECTED, OrderStatus.CANCELED, OrderStatus.DENIED}
    story.when(trade("t1", "0.5"))
    assert status(story.order) is OrderStatus.PENDING_CANCEL
    assert story.order.unsettled
    story.when(shown(VenueOrderStatus.CANCELED, "0.5"))
    assert not story.order.cancels


def test_a_cancel_that_was_refused_is_not_made_again_by_a_death_that_was_none() -> None:
    refused = events.CancelRefused(request_id="r1", reason="order_not_found", code="50005")
    story = given(*sent(), ACCEPTED, ASKED_TO_CANCEL, refused, events.OrderVanished(evidence=("m1",)))
    story.when(shown(VenueOrderStatus.NEW))
    assert story.order is not None
    assert status(story.order) is OrderStatus.OPEN


def test_what_is_over_or_was_never_there_cannot_be_canceled() -> None:
    with pytest.raises(OrderClosedError):
        given(*sent(), ACCEPTED, filled("t1", "2")).when(CANCEL)
    with pytest.raises(UnknownOrderError):
        given().when(CANCEL)


# ------------------------------------------------------------------------------------------------ what should not be


def test_s46_an_unknown_status_flags_the_order_and_changes_nothing() -> None:
    story = given(*sent(), ACCEPTED).when(shown(None, raw_status="foo"))
    assert [type(event) for event in story.caused] == [events.ReportContradicted]
    assert story.order is not None
    assert story.order.flagged
    assert status(story.order) is OrderStatus.OPEN
    story.when(shown(None, raw_status="foo")).then()  # said once, not at every poll


def test_an_order_of_somebody_else_is_seen_under_the_same_name_every_time() -> None:
    report = shown(VenueOrderStatus.NEW, client_order_id=None, side=Side.SELL, quantity=Decimal(1), price=Decimal(7))
    seen, *_ = external(report, AccountId("main"))
    assert isinstance(seen, events.ExternalOrderSeen)
    assert seen.client_order_id == "externalv1"
    assert external(report, AccountId("main"))[0] == seen


def test_money_under_an_order_that_was_denied_is_booked_and_flagged() -> None:
    denied = (requested(), events.OrderDenied(limit="x", detail="y"))
    story = given(*denied).when(trade("t1", "0.5"))
    assert story.order is not None
    assert story.order.cum_quantity == Decimal("0.5")
    assert story.order.flagged


def test_nothing_of_the_facts_is_needed_for_a_retry() -> None:
    assert decisions.place(asking(), given(*sent()).order, RICH, Limits(open_orders_max=0)) == ()


def test_s16_beyond_the_venues_memory_an_order_without_a_trace_is_over_and_never_called_rejected() -> None:
    doubt = events.OutcomeUnknown(reason="timeout", valid_until_ns=60)
    mark = events.Mark(message_id="m1", what="order", memory_ms=1_200_000)
    search = AbsenceReport(evidence=("m1", "m2", "m3"), marks=(mark,), remembered=False)
    end = (events.VenueSearched(marks=(mark,)), events.OrderVanished(evidence=("m1", "m2", "m3")))
    for history in ((*sent(), doubt), (*sent(), ACCEPTED)):
        story = given(*history).when(search).then(*end)
        assert story.order is not None
        assert (status(story.order), story.order.reason) == (OrderStatus.CANCELED, "proof: absence")


def test_s13_an_order_that_vanished_and_is_shown_again_lives_again() -> None:
    gone = events.OrderVanished(evidence=("m1",))
    given(*sent(), ACCEPTED, gone).when(shown(VenueOrderStatus.NEW)).then(ACCEPTED)


def test_s12_a_late_fill_of_a_vanished_order_is_booked_and_the_order_is_asked_for_again() -> None:
    gone = events.OrderVanished(evidence=("m1",))
    story = given(*sent(), ACCEPTED, gone).when(trade("t1", "1", venue_order_id=None))
    assert story.order is not None
    assert story.order.life is Life.WORKING


def test_a_search_says_nothing_of_an_order_that_moved_meanwhile() -> None:
    given(*sent(), ACCEPTED).when(AbsenceReport(evidence=("m1",), remembered=False, version=2)).then()


def test_an_order_that_is_claimed_is_its_strategys_whatever_became_of_it() -> None:
    seen = shown(VenueOrderStatus.NEW, client_order_id=None, side=Side.BUY, quantity=Decimal(1), price=Decimal(9))
    story = given(*external(seen, AccountId("main"))).when(trade("t1", "1", "9"))
    claim = ClaimOrder(
        account=AccountId("main"), client_order_id=ClientOrderId("externalv1"), strategy=StrategyId("a"), reason="his"
    )
    (claimed,) = claims.claim(claim, story.order)
    assert claimed == events.OrderClaimed(strategy=StrategyId("a"), reason="his")
    order = evolve(story.order, claimed)
    assert (order.request.strategy, order.life) == ("a", Life.FILLED)
    assert claims.claim(claim, order) == ()


def test_a_time_of_an_older_log_that_nothing_could_hold_is_the_nearest_one_and_its_order_the_same() -> None:
    """A snapshot of memory takes sixty-four bits, as the tables do."""
    far_ns = 253_402_343_999_000_000_000  # 9999-12-31T23:59:59-12:00, which was taken once
    order = evolve(None, replace(requested(time_in_force=TimeInForce.GTD, expires_ns=LATEST_NS), expires_ns=far_ns))
    assert order.request.expires_ns == LATEST_NS
    assert msgspec.msgpack.encode(order)
    again = asking(time_in_force=TimeInForce.GTD, expires_ns=far_ns)
    assert decisions.place(again, order, RICH, Limits()) == (), "the first answer, once more"
