"""S61: the venue ends by three published dates, and our own plan keeps to them before the venue has to."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from oms.archive import Checked, Coverage, Manifest, Market
from oms.config import ConfigError, load
from oms.decide import Said
from oms.errors import LimitExceededError
from oms.order.messages import PlaceOrder
from oms.order.state import Life
from oms.runtime import SystemClock
from oms.values import Provenance
from oms.winddown import Exposure, Phase, WindDown, alerts, to_do
from tests.cli.conftest import clean_environment, home, oms, traded  # noqa: F401 - fixtures
from tests.scenarios.house import DESK, EPOCH_NS, PERPETUAL, House, tell

BEGINS = datetime.fromtimestamp(EPOCH_NS / 1e9, UTC)
PLAN = WindDown(
    no_opens_at=BEGINS + timedelta(minutes=2),
    no_trading_at=BEGINS + timedelta(minutes=12),
    dark_at=BEGINS + timedelta(minutes=22),
)


def at(minutes: float) -> int:
    return EPOCH_NS + int(minutes * 60e9)


def test_s61_from_the_first_date_on_opens_are_denied_here_and_reduces_and_cancels_pass_to_the_second() -> None:
    async def story(house: House) -> None:
        await house.start()
        house.stranger("sell", "5", "50000", symbol=PERPETUAL)
        await house.place("p1", "buy", "5", "50000", symbol=PERPETUAL)
        await house.place("p2", "buy", "1", "40000", symbol=PERPETUAL)
        await house.place("c1", "buy", "0.01", "40000")
        await house.until(lambda: house.life("p1") is Life.FILLED and house.life("c1") is Life.WORKING)
        await come(house, 2)
        for name, side, size, more in (
            ("p3", "buy", "1", {"symbol": PERPETUAL}),
            ("c2", "buy", "0.01", {}),
            ("c3", "sell", "0.01", {}),  # on spot the first date is of every new order
        ):
            await house.place(name, side, size, "40000", **more)
            assert house.life(name) is Life.DENIED
            assert (house.order(name).reason or "").startswith(
                "wind_down: the venue winds down: since 2026-01-05 08:02"
            )
        with pytest.raises(LimitExceededError, match="wind_down"):
            await house.amend("p2", quantity="2")
        house.stranger("buy", "2", "50000", symbol=PERPETUAL)
        await house.place("p4", "sell", "2", "50000", symbol=PERPETUAL, reduce_only=True)
        await house.until(lambda: house.life("p4") is Life.FILLED)
        for name in ("c1", "p2"):
            await house.cancel(name)
            await house.until(lambda name=name: house.life(name) is Life.CANCELED)  # type: ignore[misc]
        await house.place("p5", "sell", "1", "60000", symbol=PERPETUAL, reduce_only=True)
        await house.until(lambda: house.life("p5") is Life.WORKING)
        await come(house, 12)
        await house.place("p6", "sell", "1", "60000", symbol=PERPETUAL, reduce_only=True)
        assert "nothing trades" in (house.order("p6").reason or "")
        [alert] = alerts(PLAN, {DESK: house.engine}, house.clock).values()
        assert alert() == "closed: 1 orders are open, positions {'BTC/USDT:USDT net': '3'}"
        await house.cancel("p5")
        await house.until(lambda: house.life("p5") is Life.CANCELED)
        await house.rests()

    tell(story, planned)


def test_s61_a_command_is_held_against_the_dates_at_the_time_that_it_is_recorded_at() -> None:
    """The same command, the same book, the recorded time: the same decision on any machine, on any day."""

    async def story(house: House) -> None:
        await house.start()
        book, decider = house.replayed(), house.engine.decider
        for name, minutes, limit in (("a", 1.9, None), ("b", 2, "wind_down"), ("c", 12, "wind_down")):
            order: PlaceOrder = house.order_for(name, "buy", "0.01", "40000")
            said = Said(message=order, actor="maker", cause=None, source=Provenance.COMMAND)
            facts = decider.decide(said, book, at(minutes)).facts
            assert getattr(facts[-1][1], "limit", None) == limit

    tell(story, planned)


def test_s61_what_is_open_and_what_is_to_be_archived_is_due_until_it_is_done() -> None:
    none = Exposure(account=DESK, opened_ms=at(1) // 1_000_000, orders=[], positions={}, balances={"USDT": "5"})
    some = replace(none, orders=["c1"], positions={"BTC/USDT:USDT net": "3"})
    late, early = archived(13), archived(11)
    broken, holed = archived(13, findings=["page 3 is not what was archived"]), archived(13, whole=False)
    assert [PLAN.phase(at(minutes)) for minutes in (1.9, 2, 12, 22)] == list(Phase)
    assert list(to_do(PLAN, at(5), some, late)) == ["close what is open: c1, 3 BTC/USDT:USDT net"]
    assert list(to_do(PLAN, at(13), none, late)) == []
    others, young, spot = archived(13, account="other"), archived(13, since_minutes=2), archived(13, markets=("spot",))
    for proof in (None, early, broken, holed, others, young, spot):
        [task] = to_do(PLAN, at(13), none, proof)
        assert task.startswith("archive the account before 2026-01-05 08:22 UTC")
    assert list(to_do(WindDown(), at(13), some, None)) == [], "no end is announced"


def test_s61_dates_that_cannot_be_meant_are_no_configuration(tmp_path: Path) -> None:
    for text in ('no_opens_at = "2027-01-02T00:00:00Z"\ndark_at = "2027-01-01T00:00:00Z"', 'dark_at = "2027-01-01"'):
        file = tmp_path / "config.toml"
        file.write_text(f"[wind_down]\n{text}\n")
        with pytest.raises(ConfigError, match="wind_down"):
            load({"OMS_HOME": str(tmp_path)}, file)


@pytest.mark.postgres
def test_s61_the_plan_the_exposure_and_every_replay_are_there_while_no_venue_answers(
    oms: Callable[..., Any],  # noqa: F811 - the fixture
    traded: str,  # noqa: F811 - a log with one order in it
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = datetime.fromtimestamp(SystemClock().now_ns() // 1_000_000_000, UTC)
    for name, days in (("NO_OPENS", -3), ("NO_TRADING", -2), ("DARK", -1)):
        monkeypatch.setenv(f"OMS__WIND_DOWN__{name}_AT", (now + timedelta(days=days)).isoformat())
    shown = oms("wind-down", "--json")
    assert (shown.code, shown.json["phase"]) == (1, "dark"), "something is left to do"
    [account] = shown.json["accounts"].values()
    assert account["orders"] == ["first"]
    assert [task.partition(":")[0] for task in next(iter(shown.json["to_do"].values()))][:1] == ["close what is open"]
    for command in (("orders",), ("fills",), ("balances",), ("explain", "first")):
        assert oms(*command, "--json").code == 0
    assert oms("replay", "--json").code == 0
    assert oms("audit", "verify", "--json").code == 0


def planned() -> House:
    return House(wind_down=PLAN)


async def come(house: House, minutes: float) -> None:
    """Wait until so many minutes of the story have passed."""
    await asyncio.sleep((at(minutes) - house.clock.now_ns()) / 1e9 + 0.001)


def archived(
    minutes: float,
    *,
    findings: list[str] | None = None,
    whole: bool = True,
    account: str = DESK,
    since_minutes: float = 0,
    markets: tuple[Market, ...] = ("spot", "futures"),
) -> Checked:
    coverage = [Coverage(market=market, topic="trades", pages=1, proven=()) for market in markets]
    manifest = Manifest(
        version=1, venue="bitmart", account=account, since_ms=at(since_minutes) // 1_000_000,
        until_ms=at(minutes) // 1_000_000, pages=1, head="", whole=whole, counts={}, coverage=coverage, unmatched=(),
        notes=(), files={},
    )  # fmt: skip
    return Checked(manifest=manifest, findings=findings or [])
