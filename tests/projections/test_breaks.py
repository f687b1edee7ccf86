"""The table of breaks: as the log tells it, also after a restart in the middle of one."""

from collections.abc import Callable
from decimal import Decimal

import pytest

from oms.book import account_stream
from oms.breaks.decisions import Disagreement, DisagreementsReport, ExplainBreak, ResolveBreak
from oms.breaks.events import BreakKind
from oms.runtime import SystemClock, Tasks
from oms.store.log import PostgresLog
from projections.compare import compare
from projections.queries import Queries
from projections.runner import Runner
from tests.projections.history import MAIN, Recorder, write

pytestmark = pytest.mark.postgres


def apart(story: Recorder, theirs: str, subject: str = "spot/USDT") -> None:
    found = Disagreement(
        kind=BreakKind.BALANCE,
        subject=subject,
        ours="10",
        theirs=theirs,
        difference=Decimal(theirs) - 10,
    )
    kinds = frozenset({BreakKind.BALANCE})
    report = DisagreementsReport(kinds=kinds, disagreements=(found,), evidence=("m1",), at_ns=7)
    story.say(((account_stream(MAIN), report),))


async def test_a_break_goes_on_in_its_row_through_restarts_of_whoever_projects(database: str) -> None:
    log, story = PostgresLog(database), Recorder(usdt="10")
    steps: list[Callable[[], None]] = [
        lambda: apart(story, "12"),
        lambda: apart(story, "13"),
        lambda: story.say(ExplainBreak(account=MAIN, break_id="balance:spot/USDT", reason="a deposit")),
        lambda: story.say(ResolveBreak(account=MAIN, break_id="balance:spot/USDT", reason="of Monday")),
        lambda: apart(story, "14"),
    ]
    rows = []
    try:
        async with Queries(database) as reads:
            for step in steps:
                step()
                await write(log, story.fresh())
                runner = Runner(log, database, clock=SystemClock(), spawn=Tasks())  # each time a new one
                await runner.run_to_end()
                (row,) = (await reads.breaks(accounts=[MAIN])).rows
                rows.append((row.theirs, row.explanation, row.resolution, row.reason, row.open))
            assert row.evidence == ("m1",)
            assert (await reads.breaks(accounts=[MAIN], open_only=True)).rows == [row]
    finally:
        await log.close()
    assert rows == [
        ("12", None, None, None, True),
        ("13", None, None, None, True),
        ("13", "a deposit", None, None, True),
        ("13", "a deposit", "accepted", "of Monday", False),
        ("14", None, None, None, True),
    ]


async def test_a_coin_whose_name_postgres_cannot_hold_goes_on_through_restarts_of_whoever_projects(
    database: str,
) -> None:
    log, story = PostgresLog(database), Recorder(usdt="10")
    steps: list[Callable[[], None]] = [
        lambda: story.balances(**{"A\0B": "10"}),
        lambda: apart(story, "12", "spot/A\0B"),
        lambda: apart(story, "13", "spot/A\0B"),
        lambda: story.say(ResolveBreak(account=MAIN, break_id="balance:spot/A\0B", reason="of Monday")),
        lambda: story.balances(**{"A\0B": "5"}),
    ]
    try:
        async with Queries(database) as reads:
            for step in steps:
                step()
                await write(log, story.fresh())
                await Runner(log, database, clock=SystemClock(), spawn=Tasks()).run_to_end()
            (row,) = (await reads.breaks(accounts=[MAIN])).rows
            held = {str(each.currency): each.total for each in (await reads.balances(accounts=[MAIN])).rows}
        assert not (await compare(log, database)).differences
    finally:
        await log.close()
    assert (row.subject, row.theirs, row.open) == ("spot/A\N{REPLACEMENT CHARACTER}B", "13", False)
    assert held["A\N{REPLACEMENT CHARACTER}B"] == 5
