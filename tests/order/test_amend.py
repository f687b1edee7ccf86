"""Changing an order that works: asked for, taken, shown; until then it may be either."""

from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from oms.errors import InvalidOrderError, LimitExceededError, OffGridError, OrderClosedError, UnknownOrderError
from oms.order import decisions, events
from oms.order.events import OrderEvent, OrderRequested, SendStarted, VenueAccepted
from oms.order.holds import hold
from oms.order.messages import AmendOrder, AmendRejected, AmendTaken, AmendUnanswered
from oms.order.presets import parent_of, waits_for
from oms.order.state import Life, Order, evolve, status
from oms.reports import OrderReport, VenueOrderStatus
from oms.risk import Facts, Limits
from oms.sending import amendment
from oms.values import (
    AccountId,
    ClientOrderId,
    Crossing,
    OrderStatus,
    OrderType,
    PriceSource,
    Protection,
    Side,
    VenueOrderId,
)
from oms.venue import Trigger
from tests.order.story import BTC_PERPETUAL, FUTURES, SPOT, Story, asking, given, shown, trade

PERPETUAL = BTC_PERPETUAL.symbol
RICH = Facts(instrument=BTC_PERPETUAL, capabilities=FUTURES, available=Decimal(10**9))
V1 = VenueOrderId("v1")
TAKEN = AmendTaken(request_id="a1", valid_until_ns=5)


def working(**changes: object) -> tuple[OrderEvent, ...]:
    """A bid for ten contracts at 27000."""
    fields = {"symbol": PERPETUAL, "quantity": Decimal(10), "price": Decimal(27000), "leverage": Decimal(10)}
    request, _ = decisions.place(asking(**(fields | changes)), None, RICH, Limits())
    assert isinstance(request, OrderRequested)
    return (request, SendStarted(attempt=1), VenueAccepted(venue_order_id=V1))


def asked(
    request_id: str = "a1",
    price: str | None = None,
    quantity: str | None = None,
    trigger_price: str | None = None,
    **protection: Protection,
) -> AmendOrder:
    return AmendOrder(
        account=AccountId("main"),
        client_order_id=ClientOrderId("c1"),
        request_id=request_id,
        price=None if price is None else Decimal(price),
        quantity=None if quantity is None else Decimal(quantity),
        trigger_price=None if trigger_price is None else Decimal(trigger_price),
        **protection,
    )


def amend(story: Story, command: AmendOrder, facts: Facts = RICH, limits: Limits | None = None) -> Story:
    for event in decisions.amend(command, story.order, facts, limits or Limits()):
        story.order = evolve(story.order, event)
    return story


def order_of(story: Story) -> Order:
    assert story.order is not None
    return story.order


def pictured(price: str, quantity: str, **changes: Any) -> OrderReport:
    return shown(VenueOrderStatus.NEW, symbol=PERPETUAL, price=Decimal(price), quantity=Decimal(quantity), **changes)


def test_a_change_is_pending_until_the_venue_shows_it() -> None:
    story = amend(given(*working()), asked(price="27100"))
    assert status(order_of(story)) is OrderStatus.PENDING_AMEND
    assert order_of(story).unsettled
    story.when(AmendTaken(request_id="a1", valid_until_ns=5))
    assert status(order_of(story)) is OrderStatus.PENDING_AMEND
    story.when(pictured("27000", "10")).then()  # an older picture says nothing
    story.when(pictured("27100", "10")).then(events.OrderAmended(request_id="a1", price=Decimal(27100)))
    assert status(order_of(story)) is OrderStatus.OPEN
    assert order_of(story).request.price == 27100
    assert not order_of(story).unsettled
    story.when(pictured("27100", "10")).then()


def test_the_larger_of_both_is_held_while_a_change_is_on_its_way() -> None:
    story = given(*working())
    one_contract = Decimal("2.7")  # a tenth of 27
    story = amend(story, asked(quantity="12"))
    fees = Decimal("0.001") * 27
    assert hold(order_of(story)) == ("futures:USDT", 12 * (one_contract + fees))
    story = amend(story.when(TAKEN), asked("a2", quantity="4"))
    assert hold(order_of(story))[1] == 12 * (one_contract + fees)
    story.when(pictured("27000", "4"))
    assert hold(order_of(story))[1] == 4 * (one_contract + fees)
    assert order_of(story).amends == ()  # the later one shows: the earlier one is overtaken


def test_two_changes_that_show_together_are_both_applied() -> None:
    """Found by the simulation, seed 492: the price of the first was lost with it."""
    story = amend(given(*working()), asked(price="27100", quantity="8"))
    story = amend(story.when(TAKEN), asked("a2", quantity="9"))
    story.when(pictured("27100", "9")).then(
        events.OrderAmended(request_id="a2", price=Decimal(27100), quantity=Decimal(9))
    )
    assert (order_of(story).request.price, order_of(story).request.quantity) == (27100, 9)
    story = amend(given(*working()), asked(price="27100"))
    story = amend(story.when(TAKEN), asked("a2", quantity="9"))
    story.when(pictured("27000", "9")).then(events.OrderAmended(request_id="a2", quantity=Decimal(9)))
    assert order_of(story).request.price == 27000


def test_a_picture_from_before_the_last_change_that_was_applied_shows_no_later_one() -> None:
    story = amend(given(*working()), asked(price="27100")).when(TAKEN, pictured("27100", "10", updated_ms=7))
    story = amend(story, asked("a2", price="27000"))
    story.when(pictured("27000", "10", updated_ms=6)).then()
    story.when(pictured("27000", "10", updated_ms=7)).then(
        events.OrderAmended(request_id="a2", price=Decimal(27000), at_ms=7)
    )


def test_a_change_that_may_still_arrive_is_not_over_because_a_later_one_shows() -> None:
    """Seeds 19059957 and 19062264: it came after the later one, and nobody knew why the order was otherwise."""
    story = amend(given(*working()), asked(price="27100", quantity="8"))
    story.when(AmendUnanswered(request_id="a1", reason="timeout", valid_until_ns=9))
    story = amend(story, asked("a2", price="27200")).when(pictured("27200", "10", updated_ms=7))
    assert [(each.request_id, each.overtaken) for each in order_of(story).amends] == [("a1", True)]
    assert status(order_of(story)) is OrderStatus.PENDING_AMEND
    third = amendment(order_of(story), amend(story, asked("a3", quantity="9")).order.amends[-1])  # type: ignore[union-attr]
    assert (third.price, third.quantity) == (None, 9)
    story.when(pictured("27100", "8", updated_ms=6)).then()  # from before
    story.when(pictured("27100", "8", updated_ms=8)).then(
        events.OrderAmended(request_id="a1", price=Decimal(27100), quantity=Decimal(8), at_ms=8)
    )
    assert [each.request_id for each in order_of(story).amends] == ["a3"]
    assert (order_of(story).request.price, order_of(story).request.quantity) == (27100, 8)


@pytest.mark.parametrize("answer", [TAKEN, AmendUnanswered(request_id="a1", reason="timeout", valid_until_ns=9)])
def test_a_change_that_was_taken_or_shows_is_over_with_a_later_one(answer: AmendTaken | AmendUnanswered) -> None:
    story = amend(given(*working()), asked(price="27100")).when(answer)
    story = amend(story, asked("a2", quantity="9")).when(pictured("27100", "9"))
    assert order_of(story).amends == ()
    assert (order_of(story).request.price, order_of(story).request.quantity) == (27100, 9)


def test_a_change_that_shows_in_fills_alone_is_applied() -> None:
    """Found by the simulation, seed 102441: the order was filled, and kept the quantity of before."""
    story = amend(given(*working()), asked(price="27100", quantity="12")).when(trade("t1", "10", "27000"))
    assert order_of(story).request.quantity == 10
    story.when(trade("t2", "2", "27100"))
    assert isinstance(story.caused[0], events.OrderAmended)
    order = order_of(story)
    assert (order.life, order.request.quantity, order.request.price) == (Life.FILLED, 12, 27100)
    assert not order.flagged


def test_a_fill_proves_no_change_that_another_one_would_have_allowed_as_well() -> None:
    story = amend(amend(given(*working()), asked(quantity="12")).when(TAKEN), asked("a2", quantity="13"))
    story.when(trade("t1", "11", "27000"))
    assert order_of(story).request.quantity == 10
    assert len(order_of(story).amends) == 2
    story.when(trade("t2", "2", "27000"))
    assert order_of(story).request.quantity == 13
    within = amend(given(*working()), asked(quantity="12")).when(trade("t1", "9", "27000"))
    assert order_of(within).request.quantity == 10


def test_a_refused_change_leaves_the_order_as_it_was() -> None:
    story = amend(given(*working()), asked(price="27100"))
    refused = AmendRejected(request_id="a1", reason="already_filled", code="40036", text="finished")
    story.when(refused).then(
        events.AmendRefused(request_id="a1", reason="already_filled", code="40036", text="finished")
    )
    assert status(order_of(story)) is OrderStatus.OPEN
    assert order_of(story).request.price == 27000
    story.when(refused).then()


def test_a_change_without_an_answer_stays_pending_and_a_late_picture_settles_it() -> None:
    story = amend(given(*working()), asked(quantity="4"))
    story.when(AmendUnanswered(request_id="a1", reason="timeout", valid_until_ns=9))
    assert order_of(story).amends[0].valid_until_ns == 9
    story.when(pictured("27000", "4"))
    assert order_of(story).request.quantity == 4


def test_an_order_filled_beyond_its_old_quantity_is_not_over_while_more_is_on_its_way() -> None:
    story = amend(given(*working()), asked(quantity="12"))
    story.when(trade("t1", "10", "27000", symbol=PERPETUAL))
    assert order_of(story).life is Life.WORKING
    story.when(trade("t2", "2", "27000", symbol=PERPETUAL))
    assert order_of(story).life is Life.FILLED
    assert not order_of(story).flagged
    assert order_of(story).amends == ()


def test_an_order_filled_to_its_old_quantity_is_over_once_more_was_refused() -> None:
    story = amend(given(*working()), asked(quantity="12"))
    story.when(trade("t1", "10", "27000", symbol=PERPETUAL), AmendRejected(request_id="a1", reason="already_filled"))
    assert order_of(story).life is Life.FILLED


def test_a_quantity_amended_to_what_is_filled_ends_the_order() -> None:
    story = amend(given(*working()), asked(quantity="4"))
    story.when(trade("t1", "4", "27000", symbol=PERPETUAL), pictured("27000", "4", cum_quantity=Decimal(4)))
    assert order_of(story).life is Life.FILLED


def test_the_venues_new_id_counts() -> None:
    story = amend(given(*working()), asked(price="27100"))
    story.when(AmendTaken(request_id="a1", valid_until_ns=5, venue_order_id=VenueOrderId("v2")))
    assert order_of(story).venue_order_id == "v2"


def test_the_same_request_is_made_once_and_the_first_order_stays_the_same_order() -> None:
    story = amend(given(*working()), asked(price="27100"))
    assert decisions.amend(asked(price="27100"), story.order, RICH, Limits()) == ()
    story.when(pictured("27100", "10"))
    assert decisions.amend(asked(price="27100"), story.order, RICH, Limits()) == ()
    again = asking(symbol=PERPETUAL, quantity=Decimal(10), price=Decimal(27000), leverage=Decimal(10))
    assert decisions.place(again, story.order, RICH, Limits()) == ()


@pytest.mark.parametrize(
    ("command", "error", "why"),
    [
        (asked(price="27000"), InvalidOrderError, "changes nothing"),
        (asked(price="27000.05"), OffGridError, "off the grid"),
        (asked(quantity="10.5"), OffGridError, "off the grid"),
        (asked(quantity="3"), InvalidOrderError, "3 is filled"),
    ],
)
def test_a_change_that_makes_no_sense_is_refused(command: AmendOrder, error: type[Exception], why: str) -> None:
    story = given(*working()).when(trade("t1", "3", "27000", symbol=PERPETUAL))
    with pytest.raises(error, match=why):
        amend(story, command)


def test_only_a_limit_order_that_works_can_be_changed() -> None:
    with pytest.raises(UnknownOrderError):
        decisions.amend(asked(price="1"), None, RICH, Limits())
    with pytest.raises(InvalidOrderError, match="only a limit order"):
        amend(given(*working(type=OrderType.MARKET, price=None)), asked(quantity="4"))
    with pytest.raises(InvalidOrderError, match="cannot change an order"):
        amend(given(*working()), asked(price="27100"), replace(RICH, capabilities=SPOT))
    ended = given(*working()).when(shown(VenueOrderStatus.CANCELED, symbol=PERPETUAL))
    with pytest.raises(OrderClosedError):
        amend(ended, asked(price="27100"))
    doubted = given(*working()[:2], events.OutcomeUnknown(reason="timeout", valid_until_ns=1))
    with pytest.raises(InvalidOrderError, match="does not work at the venue yet"):
        amend(doubted, asked(price="27100"))


def test_limits_hold_for_what_is_left_after_the_change() -> None:
    story = given(*working()).when(trade("t1", "3", "27000", symbol=PERPETUAL))
    poor = replace(RICH, available=Decimal("30.0"))  # what the order holds, and what is free
    amend(story, asked("a1", quantity="13"), poor)
    with pytest.raises(LimitExceededError, match="insufficient_funds: needs"):
        amend(story, asked("a2", quantity="15"), poor)
    with pytest.raises(LimitExceededError, match="position_max"):
        amend(story, asked("a3", quantity="14"), RICH, Limits(position_max={PERPETUAL: Decimal(10)}))


def test_a_halted_strategy_changes_nothing_that_opens() -> None:
    with pytest.raises(LimitExceededError, match="trading_halted"):
        amend(given(*working()), asked(price="27100"), replace(RICH, halted="by hand (halt h1)"))


def test_s29_a_trigger_that_closes_what_is_left_of_a_position_sends_an_order_for_that() -> None:
    waits = working(trigger=Trigger(price=Decimal(27500), when=Crossing.FALLS_TO), side=Side.SELL, reduce_only=True)
    story = given(*waits)
    fired = shown(
        VenueOrderStatus.NEW, symbol=PERPETUAL, quantity=Decimal(4), venue_order_id=VenueOrderId("v9"), triggered_by=V1
    )
    story.when(fired).then(events.OrderTriggered(venue_order_id=VenueOrderId("v9"), quantity=Decimal(4)))
    assert order_of(story).leaves_quantity == 4
    story.when(trade("t1", "4", "27500", symbol=PERPETUAL, venue_order_id=VenueOrderId("v9")))
    assert order_of(story).life is Life.FILLED
    original = order_of(story).original
    assert original is not None
    assert original.quantity == 10


def test_s29_one_that_has_filled_for_what_was_left_is_over_whatever_a_late_picture_counts() -> None:
    waits = working(trigger=Trigger(price=Decimal(27500), when=Crossing.FALLS_TO), side=Side.SELL, reduce_only=True)
    sent = {"symbol": PERPETUAL, "venue_order_id": VenueOrderId("v9")}
    story = given(*waits).when(trade("t1", "4", "27500", **sent))
    story.when(shown(VenueOrderStatus.PARTIALLY_FILLED, "3", quantity=Decimal(4), triggered_by=V1, **sent))
    assert order_of(story).life is Life.FILLED


def test_s29_the_order_that_a_trigger_sent_is_the_same_order_under_another_id() -> None:

    story = given(*working(trigger=Trigger(price=Decimal(27500), when=Crossing.RISES_TO)))
    assert order_of(story).waits
    fired = shown(VenueOrderStatus.NEW, symbol=PERPETUAL, venue_order_id=VenueOrderId("v9"), triggered_by=V1)
    story.when(fired).then(events.OrderTriggered(venue_order_id=VenueOrderId("v9")))
    assert not order_of(story).waits
    story.when(fired).then()
    story.when(trade("t1", "10", "27500", symbol=PERPETUAL, venue_order_id=VenueOrderId("v9")))
    assert order_of(story).life is Life.FILLED
    assert order_of(story).cum_cost == 275


def test_s29_a_cancel_that_was_refused_as_the_order_had_fired_goes_to_what_it_has_become() -> None:
    refused = (
        events.CancelRequested(request_id="r1"),
        events.CancelRefused(request_id="r1", reason="order_closed"),
    )
    trigger = Trigger(price=Decimal(27500), when=Crossing.RISES_TO)
    story = given(*working(trigger=trigger), *refused)
    fired = shown(VenueOrderStatus.NEW, symbol=PERPETUAL, venue_order_id=VenueOrderId("v9"), triggered_by=V1)
    story.when(fired)
    assert [type(each) for each in story.caused] == [events.OrderTriggered, events.CancelRequested]
    assert order_of(story).cancels == ("r1 triggered",)
    story.when(fired).then()


# ------------------------------------------------------------------------------------------------ orders that wait

RISES = Trigger(price=Decimal(27500), when=Crossing.RISES_TO)


def waiting(**changes: object) -> tuple[OrderEvent, ...]:
    """A bid for ten contracts at 27000, once the price has risen to 27500."""
    return working(**({"trigger": RISES} | changes))


def test_what_an_order_waits_for_is_changed_once_the_venue_shows_it() -> None:
    story = amend(given(*waiting()), asked(trigger_price="28000"))
    assert order_of(story).amends[0].trigger_price == 28000
    story.when(AmendTaken(request_id="a1", valid_until_ns=5))
    assert status(order_of(story)) is OrderStatus.PENDING_AMEND
    story.when(pictured("27000", "10", trigger_price=Decimal(27500))).then()
    story.when(pictured("27000", "10", trigger_price=Decimal(28000))).then(
        events.OrderAmended(request_id="a1", trigger_price=Decimal(28000))
    )
    request = order_of(story).request
    assert request.trigger == replace(RISES, price=Decimal(28000))
    assert (request.price, request.reference_price) == (27000, None)
    assert order_of(story).original is not None
    amend(story, asked("a2", price="27100", trigger_price="28100"))
    story.when(pictured("27100", "10", trigger_price=Decimal(28000))).then()  # half of it is not it
    story.when(pictured("27100", "10", trigger_price=Decimal(28100)))
    assert order_of(story).request.price == 27100


def test_a_market_order_that_waits_holds_what_it_costs_at_the_dearer_trigger() -> None:
    story = given(*waiting(type=OrderType.MARKET, price=None))
    per_price = Decimal("0.01") * (Decimal("0.1") + Decimal("0.001"))  # ten contracts, a tenth of margin, the fee
    assert hold(order_of(story))[1] == per_price * 27500
    amend(story, asked(trigger_price="28000"))
    assert hold(order_of(story))[1] == per_price * 28000
    story.when(AmendRejected(request_id="a1", reason="no"))
    assert hold(order_of(story))[1] == per_price * 27500
    amend(story, asked("a2", trigger_price="27000"))
    assert hold(order_of(story))[1] == per_price * 27500
    story.when(shown(VenueOrderStatus.NEW, symbol=PERPETUAL, price=None, trigger_price=Decimal(27000)))
    assert hold(order_of(story))[1] == per_price * 27000


@pytest.mark.parametrize(
    ("changes", "command", "why"),
    [
        ({}, asked(trigger_price="27500"), "changes nothing"),
        ({}, asked(trigger_price="27500.05"), "off the grid"),
        ({}, asked(quantity="4"), "quantity of an order that waits cannot be changed"),
        ({"type": OrderType.MARKET, "price": None}, asked(price="27000"), "a market order takes no price"),
        ({"trigger": replace(RISES, callback_rate=Decimal("0.01"))}, asked(trigger_price="28000"), "trailing"),
        ({"trigger": None}, asked(trigger_price="28000"), "waits for no price"),
    ],
)
def test_a_change_of_what_an_order_waits_for_that_makes_no_sense_is_refused(
    changes: dict[str, object], command: AmendOrder, why: str
) -> None:
    with pytest.raises(InvalidOrderError, match=why):
        amend(given(*waiting(**changes)), command)


def test_a_venue_that_cannot_change_what_waits_says_so() -> None:
    without = replace(RICH, capabilities=replace(FUTURES, amend_triggers=False))
    with pytest.raises(InvalidOrderError, match="cannot change an order that waits"):
        amend(given(*waiting()), asked(trigger_price="28000"), without)


# ------------------------------------------------------------------------------------------------ what protects it

PROFIT, LOSS = Protection(price=Decimal(30000)), Protection(price=Decimal(25000), by=PriceSource.MARK)


def protected(**changes: object) -> Story:
    return given(*working(**({"take_profit": PROFIT, "stop_loss": LOSS} | changes)))


def test_what_protects_an_order_is_changed_once_the_venue_shows_it() -> None:
    higher = replace(PROFIT, price=Decimal(31000))
    story = amend(protected(), asked(take_profit=higher))
    story.when(AmendTaken(request_id="a1", valid_until_ns=5))
    assert (status(order_of(story)), order_of(story).request.take_profit) == (OrderStatus.PENDING_AMEND, PROFIT)
    story.when(pictured("27000", "10")).then()  # a push does not say
    story.when(pictured("27000", "10", take_profit=PROFIT, stop_loss=LOSS)).then()
    story.when(pictured("27000", "10", take_profit=replace(higher, by=PriceSource.MARK), stop_loss=LOSS)).then()
    story.when(pictured("27000", "10", take_profit=higher, stop_loss=LOSS)).then(
        events.OrderAmended(request_id="a1", take_profit=higher)
    )
    request = order_of(story).request
    assert (request.take_profit, request.stop_loss, status(order_of(story))) == (higher, LOSS, OrderStatus.OPEN)
    assert (request.price, request.quantity) == (27000, 10)


def test_a_change_of_protection_leaves_with_what_changes_before_it_asked_for() -> None:
    story = amend(protected(), asked(take_profit=replace(PROFIT, price=Decimal(31000))))
    story = amend(story, asked("a2", stop_loss=replace(LOSS, price=Decimal(24000))))
    first, second = (amendment(order_of(story), each) for each in order_of(story).amends)
    assert (first.take_profit, first.stop_loss) == (replace(PROFIT, price=Decimal(31000)), LOSS)
    assert (second.take_profit, second.stop_loss) == (first.take_profit, replace(LOSS, price=Decimal(24000)))
    assert (second.price, second.quantity, second.waiting) == (None, None, None)


def test_a_change_of_what_an_order_waits_for_leaves_with_what_changes_before_it_asked_for() -> None:
    story = amend(given(*waiting()), asked(trigger_price="28000"))
    story = amend(story, asked("a2", price="27100"))
    (_, second) = (amendment(order_of(story), each).waiting for each in order_of(story).amends)
    assert second is not None
    assert second.trigger is not None
    assert (second.price, second.trigger.price) == (27100, 28000)


PRESET = shown(
    VenueOrderStatus.NEW,
    symbol=PERPETUAL,
    side=Side.SELL,
    client_order_id=None,
    order_type="take_profit",
    quantity=Decimal(10),
)


@pytest.mark.parametrize("filled", ["before", "while", "after"])
def test_what_the_venue_made_of_a_preset_is_its_orders_whichever_price_it_had_when_the_order_traded(
    filled: str,
) -> None:
    higher = replace(PROFIT, price=Decimal(31000))
    story = protected()
    if filled != "before":
        amend(story, asked(take_profit=higher))
    if filled == "after":
        story.when(pictured("27000", "10", take_profit=higher, stop_loss=LOSS))
    story.when(trade("t1", "10", symbol=PERPETUAL, price="27000"))
    assert order_of(story).life is Life.FILLED
    prices = {"before": [PROFIT], "while": [PROFIT, higher], "after": [PROFIT, higher]}[filled]
    for preset in prices:
        child = replace(PRESET, trigger_price=preset.price)
        assert parent_of(child, [order_of(story)]) is order_of(story)
        waits = waits_for(child, order_of(story))
        assert waits is not None
        assert (waits.price, waits.when) == (preset.price, Crossing.RISES_TO)
    stranger = replace(child, trigger_price=Decimal(31500))
    assert parent_of(stranger, [order_of(story)]) is None


def test_a_preset_is_the_orders_that_the_venue_had_though_another_that_it_never_had_asked_the_same_price() -> None:
    """It would be nobody's, and its loss no strategy's: whoever is denied, or refused, asks once more."""
    lives, child = order_of(protected()), replace(PRESET, trigger_price=PROFIT.price)
    denied, refused = replace(lives, life=Life.DENIED), replace(lives, life=Life.REJECTED)
    assert parent_of(child, [denied, refused, lives]) is lives
    assert parent_of(child, [denied]) is None
    assert parent_of(child, [denied, refused]) is refused, "what was called absent may live after all"
    assert parent_of(child, [lives, replace(lives, life=Life.CANCELED)]) is None, "either may have traded"


@pytest.mark.parametrize(
    ("changes", "command", "why"),
    [
        ({}, asked(take_profit=PROFIT), "changes nothing"),
        ({}, asked(take_profit=replace(PROFIT, price=Decimal("30000.05"))), "take_profit: .*off the grid"),
        ({}, asked(price="27100", stop_loss=replace(LOSS, price=Decimal(24000))), "a call of their own"),
        (
            {"side": Side.SELL, "reduce_only": True, "take_profit": None, "stop_loss": None},
            asked(stop_loss=LOSS),
            "come with an order that opens",
        ),
        (
            {
                "trigger": replace(RISES, callback_rate=Decimal("0.01")),
                "take_profit": None,
                "stop_loss": None,
                "type": OrderType.MARKET,
                "price": None,
            },
            asked(stop_loss=LOSS),
            "trailing",
        ),
    ],
)
def test_a_change_of_protection_that_makes_no_sense_is_refused(
    changes: dict[str, object], command: AmendOrder, why: str
) -> None:
    with pytest.raises(InvalidOrderError, match=why):
        amend(protected(**changes), command)


def test_a_venue_that_cannot_change_what_comes_with_an_order_says_so() -> None:
    without = replace(RICH, capabilities=replace(FUTURES, amend_protections=False))
    with pytest.raises(InvalidOrderError, match="cannot change what comes with an order"):
        amend(protected(), asked(stop_loss=replace(LOSS, price=Decimal(24000))), without)
