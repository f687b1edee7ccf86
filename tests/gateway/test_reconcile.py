"""A comparison that somebody asks for is answered as it went: one that broke off is an error, never the one before."""

import asyncio

import pytest

from oms.errors import LogUnavailableError, OmsError, VenueUnreachableError
from oms.gateway.auth import Accounts, Caller
from oms.gateway.bodies import ReconcileBody
from oms.gateway.reconciling import Reconciling
from oms.gateway.tokens import Scope
from oms.standing import Standing
from oms.values import StrategyId
from oms.venue import Evidence, NoAnswerError
from tests.engine.desk import MAIN, Desk, play
from tests.engine.scripted_venue import Fate

OPERATOR = Caller(
    token_id="t", strategy=StrategyId("desk"), accounts=frozenset({MAIN}), scopes=frozenset({Scope.RISK_WRITE})
)
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
