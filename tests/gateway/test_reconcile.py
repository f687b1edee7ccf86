"""A comparison that somebody asks for is answered as it went: one that broke off is an error, never the one before."""

import asyncio

import pytest

from oms.errors import LogUnavailableError, OmsError, OvertakenError, UnknownBreakError, VenueUnreachableError
from oms.gateway.auth import Accounts, Caller
from oms.gateway.bodies import BreakBody, ReconcileBody
from oms.gateway.reconciling import Reconciling
from oms.gateway.tokens import Scope
from oms.standing import Standing
from oms.values import Purse, StrategyId
from oms.venue import Answer, Evidence, NoAnswerError
from oms.watcher import AGAIN_SECONDS
from tests.engine.desk import MAIN, Desk, play
from tests.engine.scripted_venue import Fate

OPERATOR = Caller(
    token_id="t", strategy=StrategyId("desk"), accounts=frozenset({MAIN}), scopes=frozenset({Scope.RISK_WRITE})
)
USDT = Purse("USDT")
BREAK = "balance:spot/USDT"
NO_ANSWER = NoAnswerError("timed out", Evidence(channel="GET /balances", request=b"", response=b""))


def door(desk: Desk) -> Reconciling:
    return Reconciling(Accounts({MAIN: desk.engine}), {MAIN: desk.watcher}, desk.ids())


@pytest.mark.parametrize(
    ("broken", "answered"),
    [(NO_ANSWER, VenueUnreachableError), (LogUnavailableError("it went away"), LogUnavailableError)],
)
@pytest.mark.parametrize("before", [True, False])
def test_a_comparison_that_broke_off_is_said_to_have(
    broken: OmsError,
    answered: type[OmsError],
    before: bool,  # noqa: FBT001 - of a table
) -> None:
    async def story(desk: Desk) -> None:
        await desk.start(watching=before)
        if before:
            assert (await door(desk).reconcile(OPERATOR, ReconcileBody())).items[0].result == "complete"

        async def breaks_off(*, starting: bool = False) -> Standing:
            raise broken

        desk.watcher.survey.compare = breaks_off  # type: ignore[method-assign]
        with pytest.raises(answered, match="the comparison of main broke off") as told:
            await door(desk).reconcile(OPERATOR, ReconcileBody())
        assert told.value.cause.endswith(broken.cause)
        assert told.value.retryable
        assert "ask again" in told.value.advice

    play(story)


def test_a_comparison_that_cannot_read_the_log_is_not_answered_as_the_one_before() -> None:
    async def story(desk: Desk) -> None:
        await desk.start()
        desk.venue.fates.append(Fate.REQUEST_LOST)
        await desk.place("c1")
        desk.faults.unreadable = True
        await asyncio.sleep(300)
        with pytest.raises(LogUnavailableError):
            await door(desk).reconcile(OPERATOR, ReconcileBody())
        desk.faults.unreadable = False
        await asyncio.sleep(30)  # the timer went on comparing
        assert desk.watcher.broken() is None
        assert (await door(desk).reconcile(OPERATOR, ReconcileBody())).items[0].result == "complete"

    play(story)


def test_a_comparison_that_is_asked_for_tells_of_a_break_before_it_answers() -> None:
    async def story(desk: Desk) -> None:
        await desk.start()
        await asyncio.sleep(11)
        desk.venue.totals["USDT"] -= 100
        rehearsed = (await door(desk).reconcile(OPERATOR, ReconcileBody(dry_run=True))).items[0]
        assert [each.type for each in rehearsed.events] == ["break-opened/1"]
        told = (await door(desk).reconcile(OPERATOR, ReconcileBody())).items[0]
        assert told.disagreements == {BREAK: ("1000", "900")} == desk.breaks()

    play(story)


def test_a_comparison_in_which_nothing_disagrees_looks_once() -> None:
    async def story(desk: Desk) -> None:
        await desk.start()
        await asyncio.sleep(11)
        asked = asyncio.get_running_loop().time()
        assert (await door(desk).reconcile(OPERATOR, ReconcileBody())).items[0].disagreements == {}
        assert asyncio.get_running_loop().time() - asked < AGAIN_SECONDS

    play(story)


def test_a_balance_that_the_venue_shows_otherwise_by_now_is_not_taken_over() -> None:
    async def story(desk: Desk) -> None:
        await desk.start()
        desk.venue.totals["USDT"] -= 100
        await asyncio.sleep(25)
        body = BreakBody(break_id=BREAK, reason="a withdrawal")
        desk.venue.totals["USDT"] -= 50  # another one, and nobody has looked since
        with pytest.raises(OvertakenError, match="the venue says 850 by now"):
            await door(desk).resolve(OPERATOR, body)
        assert str(desk.engine.book.totals[USDT]) == "1000"
        await door(desk).reconcile(OPERATOR, ReconcileBody())
        assert desk.breaks() == {BREAK: ("1000", "850")}
        await door(desk).resolve(OPERATOR, body)
        assert desk.engine.book.totals[USDT] == desk.venue.totals["USDT"] == 850
        desk.venue.totals["USDT"] += 10
        await asyncio.sleep(25)
        desk.venue.totals["USDT"] -= 10
        with pytest.raises(UnknownBreakError):  # it ended by itself as somebody looked
            await door(desk).resolve(OPERATOR, body)
        assert desk.agrees()

    play(story)


def test_a_balance_that_nobody_can_ask_for_is_not_taken_over() -> None:
    async def story(desk: Desk) -> None:
        await desk.start()
        desk.venue.totals["USDT"] -= 100
        await asyncio.sleep(25)

        async def balances() -> Answer:
            raise NO_ANSWER

        desk.venue.balances = balances  # type: ignore[method-assign]
        with pytest.raises(VenueUnreachableError, match="timed out") as told:
            await door(desk).resolve(OPERATOR, BreakBody(break_id=BREAK, reason="a withdrawal"))
        assert told.value.outcome == "none"
        assert BREAK in desk.breaks()

    play(story)
