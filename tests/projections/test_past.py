"""The past is a prefix of the log: at every position it says what the tables said when they stood there."""

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import msgspec
import pytest
from msgspec.structs import replace

from oms.asof import AsOfError, TooFarBackError, position_of, read_as_of
from oms.order.messages import SubmitAccepted
from oms.ports import NewEvent
from oms.store.codec import decode_meta
from oms.store.memory import MemoryLog
from oms.values import VenueOrderId
from projections import orders
from projections.accounts import Story
from projections.fold import Twin
from projections.past import ROWS_SLICE, Past
from projections.rows import OrderRow
from tests.order.story import trade
from tests.projections.history import T0, Recorder, write


@pytest.fixture
async def log() -> MemoryLog:
    """Three orders, each filled in part: a dozen events and more."""
    story, log = Recorder(), MemoryLog()
    for name in ("c1", "c2", "c3"):
        story.place(name)
        story.hear(name, SubmitAccepted(venue_order_id=VenueOrderId(name)), trade(f"t-{name}", "0.5", "100"))
    await write(log, map(a_second_apart, story.events, range(1000)))
    return log


def a_second_apart(event: NewEvent, number: int) -> NewEvent:
    body = msgspec.json.decode(event.state)
    return replace(event, state=msgspec.json.encode({**body, "recorded_ns": T0 + number * 10**9}))


async def test_at_every_position_the_past_says_what_the_tables_said_then(log: MemoryLog) -> None:
    past, head = Past(log), await log.head()
    for position in [*range(head + 1), *range(head, -1, -3)]:  # forward, then back again
        twin = Twin()
        twin.apply(await log.page(after=0, limit=position) if position else ())
        wanted, then = twin.rows(), past.at(position)
        assert {row.client_order_id for row in (await then.orders()).rows} == {
            row.client_order_id for row in wanted["orders"].values()
        }
        assert sorted((await then.balances()).rows, key=repr) == sorted(wanted["balances"].values(), key=repr)
        assert sorted((await then.positions()).rows, key=repr) == sorted(wanted["positions"].values(), key=repr)
        assert (await then.fills()).position == position


async def test_the_past_is_listed_page_by_page_and_narrowed_like_the_present(log: MemoryLog) -> None:
    then = Past(log).at(await log.head())
    first = await then.orders(limit=2)
    assert [row.client_order_id for row in first.rows] == ["c3", "c2"]
    second = await then.orders(limit=2, cursor=first.next_cursor)
    assert ([row.client_order_id for row in second.rows], second.next_cursor) == (["c1"], None)
    assert (await then.orders(symbols=[])).rows == []
    assert (await then.orders(accounts=["other"])).rows == []  # type: ignore[list-item]
    (fill,) = (await then.fills(client_order_id="c2")).rows  # type: ignore[arg-type]
    assert (fill.exec_id, fill.quantity) == ("t-c2", Decimal("0.5"))


async def test_a_running_system_folds_so_much_and_no_more(log: MemoryLog) -> None:
    past = Past(log, events_max=5)
    for position in (4, 5):
        assert (await past.at(position).balances()).position == position
    with pytest.raises(TooFarBackError):
        await past.at(6).balances()


async def test_who_asks_ever_and_again_for_now_gets_no_further_than_who_asks_for_the_first_time(log: MemoryLog) -> None:
    polled = Past(log, events_max=10)
    for position in range(1, 11):
        await polled.at(position).balances()
    for past in (polled, Past(log, events_max=10)):
        with pytest.raises(TooFarBackError):
            await past.at(11).balances()


async def test_what_was_folded_is_gone_on_with_and_let_go_when_nobody_asks(log: MemoryLog) -> None:
    folded: list[int] = []
    past = Past(log, kept_seconds=0.2, progress=folded.append)
    await past.at(5).orders()
    await past.at(8).orders()
    await asyncio.sleep(0.4)
    rows = (await past.at(9).orders()).rows
    assert folded == [5, 3, 9]
    assert rows == (await Past(log).at(9).orders()).rows


async def test_a_question_for_much_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    story, log = Recorder(usdt="1000000000"), MemoryLog()
    for number in range(1_500):
        story.place(f"c{number}")
    await write(log, story.events)
    past, done = Past(log), 0
    build = orders._row

    def counted(told: Story) -> OrderRow:
        nonlocal done
        done += 1
        return build(told)

    def chosen(_: object) -> bool:
        nonlocal done
        done += 1
        return True

    monkeypatch.setattr(orders, "_row", counted)
    most, before = 0, 0
    async with asyncio.TaskGroup() as group:
        asked = group.create_task(past.chosen(await log.head(), "orders", chosen))
        while not asked.done():
            await asyncio.sleep(0)
            most, before = max(most, done - before), done
    assert len(asked.result()) == 1_500
    assert 0 < most <= ROWS_SLICE


async def test_a_fold_that_was_broken_off_is_begun_anew(log: MemoryLog) -> None:
    calls = 0

    def fail(_: int) -> None:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise RuntimeError("broken off")

    past = Past(log, progress=fail)
    with pytest.raises(RuntimeError):
        await past.at(8).orders()
    assert (await past.at(8).orders()).rows == (await Past(log).at(8).orders()).rows


async def test_a_time_means_the_last_event_recorded_by_then(log: MemoryLog) -> None:
    events = await log.page(after=0, limit=100)
    stamps = [decode_meta(event.state).recorded_ns for event in events]
    for place, ns in enumerate(stamps, 1):
        moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=ns // 1000)
        assert await position_of(log, moment.isoformat()) == place
        assert await position_of(log, (moment - timedelta(microseconds=1)).isoformat()) == place - 1
    assert await position_of(log, "2000-01-01T00:00:00Z") == 0
    assert await position_of(log, "2100-01-01T00:00:00+01:00") == len(events)
    assert await position_of(log, "3") == 3
    with pytest.raises(AsOfError):
        await position_of(log, str(len(events) + 1))


@pytest.mark.parametrize("text", ["", "-1", "yesterday", "2026-11-25T14:00:00", "1e3", "9" * 19, "٣"])
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(AsOfError):
        read_as_of(text)
