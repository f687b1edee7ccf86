"""A venue that calls an order dead in one place and alive in another: which word counts, and that it settles."""

from hypothesis import given as forall
from hypothesis import strategies as st

from oms.disputed import disputed
from oms.order import events
from oms.order.decisions import CONTRADICTIONS_MAX
from oms.order.messages import SubmitRefused
from oms.order.state import Life
from oms.reports import OrderReport, VenueOrderStatus
from oms.values import VenueOrderId
from tests.order.story import Story, given, sent, shown, trade

ACCEPTED = events.VenueAccepted(venue_order_id=VenueOrderId("v1"))
LIVE, DEAD = VenueOrderStatus.NEW, VenueOrderStatus.REJECTED
REFUSED = SubmitRefused(reason="insufficient_funds")


def lives(story: Story, *pictures: OrderReport) -> list[Life]:
    """Return the order's life after each picture."""
    found = []
    for picture in pictures:
        story.when(picture)
        assert story.order is not None
        found.append(story.order.life)
    return found


def test_two_views_that_contradict_each_other_at_every_look_do_not_end_an_order_and_bring_it_back_each_time() -> None:
    story = given(*sent()).when(REFUSED)
    views = (shown(LIVE, updated_ms=1_000), shown(DEAD, updated_ms=1_000))
    assert lives(story, *views * 5) == [Life.WORKING] * 10
    assert story.order is not None
    assert story.order.flagged  # for a person
    assert story.order.version == 4  # requested, sent, refused, accepted: nothing is written at each look


def test_views_without_a_time_leave_a_contradicted_order_alive() -> None:
    story = given(*sent()).when(REFUSED)
    assert lives(story, *(shown(LIVE), shown(DEAD)) * 3) == [Life.WORKING] * 6
    story = given(*sent(), ACCEPTED)
    assert lives(story, shown(DEAD), *(shown(LIVE), shown(DEAD)) * 3) == [Life.REJECTED, *[Life.WORKING] * 6]


def test_the_later_record_of_a_contradicted_order_is_believed() -> None:
    story = given(*sent(), ACCEPTED)
    pictures = [shown(DEAD, updated_ms=5), shown(LIVE, updated_ms=4), shown(LIVE, updated_ms=6)]
    assert lives(story, *pictures) == [Life.REJECTED, Life.REJECTED, Life.WORKING]
    pictures = [shown(DEAD, updated_ms=5), shown(DEAD, updated_ms=7), shown(LIVE, updated_ms=6)]
    assert lives(story, *pictures) == [Life.WORKING, Life.REJECTED, Life.REJECTED]


def test_an_order_that_has_traded_is_not_rejected_by_any_record() -> None:
    story = given(*sent(), ACCEPTED).when(trade("t1", "0.5"))
    assert lives(story, shown(DEAD, updated_ms=9)) == [Life.WORKING]
    assert story.order is not None
    assert story.order.flagged


@forall(
    pictures=st.lists(
        st.tuples(st.sampled_from([LIVE, DEAD]), st.sampled_from([None, 1, 2, 3])), min_size=1, max_size=4
    )
)
def test_the_same_words_at_every_look_settle(pictures: list[tuple[VenueOrderStatus, int | None]]) -> None:
    story = given(*sent()).when(REFUSED)
    told = [shown(status, updated_ms=at_ms) for status, at_ms in pictures]
    for _ in range(6):
        story.when(*told)
    story.when(*told).then()


def test_each_word_that_cannot_be_is_kept_once_and_counted() -> None:
    story = given(*sent(), ACCEPTED).when(trade("t1", "0.5"))
    for word in (trade("t1", "0.6"), shown(None, raw_status="odd")) * 3:
        story.when(word)
    assert story.order is not None
    assert story.order.flags == 2
    assert disputed(story.order).taken == "as its history says|otherwise, 2 times: oms explain shows how"


def test_of_words_that_are_ever_new_some_are_kept() -> None:
    story = given(*sent(), ACCEPTED)
    for n in range(CONTRADICTIONS_MAX + 5):
        story.when(shown(None, raw_status=f"odd{n}"))
    assert story.order is not None
    assert story.order.flags == CONTRADICTIONS_MAX
