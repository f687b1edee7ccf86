"""A fill without its trade: labelled, the same everywhere, and taken back for the real one without counting twice."""

from decimal import Decimal

from hypothesis import given as forall
from hypothesis import strategies as st

from oms.order import events
from oms.order.messages import FillInferred
from oms.order.state import Life
from oms.reports import VenueOrderStatus
from oms.values import ExecId, VenueOrderId
from tests.order.story import Story, given, sent, shown, trade

ACCEPTED = events.VenueAccepted(venue_order_id=VenueOrderId("v1"))
OVER = shown(VenueOrderStatus.CANCELED, "1.5")


def record(cum_quantity: str = "1.5", average: str = "99") -> FillInferred:
    return FillInferred(cum_quantity=Decimal(cum_quantity), average_price=Decimal(average))


def short() -> Story:
    """An order of 2 that ended with 1.5 traded, of which one trade of 0.5 at 100 is known."""
    return given(*sent(), ACCEPTED).when(trade("t1", "0.5"), OVER)


def test_what_the_record_counts_and_no_trade_explains_is_a_fill_at_what_is_left_of_its_worth() -> None:
    story = short().when(record())
    left = events.OrderFilled(exec_id=ExecId("inferred:c1:0.5-1.5"), quantity=Decimal("1.0"), price=Decimal("98.5"))
    story.then(left)
    assert story.order is not None
    assert (story.order.cum_quantity, story.order.cum_cost) == (Decimal("1.5"), Decimal("148.50"))  # 1.5 at 99
    assert not story.order.trades_missing  # nor is its commission waited for: nobody can say it
    story.when(record()).then()  # the same record again says nothing new


def test_nothing_is_inferred_of_an_order_that_may_still_trade_or_whose_record_has_moved() -> None:
    working = given(*sent(), ACCEPTED).when(shown(VenueOrderStatus.PARTIALLY_FILLED, "1.5"))
    working.when(record()).then()
    short().when(record("1.2")).then()
    short().when(record(average="1")).then()  # the known trade alone cost more: the record makes no sense


def test_the_real_trade_takes_the_place_of_the_inferred_one_and_what_is_left_stays_inferred() -> None:
    story = short().when(record()).when(trade("t2", "0.4", "97"))
    first, second, third = story.caused
    guess = ExecId("inferred:c1:0.5-1.5")
    assert first == events.InferredFillReplaced(exec_id=guess, quantity=Decimal("1.0"), price=Decimal("98.5"))
    assert isinstance(second, events.OrderFilled)
    assert second.exec_id == "t2"
    assert third == events.OrderFilled(
        exec_id=ExecId("inferred:c1:0.9-1.5"), quantity=Decimal("0.6"), price=Decimal("99.5")
    )
    story.when(trade("t3", "0.6", "99.5"))
    assert story.order is not None
    assert [each.exec_id for each in story.order.trades] == ["t1", "t2", "t3"]
    assert (story.order.cum_quantity, story.order.life, story.order.flagged) == (Decimal("1.5"), Life.CANCELED, False)
    story.when(trade("t2", "0.4", "97"), trade("t3", "0.6", "99.5")).then()


@forall(parts=st.permutations(["0.1", "0.2", "0.3", "0.4"]))
def test_however_the_real_trades_come_the_order_counts_what_the_venue_counts(parts: list[str]) -> None:
    story = short().when(record())
    for n, part in enumerate(parts, 2):
        story.when(trade(f"t{n}", part, "98.5"))
        assert story.order is not None
        assert (story.order.cum_quantity, story.order.cum_cost) == (Decimal("1.5"), Decimal("148.5"))
    assert story.order is not None
    assert [each.exec_id for each in story.order.trades] == ["t1", "t2", "t3", "t4", "t5"]


def twice() -> Story:
    """An order of 10 that ended, and of which the venue's record first counted 5 at 100, then 7 at 98."""
    story = given(*sent(quantity=Decimal(10)), ACCEPTED).when(shown(VenueOrderStatus.CANCELED, "5"))
    story.when(record("5", "100"), shown(VenueOrderStatus.CANCELED, "7"))
    return story.when(record("7", "98"))


def test_a_real_trade_takes_the_place_of_all_that_was_inferred_and_what_is_left_is_inferred_anew() -> None:
    story = twice().when(trade("t1", "3", "94"))
    first, second = (
        events.InferredFillReplaced(exec_id=ExecId(f"inferred:c1:{name}"), quantity=Decimal(size), price=Decimal(price))
        for name, size, price in (("0-5", "5", "100"), ("5-7", "2", "93"))
    )
    left = events.OrderFilled(exec_id=ExecId("inferred:c1:3-7"), quantity=Decimal(4), price=Decimal(101))
    assert (*story.caused[:2], story.caused[-1]) == (first, second, left)
    assert story.order is not None
    assert (story.order.cum_quantity, story.order.cum_cost) == (7, 686)  # 7 at 98, as the record says
    story.when(trade("t2", "4", "101"))
    assert [each.exec_id for each in story.order.trades] == ["t1", "t2"]
    assert (story.order.cum_quantity, story.order.cum_cost, story.order.life) == (7, 686, Life.CANCELED)


def test_what_is_inferred_anew_is_never_called_as_what_was_taken_back() -> None:
    story = twice().when(trade("t1", "5", "96"))
    left = events.OrderFilled(exec_id=ExecId("inferred:c1:5-7:t1"), quantity=Decimal(2), price=Decimal(103))
    assert story.caused[-1] == left
    assert story.order is not None
    assert [each.exec_id for each in story.order.trades] == ["t1", "inferred:c1:5-7:t1"]
    assert (story.order.cum_quantity, story.order.cum_cost) == (7, 686)


def test_what_is_left_is_priced_to_the_last_digit() -> None:
    story = given(*sent(quantity=Decimal(10), price=Decimal(101)), ACCEPTED).when(shown(VenueOrderStatus.CANCELED, "3"))
    story.when(record("3", "100.1111111111111111111111111111"), shown(VenueOrderStatus.CANCELED, "7"))
    story.when(record("7", "100.1111111111111111111111111113"), trade("t1", "1", "100.1111111111111111111111111111"))
    left = story.caused[-1]
    assert isinstance(left, events.OrderFilled)
    assert left.price == Decimal("100.1111111111111111111111111113333333333")


@forall(parts=st.permutations([("0.5", "90"), ("1.5", "97"), ("2", "98.75"), ("3", "100.3")]))
def test_however_the_real_trades_come_nothing_that_was_inferred_twice_outlives_them(
    parts: list[tuple[str, str]],
) -> None:
    story = twice()
    for n, (size, price) in enumerate(parts):
        story.when(trade(f"t{n}", size, price))
        assert story.order is not None
        assert (story.order.cum_quantity, len({each.exec_id for each in story.order.trades})) == (
            7,
            len(story.order.trades),
        )
    assert story.order is not None
    assert [each.exec_id for each in story.order.trades] == ["t0", "t1", "t2", "t3"]
    assert story.order.cum_cost == Decimal("688.9")  # of the trades, to the last digit


def test_a_commission_told_late_settles_the_order_though_nobody_can_tell_the_inferred_ones() -> None:
    story = given(*sent(), ACCEPTED).when(trade("t1", "0.5", commission=None, commission_currency=None), OVER)
    story.when(record(), trade("t1", "0.5"))
    assert story.order is not None
    assert not story.order.trades_missing


def test_a_guess_of_a_dead_order_takes_the_real_trade_in_its_place_whatever_came_of_it_since() -> None:
    story = given(*sent(), ACCEPTED).when(shown(VenueOrderStatus.PARTIALLY_FILLED, "1"))
    story.when(shown(VenueOrderStatus.REJECTED, "1"), record("1"), trade("t1", "1", venue_order_id=None))
    assert story.order is not None
    assert [each.exec_id for each in story.order.trades] == ["t1"]
