"""An archive on disk: what was archived comes out of it, and nothing else passes for it."""

import json
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import Struct
from msgspec.structs import replace

from oms.archive import ArchiveError, Manifest, Market, Writer, check
from oms.reports import BalanceReport, OrderReport, Report, TradeReport
from oms.values import PositionLeg, Symbol, VenueOrderId
from oms.venue import Evidence

BTC = Symbol("BTC/USDT")
REPORTS = msgspec.json.Decoder(list[Report])


class Asked(Struct, frozen=True, kw_only=True):
    """A page as a venue's adapter gives it; this venue speaks in our own words."""

    market: Market = "spot"
    topic: str
    symbol: Symbol | None = None
    since_ms: int | None = None
    until_ms: int | None = None
    whole: bool = True
    why: str = ""
    evidence: Evidence


def decode(_: Market, __: str, payload: bytes) -> Sequence[Report]:
    return REPORTS.decode(payload)


def page(topic: str, *reports: Report, **more: Any) -> Asked:
    said = Evidence(channel=f"POST /{topic}", request=b"{}", response=msgspec.json.encode(reports), status=200)
    return Asked(topic=topic, evidence=said, **more)


def order(name: str, filled: str = "1", updated_ms: int = 5) -> OrderReport:
    return OrderReport(
        symbol=BTC, venue_order_id=VenueOrderId(name), cum_quantity=Decimal(filled), updated_ms=updated_ms
    )


def trade(name: str, of: str, quantity: str = "1") -> TradeReport:
    return TradeReport(
        exec_id=name,  # type: ignore[arg-type]
        symbol=BTC,
        venue_order_id=VenueOrderId(of),
        price=Decimal(100),
        quantity=Decimal(quantity),
    )


def written(folder: Path, *pages: Asked) -> Manifest:
    writer = Writer(folder)
    for each in pages:
        writer.add(each)
    return writer.close(decode, venue="a venue", account="main", since_ms=0, until_ms=100)


PAGES = (
    page("orders", order("1", "0.5", updated_ms=4), order("2"), since_ms=0, until_ms=50),
    page("orders", order("1", "2"), since_ms=50, until_ms=100),  # seen again at the seam, further on
    page("trades", trade("a", "1"), trade("b", "1"), since_ms=0, until_ms=50),
    page("trades", trade("b", "1"), trade("c", "2"), since_ms=50, until_ms=100),
    page("balances", BalanceReport(currency="USDT", total=Decimal(7))),  # type: ignore[arg-type]
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "archive"


def lines(folder: Path, name: str) -> list[Any]:
    return [json.loads(line) for line in (folder / name).read_text().splitlines()]


def test_everything_is_there_once_and_the_coverage_is_proven(folder: Path) -> None:
    manifest = written(folder, *PAGES)
    assert [row["exec_id"] for row in lines(folder, "trades.jsonl")] == ["a", "b", "c"]
    assert {row["venue_order_id"]: row["cum_quantity"] for row in lines(folder, "orders.jsonl")} == {"1": "2", "2": "1"}
    assert manifest.whole
    proven = {each.topic: [(span.since_ms, span.until_ms) for span in each.proven] for each in manifest.coverage}
    assert proven == {"orders": [(0, 100)], "trades": [(0, 100)], "balances": [(None, None)]}
    assert manifest.counts == {"orders": 2, "trades": 3, "ledger": 0, "standing": 1}
    assert check(folder, decode, head=manifest.head).findings == []
    assert (folder.stat().st_mode & 0o077, len(list(folder.iterdir()))) == (0, 6)


def test_a_trade_moved_the_leg_that_its_order_says(folder: Path) -> None:
    """A trade of the venue's names none, and what its side means hangs on a mode that may have been another then."""
    bought = replace(order("1"), position_leg=PositionLeg.NET)
    trades = trade("a", "1"), trade("b", "2"), trade("c", "9")
    written(folder, page("orders", bought, order("2")), page("trades", *trades))
    assert [line.get("position_leg") for line in lines(folder, "trades.jsonl")] == ["net", None, None]


def test_a_window_that_could_not_be_had_is_said_and_not_papered_over(folder: Path) -> None:
    lost = page("trades", since_ms=50, until_ms=60, whole=False, why="no answer")
    manifest = written(folder, page("trades", since_ms=0, until_ms=50), lost, page("trades", since_ms=60, until_ms=100))
    (coverage,) = manifest.coverage
    assert [(span.since_ms, span.until_ms) for span in coverage.proven] == [(0, 50), (60, 100)]
    assert [(span.since_ms, span.until_ms, span.why) for span in coverage.missing] == [(50, 60, "no answer")]
    assert not manifest.whole
    assert check(folder, decode).findings == []  # it is what was archived, holes and all


def test_an_order_whose_trades_are_missing_is_found_out(folder: Path) -> None:
    manifest = written(folder, PAGES[0], PAGES[1], PAGES[2])  # the trades of the second half were never asked for
    assert (manifest.unmatched, manifest.whole) == (["BTC/USDT 2"], False)


def change_page(folder: Path) -> None:
    text = (folder / "pages.jsonl").read_text()
    (folder / "pages.jsonl").write_text(text.replace('\\"a\\"', '\\"z\\"', 1))


def cut_tail(folder: Path) -> None:
    kept = (folder / "pages.jsonl").read_text().splitlines(keepends=True)[:-1]
    (folder / "pages.jsonl").write_text("".join(kept))


def change_line(folder: Path) -> None:
    text = (folder / "trades.jsonl").read_text()
    (folder / "trades.jsonl").write_text(text.replace('"100"', '"101"', 1))


def remove_lines(folder: Path) -> None:
    (folder / "orders.jsonl").unlink()


def claim_whole(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["counts"]["trades"] = 4
    (folder / "manifest.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize("change", [change_page, cut_tail, change_line, remove_lines, claim_whole])
def test_whatever_was_changed_is_found(folder: Path, change: Callable[[Path], None]) -> None:
    written(folder, *PAGES)
    change(folder)
    assert len(check(folder, decode).findings) == 1


def test_an_archive_that_was_made_anew_whole_needs_the_head_that_was_kept(folder: Path, tmp_path: Path) -> None:
    kept = written(folder, *PAGES).head
    forged = tmp_path / "forged"
    written(forged, *PAGES[:1], *PAGES[2:])
    assert check(forged, decode).findings == []
    assert any("made anew" in finding for finding in check(forged, decode, head=kept).findings)


def test_bytes_that_are_no_text_are_kept_to_the_bit(folder: Path) -> None:
    said = Evidence(channel="GET /x", response=b"\xff\xfe<html>", status=502)
    writer = Writer(folder)
    writer.add(Asked(topic="trades", whole=False, why="a page", evidence=said))
    manifest = writer.close(lambda *_: (), venue="v", account="a", since_ms=0, until_ms=1)
    (line,) = lines(folder, "pages.jsonl")
    assert line["page"]["base64"] is True
    assert (manifest.pages, check(folder, lambda *_: ()).findings) == (1, [])


def test_nothing_is_written_over_and_nothing_else_is_an_archive(folder: Path, tmp_path: Path) -> None:
    written(folder, *PAGES)
    with pytest.raises(ArchiveError):
        Writer(folder)
    with pytest.raises(ArchiveError):
        check(tmp_path / "nowhere", decode)
    (folder / "manifest.json").write_text("{}")
    with pytest.raises(ArchiveError):
        check(folder, decode)
