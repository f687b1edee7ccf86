"""S06, S07, S42: what `oms reconcile` prints, and how it ends, over a log in Postgres and a venue that knows more."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import msgspec
import psycopg
import pytest

from oms.__main__ import PARTS
from oms.connected import Connected
from oms.reports import OrderReport, TradeReport, VenueOrderStatus
from oms.runtime import SystemClock
from oms.values import AccountId, ClientOrderId, Currency, ExecId, Side, VenueOrderId
from oms.venue import Answer, NoAnswerError
from tests.cli import conftest as cli
from tests.cli.conftest import clean_environment, home, oms, traded  # noqa: F401 - pytest finds them here
from tests.cli.recorded import ACCOUNT, MARKET
from tests.engine.scripted_venue import ScriptedVenue

pytestmark = pytest.mark.postgres


class Elsewhere(ScriptedVenue):
    """Fills 0.3 more of the order that the log knows, and holds one that it does not; one question may fail."""

    failing = ""

    def __init__(self) -> None:
        super().__init__(SystemClock().now_ns)
        first = OrderReport(
            symbol=MARKET,
            status=VenueOrderStatus.FILLED,
            venue_order_id=VenueOrderId("77"),
            client_order_id=ClientOrderId("first"),
            side=Side.BUY,
            quantity=Decimal("0.5"),
            cum_quantity=Decimal("0.5"),
            price=Decimal(100),
        )
        self.orders["first"] = first
        self.by_hand("stranger", "0.1")
        self.trades_done.append(
            TradeReport(
                exec_id=ExecId("t2"),
                symbol=MARKET,
                price=Decimal("99.50"),
                quantity=Decimal("0.3"),
                venue_order_id=first.venue_order_id,
                client_order_id=first.client_order_id,
                side=Side.BUY,
                commission=Decimal("0.02985"),
                commission_currency=Currency("USDT"),
                at_ms=SystemClock().now_ns() // 1_000_000,
            )
        )

    async def positions(self) -> Answer:
        if self.failing == "positions":
            raise NoAnswerError("timed out", self._evidence())
        return await super().positions()


@pytest.fixture
def venue(monkeypatch: pytest.MonkeyPatch) -> type[Elsewhere]:
    @asynccontextmanager
    async def venues(*_: Any, **__: Any) -> AsyncIterator[Mapping[AccountId, Connected]]:
        yield {ACCOUNT: Connected(Elsewhere())}

    monkeypatch.setattr(cli, "PARTS", msgspec.structs.replace(PARTS, venues=venues))
    monkeypatch.setattr(Elsewhere, "failing", "")
    return Elsewhere


def length(url: str) -> int:
    with psycopg.connect(url) as connection:
        (count,) = connection.execute("SELECT count(*) FROM stored_events").fetchone()  # type: ignore[misc]  # one row
        return int(count)


def test_s06_a_dry_run_prints_each_event_that_it_proposes_and_how_it_is_known(
    oms: cli.Oms,  # noqa: F811 - a fixture
    traded: str,  # noqa: F811 - likewise
    venue: type[Elsewhere],
) -> None:
    before = length(traded)
    said = oms("reconcile", "--dry-run", "--venue", "simulator")
    assert said.code == 0, said
    printed = [line.split() for line in said.out.splitlines()]
    assert ["order/main/first", "5", "order-filled/1", "recovered"] in printed
    assert ["order/main/stranger", "1", "external-order-seen/1", "recovered"] in printed
    (item,) = oms("reconcile", "--dry-run", "--venue", "simulator", "--json").json["items"]
    assert [line[:4] for line in printed if line[0].startswith(("order/", "position/", "account/"))] == [
        [each["stream"], str(each["version"]), each["type"], each["data"]["source"]] for each in item["events"]
    ]
    assert item["orders"] == {"first": "ended", "stranger": "adopted"}
    assert ["stranger", "adopted"] in printed
    assert length(traded) == before, "nothing is recorded"
    applied = oms("reconcile", "--venue", "simulator")
    assert applied.code == 0, applied
    assert length(traded) > before


def test_s42_a_comparison_of_which_one_part_failed_says_which_and_exits_with_an_error(
    oms: cli.Oms,  # noqa: F811 - a fixture
    traded: str,  # noqa: F811 - likewise
    venue: type[Elsewhere],
) -> None:
    venue.failing = "positions"
    said = oms("reconcile", "--venue", "simulator")
    assert said.code == 1
    assert "main: partial" in said.out
    assert "positions could not be compared: timed out" in said.out
