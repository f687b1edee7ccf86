"""S52: which trades the venue has taken back, and when nobody can tell. A table that the eye can check."""

from collections.abc import Mapping
from decimal import Decimal

import pytest
from msgspec.structs import replace

from oms.order.state import Order
from oms.proofs import taken_back
from oms.reports import VenueOrderStatus
from tests.order.story import given, sent, shown, trade
from tests.reconcile.test_reconcile import answer

SAID_MS = 1_000


def order() -> Order:
    """Two trades, of 0.5 and of 1.5."""
    story = given(*sent()).when(trade("t1", "0.5"), trade("t2", "1.5"))
    assert story.order is not None
    return story.order


def gone(counted: str | None, *listed: str, whole: bool = True, at_ms: Mapping[str, int] | None = None) -> set[str]:
    """Return what was taken back where the record says `counted` and the list shows `listed`."""
    record = shown(VenueOrderStatus.CANCELED, updated_ms=SAID_MS)
    record = replace(record, cum_quantity=None if counted is None else Decimal(counted))
    rows = [trade(exec_id, "0.5") for exec_id in listed]
    return set(taken_back(order(), record, answer(*rows, whole=whole), at_ms or {}))


@pytest.mark.parametrize(
    ("counted", "listed", "expected"),
    [
        ("0.5", ("t1",), {"t2"}),
        ("1.5", ("t2",), {"t1"}),
        ("0", (), {"t1", "t2"}),
        ("2", ("t1",), set()),  # the record counts it still: the list lags
        ("0.5", ("t1", "t2"), set()),  # the list has it still: the record lags
        ("0.5", (), set()),  # the list lacks more than the record does
        ("1", ("t1",), set()),  # neither trade is what is missing
        (None, (), set()),  # the record does not say
        ("0.5", ("t0",), {"t1", "t2"}),  # what it counts is a trade that is not booked, from before the log say
        ("1", ("t0", "t1"), {"t2"}),
        ("0.5", ("t0", "t1"), set()),  # the list has more than the record counts: either lags
    ],
)
def test_s52_a_trade_is_gone_where_the_record_and_the_list_agree_that_it_is(
    counted: str | None, listed: tuple[str, ...], expected: set[str]
) -> None:
    assert gone(counted, *listed) == expected


def test_s52_a_list_that_is_cut_proves_nothing() -> None:
    assert gone("0.5", "t1", whole=False) == set()


@pytest.mark.parametrize(("traded_ms", "expected"), [(999, {"t2"}), (1_000, {"t2"}), (1_001, set())])
def test_s52_a_record_from_before_the_trade_says_nothing_of_it(traded_ms: int, expected: set[str]) -> None:
    assert gone("0.5", "t1", at_ms={"t1": 5_000, "t2": traded_ms}) == expected
