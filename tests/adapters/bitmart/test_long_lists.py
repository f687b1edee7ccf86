"""A window with more rows than one list has is read in parts, in not many more calls than it has lists."""

from collections.abc import Sequence
from decimal import Decimal

import pytest

from adapters.bitmart.answers import CALLS_MAX, Reports, bisected
from oms.reports import TradeReport
from oms.values import ClientOrderId, ExecId, Side, Symbol
from oms.venue import Answer, Evidence, Window

ROWS = 200
HOUR_MS = 3_600_000


def trade(number: int, at_ms: int) -> TradeReport:
    return TradeReport(
        symbol=Symbol("BTC/USDT"),
        exec_id=ExecId(f"t{number}"),
        client_order_id=ClientOrderId("c1"),
        side=Side.BUY,
        quantity=Decimal(1),
        price=Decimal(100),
        at_ms=at_ms,
    )


async def read(times_ms: Sequence[int], until_ms: int = HOUR_MS) -> tuple[Answer, int]:
    """Return the answer, and how many calls it took."""
    rows = [trade(number, at_ms) for number, at_ms in enumerate(times_ms)]
    asked: list[tuple[int, int]] = []

    async def ask(since_ms: int, until_ms: int) -> Evidence:
        asked.append((since_ms, until_ms))
        return Evidence(channel="trades")

    def listed(evidence: Evidence) -> Reports:
        since_ms, until_ms = asked[-1]
        return tuple([row for row in rows if since_ms <= (row.at_ms or 0) <= until_ms][-ROWS:])

    return await bisected(ask, listed, [(0, until_ms)], rows_max=ROWS, narrowest_refused=1), len(asked)


async def test_a_busy_hour_takes_less_than_two_calls_for_each_list_that_it_fills() -> None:
    answer, calls = await read([n * HOUR_MS // 5_000 for n in range(5_000)])
    assert (len(answer.reports), answer.complete) == (5_000, True)
    assert calls < 2 * 5_000 / ROWS


async def test_what_is_cut_is_whole_up_to_where_it_was_read() -> None:
    times_ms = [n * HOUR_MS // 20_000 for n in range(20_000)]
    answer, calls = await read(times_ms)
    assert (answer.complete, calls) == (False, CALLS_MAX)
    read_ms = answer.whole_until(0)
    assert len(answer.reports) == sum(at_ms <= read_ms for at_ms in times_ms) > 6_000


@pytest.mark.parametrize("at_ms", [0, HOUR_MS // 3, HOUR_MS])
async def test_a_crowd_in_a_quiet_day_is_found_and_the_rest_is_not_read_in_its_small_parts(at_ms: int) -> None:
    answer, calls = await read([at_ms // 1000 * 1000 + n * 2 for n in range(-300, 300)], 24 * HOUR_MS)
    assert answer.complete
    assert answer.proven == (Window(0, 24 * HOUR_MS),)
    assert calls < CALLS_MAX
