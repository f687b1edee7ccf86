"""S48: every event type and every version of one that was ever written, in whole histories, read by the newest code."""

import pytest

from oms.ports import NewEvent
from oms.runtime import SystemClock, Tasks
from oms.store.log import PostgresLog
from projections.compare import compare, stored
from projections.rebuild import rebuild
from tests.golden.corpus import (
    Shown,
    chapters,
    digests,
    golden_rows,
    log_of,
    missing,
    recorded_digests,
    rows_now,
    shown,
)
from tests.projections.history import write


@pytest.mark.parametrize("chapter", chapters())
def test_s48_a_golden_log_is_read_as_it_was_when_it_was_written(chapter: str) -> None:
    """Column for column; a column or a table that has come since is nobody's promise of then."""
    now, golden = rows_now(log_of(chapter)), golden_rows(chapter)
    assert {table: len(now[table]) for table in golden} == {table: len(rows) for table, rows in golden.items()}
    assert promised(now, golden) == golden


@pytest.mark.postgres
@pytest.mark.parametrize("chapter", chapters())
async def test_s48_the_tables_rebuilt_from_a_golden_log_are_the_golden_rows(database: str, chapter: str) -> None:
    log, tasks, golden = PostgresLog(database), Tasks(), golden_rows(chapter)
    await write(log, [NewEvent(each.stream, each.version, each.topic, each.state) for each in log_of(chapter)])
    await rebuild(log, database, name=None, clock=SystemClock(), spawn=tasks, progress=lambda *_: None)
    assert (await compare(log, database)).differences == ()
    tables = {table: rows for table, rows in golden.items() if table != "accounts"}
    assert promised(shown((await stored(database)).rows), tables) == tables
    await tasks.close()
    await log.close()


def test_s48_every_event_and_every_version_that_was_ever_written_has_its_place_in_a_golden_log() -> None:
    assert missing() == [], "add a story to tests/golden/stories.py, then: make golden"


def test_s48_no_golden_file_was_ever_changed() -> None:
    assert digests() == recorded_digests(), "a golden file is never edited: take it back from git, and add a chapter"


def promised(now: Shown, golden: Shown) -> Shown:
    """Return today's rows, without the columns that the golden ones know nothing of."""
    return {
        table: [{column: row[column] for column in known} for row, known in zip(now[table], rows, strict=True)]
        for table, rows in golden.items()
    }
