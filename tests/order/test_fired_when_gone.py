"""An order that was called gone, and had fired."""

from oms.order import events
from oms.order.state import Life
from oms.reports import VenueOrderStatus
from oms.values import VenueOrderId
from tests.order.story import given, shown
from tests.order.test_amend import PERPETUAL, V1, order_of, waiting

FIRED = shown(VenueOrderStatus.NEW, symbol=PERPETUAL, venue_order_id=VenueOrderId("v9"), triggered_by=V1)


def test_what_an_adapter_concludes_from_lists_is_an_end_that_may_be_undone() -> None:
    nowhere = shown(VenueOrderStatus.CANCELED, symbol=PERPETUAL, venue_order_id=V1, absent=("m1", "m2"))
    story = given(*waiting()).when(nowhere)
    story.then(events.OrderVanished(evidence=("m1", "m2")))
    story.when(nowhere).then()
    story.when(FIRED)
    assert order_of(story).life is Life.WORKING


def test_an_order_that_was_called_gone_and_has_fired_is_flagged() -> None:
    story = given(*waiting(), events.OrderVanished(evidence=("m1",)))
    story.when(FIRED)
    assert order_of(story).life is Life.WORKING
    assert order_of(story).flagged


def test_what_fired_after_it_was_called_gone_ends_as_its_cancel_was_refused_as_if_it_were_over() -> None:
    story = given(
        *waiting(),
        events.CancelRequested(request_id="r1"),
        events.CancelRefused(request_id="r1", reason="order_not_found"),
        events.OrderVanished(evidence=("m1",)),
    )
    story.when(FIRED)
    assert order_of(story).life is Life.WORKING
    assert order_of(story).cancels == ("r1 triggered",)
