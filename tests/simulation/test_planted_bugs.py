"""The simulation finds what it is there to find."""

from types import ModuleType

import pytest

from oms import long_lists
from oms.order import state
from oms.order.events import OrderFilled
from oms.order.state import TRANSITIONS, Life
from tests.simulation.bugs import BUGS, Planted
from tests.simulation.futures_bugs import FUTURES_BUGS
from tests.simulation.perpetuals import EVERY
from tests.simulation.world import World

SEEDS_MAX = 2_000  # the promise; most of the bugs below are found within a few dozen
# These are found late. Their seed, one of the promised, is tried first; should it find them no more, all are.
FOUND_LATE = {
    "beat on a stale lease": 669,
    "forgotten is never taken": 404,
    "compare what was earned": 225,
    "wait for the cost of what is gone": 1311,
    "take back what is in memory": 194,
}
pytestmark = pytest.mark.timeout(900)


def sought(planted: Planted, *, every: int, first: int | None = None) -> None:
    """Play worlds until one of them finds the bug; every so many of them counts, and `first` comes first."""
    for seed in (*(() if first is None else (first,)), *range(every, SEEDS_MAX + 1, every)):
        found = World(seed, planted.parts).play().violations
        if found:
            break
    else:
        pytest.fail(f"{SEEDS_MAX} seeds did not find it")
    assert planted.noticed_by & {violation.partition(" ")[0] for violation in found}, found
    assert not World(seed).play().violations


@pytest.mark.parametrize("name", BUGS)
def test_a_planted_bug_is_found_and_the_product_is_clean_on_the_same_seed(name: str) -> None:
    sought(BUGS[name], every=1, first=FOUND_LATE.get(name))


@pytest.mark.parametrize("name", FUTURES_BUGS)
def test_so_is_one_of_perpetuals(name: str) -> None:
    sought(FUTURES_BUGS[name], every=EVERY, first=FOUND_LATE.get(name))


def test_a_wrong_row_of_the_table_is_found_by_the_one_drawn_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """A late fill reopens what was canceled (I9): the product's own table cannot see what is wrong with itself."""
    wrong = {**TRANSITIONS, Life.CANCELED: {**TRANSITIONS[Life.CANCELED], OrderFilled: Life.WORKING}}
    changed(monkeypatch, state, "TRANSITIONS", wrong, noticed_by="I9")


def test_a_search_that_ends_where_a_list_is_cut_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """It was in the product: an hour of kills left 177 orders in doubt, and no world's lists were long enough."""
    changed(monkeypatch, long_lists, "PARTS_MAX", 1, noticed_by="I10")


def changed(monkeypatch: pytest.MonkeyPatch, module: ModuleType, name: str, wrong: object, *, noticed_by: str) -> None:
    """Play worlds until one of them finds what is wrong with a value of the product's."""
    for seed in range(1, SEEDS_MAX + 1):
        with monkeypatch.context() as planted:
            planted.setattr(module, name, wrong)
            found = World(seed).play().violations
        if found:
            break
    else:
        pytest.fail(f"{SEEDS_MAX} seeds did not find it")
    assert noticed_by in {violation.partition(" ")[0] for violation in found}, found
    assert not World(seed).play().violations
