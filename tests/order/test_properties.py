"""Whatever arrives, however often and in whatever order, tells the same story."""

from decimal import Decimal

from hypothesis import given as forall
from hypothesis import strategies as st

from oms.order import decisions, events
from oms.order.holds import hold
from oms.order.messages import (
    AbsenceReport,
    BustReport,
    CancelOrder,
    CancelRejected,
    CancelTaken,
    CancelUnanswered,
    OrderNews,
    SubmitAccepted,
    SubmitRefused,
    SubmitRepeated,
    SubmitUnknown,
)
from oms.order.state import CLOSED, Life, Order, evolve, fold
from oms.reports import VenueOrderStatus
from oms.values import AccountId, ClientOrderId, VenueOrderId
from tests.order.story import requested, sent, shown, trade

quantities = st.integers(1, 6).map(lambda n: str(Decimal(n) / 10))
statuses = st.sampled_from([None, *VenueOrderStatus])
news: st.SearchStrategy[OrderNews] = st.one_of(
    st.builds(lambda n, q: trade(f"t{n}", q), st.integers(1, 4), quantities),
    st.builds(lambda n, q: trade(f"t{n}", q, commission=None, commission_currency=None), st.integers(1, 4), quantities),
    st.builds(lambda s, q: shown(s, q, raw_status="?"), statuses, quantities),
    st.builds(lambda: SubmitAccepted(venue_order_id=VenueOrderId("v1"))),
    st.just(SubmitAccepted()),
    st.just(SubmitRefused(reason="invalid_order")),
    st.just(SubmitUnknown(reason="timeout", valid_until_ns=60)),
    st.just(SubmitRepeated()),
    st.just(AbsenceReport(evidence=("m1",))),
    st.just(CancelTaken(request_id="r1")),
    st.just(CancelRejected(request_id="r1", reason="order_not_found")),
    st.just(CancelUnanswered(request_id="r1", reason="timeout")),
    st.builds(lambda n: BustReport(exec_id=f"t{n}"), st.integers(1, 4)),
)
beginnings = st.sampled_from(
    [
        sent(),
        (requested(), events.OrderDenied(limit="x", detail="y")),
        (requested(),),
        (*sent(), events.CancelRequested(request_id="r1")),
    ]
)


def record(order: Order, message: OrderNews, history: list[events.OrderEvent]) -> Order:
    for event in decisions.record(message, order):
        history.append(event)
        order = evolve(order, event)
    return order


def begun(beginning: tuple[events.OrderEvent, ...]) -> Order:
    order = fold(beginning)
    assert order is not None
    return order


@forall(beginning=beginnings, messages=st.lists(news, max_size=12))
def test_whatever_is_decided_is_legal_history_and_replays_to_the_same_order(
    beginning: tuple[events.OrderEvent, ...], messages: list[OrderNews]
) -> None:
    history = list(beginning)
    order = begun(beginning)
    for message in messages:
        order = record(order, message, history)
        assert order.cum_quantity == sum((t.quantity for t in order.trades), Decimal(0))
        assert order.cum_cost == sum((t.quantity * t.price for t in order.trades), Decimal(0))
        assert order.uncharged == sum(t.commission is None for t in order.trades)
        assert len({t.exec_id for t in order.trades}) == len(order.trades)
        assert (hold(order)[1] == 0) or order.life not in CLOSED or order.untold_quantity
    assert fold(history) == order


@forall(messages=st.lists(news, max_size=8), data=st.data())
def test_a_report_repeated_at_once_adds_nothing(messages: list[OrderNews], data: st.DataObject) -> None:
    order = begun(sent())
    for message in messages:
        order = record(order, message, [])
        if not isinstance(message, SubmitRepeated):  # that one counts attempts: not a report of the venue
            assert decisions.record(message, order) == ()


@forall(
    sizes=st.lists(st.integers(1, 5), min_size=1, max_size=5),
    repeats=st.integers(0, 5),
    data=st.data(),
    ending=st.sampled_from([None, VenueOrderStatus.CANCELED]),
)
def test_s09_true_reports_may_repeat_and_arrive_in_any_order(
    sizes: list[int], repeats: int, data: st.DataObject, ending: VenueOrderStatus | None
) -> None:
    """A venue that tells the truth, badly: acks, fills and pictures of one run of an order, shuffled and repeated."""
    total = Decimal(sum(sizes)) + (1 if ending else 0)
    beginning = sent(quantity=total)
    said: list[OrderNews] = [SubmitAccepted(venue_order_id=VenueOrderId("v1"))]
    cumulative = Decimal(0)
    for n, size in enumerate(sizes):
        cumulative += size
        said.append(trade(f"t{n}", str(size)))
        whole = cumulative == total
        said.append(shown(VenueOrderStatus.FILLED if whole else VenueOrderStatus.PARTIALLY_FILLED, str(cumulative)))
    if ending is not None:
        said.append(shown(ending, str(cumulative)))
    again = data.draw(st.lists(st.sampled_from(said), max_size=repeats))
    order = begun(beginning)
    for message in data.draw(st.permutations(said + again)):
        order = record(order, message, [])
    assert order.life is (Life.CANCELED if ending else Life.FILLED)
    assert order.cum_quantity == sum(sizes)
    assert order.venue_order_id == "v1"
    assert not order.flagged
    assert not order.trades_missing


@forall(messages=st.lists(news, max_size=8))
def test_a_cancel_is_refused_or_recorded_and_never_breaks_the_order(messages: list[OrderNews]) -> None:
    order = begun(sent())
    for message in messages:
        order = record(order, message, [])
    command = CancelOrder(account=AccountId("main"), client_order_id=ClientOrderId("c1"), request_id="r9")
    if order.life in CLOSED:
        return
    for event in decisions.cancel(command, order):
        assert "r9" in evolve(order, event).cancels
