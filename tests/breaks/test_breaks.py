"""Breaks: what disagrees is opened once, changes with its figures, and ends by agreement or by a person's word."""

from decimal import Decimal

import pytest
from hypothesis import given as forall
from hypothesis import strategies as st

from oms.breaks import decisions
from oms.breaks.decisions import Disagreement, DisagreementsReport, ExplainBreak, ResolveBreak
from oms.breaks.events import (
    BreakChanged,
    BreakEvent,
    BreakExplained,
    BreakForgotten,
    BreakKind,
    BreakOpened,
    BreakResolved,
    Resolution,
)
from oms.breaks.state import ACCEPTED_MAX, NO_BREAKS, Breaks, Policy, blocking, evolve
from oms.errors import CorruptStreamError, UnknownBreakError
from oms.values import AccountId, Symbol

MAIN = AccountId("main")
BTC_USDT = Symbol("BTC/USDT")
ALL = frozenset(BreakKind)


def differs(ours: str = "10", theirs: str = "12", **changes: object) -> Disagreement:
    fields: dict[str, object] = {
        "kind": BreakKind.BALANCE,
        "subject": "spot/USDT",
        "ours": ours,
        "theirs": theirs,
        "difference": Decimal(theirs) - Decimal(ours),
    }
    return Disagreement(**(fields | changes))  # type: ignore[arg-type]


def told(breaks: Breaks, *found: Disagreement, kinds: frozenset[BreakKind] = ALL) -> tuple[list[BreakEvent], Breaks]:
    events = list(decisions.report(DisagreementsReport(kinds=kinds, disagreements=found), breaks))
    for event in events:
        breaks = evolve(breaks, event)
    return events, breaks


def opened(*found: Disagreement) -> Breaks:
    return told(NO_BREAKS, *found)[1]


def test_s41_the_same_disagreement_is_the_same_break_however_often_it_is_seen() -> None:
    events, breaks = told(NO_BREAKS, differs())
    assert [type(event) for event in events] == [BreakOpened]
    assert list(breaks.open) == ["balance:spot/USDT"]
    assert told(breaks, differs())[0] == []
    assert told(breaks, differs("20.0", "22.00"))[0] == []  # both moved by a trade: the difference is what counts


def test_a_difference_is_spelled_plainly() -> None:
    found = differs("10", "30", difference=Decimal("2E+1"))
    [event], _ = told(NO_BREAKS, found)
    assert isinstance(event, BreakOpened)
    assert (str(event.difference), found.figures) == ("20", "20")
    assert differs("1", "0", difference=Decimal("-1E-8")).figures == "-0.00000001"


def test_other_figures_change_it_and_agreement_ends_it() -> None:
    breaks = opened(differs())
    events, breaks = told(breaks, differs("10", "13"))
    assert [type(event) for event in events] == [BreakChanged]
    assert breaks.open["balance:spot/USDT"].difference == Decimal(3)
    events, breaks = told(breaks)
    assert isinstance(events[0], BreakResolved)
    assert events[0].resolution is Resolution.AGREED
    assert not breaks.open
    assert [type(event) for event in told(breaks, differs())[0]] == [BreakOpened]  # and it may come again


def test_what_could_not_be_asked_is_not_taken_for_agreement() -> None:
    assert told(opened(differs()), kinds=frozenset({BreakKind.POSITION}))[0] == []


def test_a_person_explains_it_and_it_stays_open_then_ends_it_for_good() -> None:
    breaks = opened(differs())
    command = ExplainBreak(account=MAIN, break_id="balance:spot/USDT", reason="a deposit under way")
    (explained,) = decisions.explain(command, breaks)
    assert isinstance(explained, BreakExplained)
    breaks = evolve(breaks, explained)
    assert decisions.explain(command, breaks) == ()
    assert breaks.open["balance:spot/USDT"].explanation == "a deposit under way"
    resolving = ResolveBreak(account=MAIN, break_id="balance:spot/USDT", reason="the deposit of Monday")
    (resolved,) = decisions.resolve(resolving, breaks)
    breaks = evolve(breaks, resolved)
    assert told(breaks, differs())[0] == []
    assert [type(event) for event in told(breaks, differs("10", "15"))[0]] == [BreakOpened]  # another one is news


def accepted(found: Disagreement) -> Breaks:
    breaks = opened(found)
    resolving = ResolveBreak(account=MAIN, break_id=found.break_id, reason="known")
    return evolve(breaks, decisions.resolve(resolving, breaks)[0])


def test_what_was_accepted_and_went_away_is_news_when_it_comes_back() -> None:
    held = differs("0", "5", kind=BreakKind.POSITION, subject="BTC/USDT:USDT/net")
    breaks = accepted(held)
    assert told(breaks, held)[0] == []
    events, breaks = told(breaks)
    assert events == [BreakForgotten(break_id=held.break_id)]
    assert told(breaks)[0] == []
    assert [type(event) for event in told(breaks, held)[0]] == [BreakOpened]


def test_what_was_accepted_is_remembered_while_nobody_can_tell_whether_it_is_gone() -> None:
    held = differs("0", "5", kind=BreakKind.POSITION, subject="BTC/USDT:USDT/net")
    breaks = accepted(held)
    assert told(breaks, kinds=frozenset({BreakKind.BALANCE}))[0] == []
    unsure = DisagreementsReport(kinds=ALL, unsure=frozenset({held.break_id}), disagreements=())
    assert decisions.report(unsure, breaks) == ()


def test_fills_that_a_person_accepted_as_missing_stay_so_although_a_start_finds_them_out_anew() -> None:
    missing = differs("1", "2", kind=BreakKind.FILLS, subject="c1", difference=None)
    breaks = accepted(missing)
    assert told(breaks)[0] == []
    assert told(breaks, missing)[0] == []


def test_another_difference_of_a_balance_is_another_break_however_large_it_is() -> None:
    breaks = accepted(differs("1000", "900"))
    assert [type(event) for event in told(breaks, differs("900", "800"))[0]] == [BreakOpened]


def test_nobody_can_end_what_is_not_open() -> None:
    for command in (ResolveBreak(account=MAIN, break_id="x", reason="y"),):
        with pytest.raises(UnknownBreakError):
            decisions.resolve(command, NO_BREAKS)
    with pytest.raises(UnknownBreakError):
        decisions.explain(ExplainBreak(account=MAIN, break_id="x", reason="y"), NO_BREAKS)
    with pytest.raises(CorruptStreamError):
        evolve(NO_BREAKS, BreakExplained(break_id="x", reason="y"))


def test_what_was_accepted_is_remembered_within_a_bound() -> None:
    breaks = NO_BREAKS
    for number in range(ACCEPTED_MAX + 5):
        _, breaks = told(breaks, differs(subject=f"spot/C{number}"), kinds=frozenset())
        resolving = ResolveBreak(account=MAIN, break_id=f"balance:spot/C{number}", reason="known")
        breaks = evolve(breaks, decisions.resolve(resolving, breaks)[0])
    assert len(breaks.accepted) == ACCEPTED_MAX
    assert f"balance:spot/C{ACCEPTED_MAX + 4}" in breaks.accepted


@pytest.mark.parametrize(
    ("found", "policy", "blocks"),
    [
        (differs(), Policy(), False),
        (differs(), Policy(block_above=Decimal(1)), True),
        (differs(), Policy(block_above=Decimal(2)), False),
        (differs("12", "10"), Policy(block_above=Decimal("1.9")), True),
        (differs(), Policy(block_kinds="balance, order"), True),
        (differs(kind=BreakKind.POSITION, symbol=BTC_USDT), Policy(), True),
        (differs(kind=BreakKind.POSITION, symbol=Symbol("ETH/USDT")), Policy(), False),
        (differs(kind=BreakKind.HISTORY, difference=None), Policy(), True),
        (differs(kind=BreakKind.HISTORY, difference=None), Policy(block_kinds=""), False),
    ],
)
def test_a_break_blocks_by_its_kind_or_its_size_its_market_or_the_account(
    found: Disagreement, policy: Policy, *, blocks: bool
) -> None:
    assert (blocking(opened(found), policy, BTC_USDT) is not None) is blocks


amounts = st.integers(-3, 3).map(lambda n: str(10 + n))
sightings = st.lists(
    st.tuples(st.sampled_from(["USDT", "BTC"]), amounts).map(lambda t: differs("10", t[1], subject=f"spot/{t[0]}")),
    max_size=2,
    unique_by=lambda found: found.subject,
)


@forall(looks=st.lists(sightings, max_size=8))
def test_looking_twice_says_nothing_new_and_what_is_open_is_what_was_seen_last(looks: list[list[Disagreement]]) -> None:
    breaks = NO_BREAKS
    for found in looks:
        apart = [each for each in found if each.difference]
        _, breaks = told(breaks, *apart)
        assert told(breaks, *apart)[0] == []
        assert {name: each.difference for name, each in breaks.open.items()} == {
            each.break_id: each.difference for each in apart
        }
