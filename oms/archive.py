"""An account's history on disk: the venue's own bytes, sealed in a chain, and what they say in plain lines.

A folder holds `pages.jsonl` (a line a call: what was asked, when, and the bytes that came), `orders.jsonl`,
`trades.jsonl`, `ledger.jsonl` and `standing.jsonl` (what the pages say, each thing once, the latest word of it), and
`manifest.json` (what was covered, what was not and why, and the head of the chain). seal = sha256(seal before || page).
The lines follow from the pages alone, so whoever has the folder can check all of it without the venue.
"""

import base64
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import Final, Literal, Protocol

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from oms.errors import OmsError
from oms.reports import LedgerReport, OrderReport, Report, TradeReport
from oms.values import EXACT, ZERO, Symbol
from oms.venue import Evidence

VERSION: Final = 1
PAGES: Final = "pages.jsonl"
MANIFEST: Final = "manifest.json"
GENESIS: Final = bytes(32)
LINE_MAX: Final = 64 << 20  # bytes of one page

Market = Literal["spot", "futures"]
Decode = Callable[[Market, str, bytes], Sequence[Report]]  # market, path, payload


class ArchiveError(OmsError):
    """The folder cannot be written, or is no archive."""

    code = "archive"
    next_step = "name a folder that does not exist yet, or an archive that is whole"


class Page(Protocol):
    """One call, as an adapter gives it."""

    @property
    def market(self) -> Market: ...
    @property
    def topic(self) -> str: ...
    @property
    def symbol(self) -> Symbol | None: ...
    @property
    def since_ms(self) -> int | None: ...
    @property
    def until_ms(self) -> int | None: ...
    @property
    def whole(self) -> bool: ...
    @property
    def why(self) -> str: ...
    @property
    def evidence(self) -> Evidence: ...


class Kept(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One page as it is kept. Times are UTC; `response` is text, or base64 where it is none."""

    number: int
    market: Market
    topic: str
    symbol: Symbol | None = None
    since_ms: int | None = None
    until_ms: int | None = None
    whole: bool
    why: str = ""
    channel: str
    request: str = ""
    status: int | None = None
    sent_ns: int | None = None
    received_ns: int | None = None
    response: str = ""
    base64: bool = False

    @property
    def body(self) -> bytes:
        """The venue's bytes."""
        return base64.b64decode(self.response) if self.base64 else self.response.encode()

    @property
    def path(self) -> str:
        return self.channel.partition(" ")[2].partition("?")[0]


class Line(Struct, frozen=True):
    """One line of `pages.jsonl`: the page's bytes as they are sealed, and the seal in hexadecimal."""

    seal: str
    page: Raw


class Span(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A window of time, and why it is missing if it is."""

    since_ms: int | None = None
    until_ms: int | None = None
    why: str = ""


class Coverage(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Of one list: which windows are whole, joined where they meet, and which are not."""

    market: Market
    topic: str
    symbol: Symbol | None = None
    pages: int
    proven: Sequence[Span]
    missing: Sequence[Span] = ()


class Manifest(Struct, frozen=True, kw_only=True):
    """What an archive holds. `files` are sha256 by name; `head` is the last seal: keep it elsewhere too."""

    version: int
    venue: str
    account: str
    since_ms: int
    until_ms: int
    pages: int
    head: str
    whole: bool
    counts: Mapping[str, int]
    coverage: Sequence[Coverage]
    unmatched: Sequence[str]  # orders whose own trades do not add up to what they say they filled
    notes: Sequence[str]
    files: Mapping[str, str]


class Writer:
    """Writes pages as they come; `close` writes what they say. Raises ArchiveError for trouble with the disk."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seal = GENESIS
        self._number = 0
        try:
            folder.mkdir(parents=True, mode=0o700)  # what somebody traded is nobody else's business
            self._pages = (folder / PAGES).open("xb")
        except OSError as error:
            raise ArchiveError(f"{folder} cannot be made: {error.strerror}") from error

    def add(self, page: Page) -> None:
        """Keep and seal one page."""
        self._number += 1
        evidence = page.evidence
        text, encoded = _text(evidence.response)
        kept = Kept(
            number=self._number,
            market=page.market,
            topic=page.topic,
            symbol=page.symbol,
            since_ms=page.since_ms,
            until_ms=page.until_ms,
            whole=page.whole,
            why=page.why,
            channel=evidence.channel,
            request=evidence.request.decode(errors="replace"),
            status=evidence.status,
            sent_ns=evidence.sent_ns,
            received_ns=evidence.received_ns,
            response=text,
            base64=encoded,
        )
        body = msgspec.json.encode(kept)
        self._seal = sha256(self._seal + body).digest()
        try:
            self._pages.write(msgspec.json.encode(Line(self._seal.hex(), Raw(body))) + b"\n")
        except OSError as error:
            raise ArchiveError(f"{self._folder} cannot be written: {error.strerror}") from error

    def close(
        self, decode: Decode, *, venue: str, account: str, since_ms: int, until_ms: int, notes: Sequence[str] = ()
    ) -> Manifest:
        """Write what the pages say, and the manifest; return it."""
        try:
            self._pages.flush()
            os.fsync(self._pages.fileno())
            self._pages.close()
            said = _said(_pages(self._folder), decode)
            for name, lines in said.files.items():
                (self._folder / name).write_bytes(lines)
            manifest = Manifest(
                version=VERSION,
                venue=venue,
                account=account,
                since_ms=since_ms,
                until_ms=until_ms,
                pages=self._number,
                head=self._seal.hex(),
                whole=not any(each.missing for each in said.coverage) and not said.unmatched,
                counts=said.counts,
                coverage=said.coverage,
                unmatched=said.unmatched,
                notes=notes,
                files={name: sha256(lines).hexdigest() for name, lines in said.files.items()},
            )
            document = msgspec.json.format(msgspec.json.encode(manifest), indent=1)
            (self._folder / MANIFEST).write_bytes(document + b"\n")
        except OSError as error:
            raise ArchiveError(f"{self._folder} cannot be written: {error.strerror}") from error
        return manifest


class Checked(Struct, frozen=True, kw_only=True):
    """What checking an archive found; no findings: it is what was archived, and its lines follow from its pages."""

    manifest: Manifest
    findings: Sequence[str]


def check(folder: Path, decode: Decode, *, head: str | None = None) -> Checked:
    """Check seals, files and lines of an archive, without the venue. `head` is the one that was kept elsewhere.

    Raises:
        ArchiveError: it is no archive, or cannot be read.
    """
    try:
        manifest = msgspec.json.decode((folder / MANIFEST).read_bytes(), type=Manifest)
    except OSError as error:
        raise ArchiveError(f"{folder / MANIFEST} cannot be read: {error.strerror}") from error
    except msgspec.MsgspecError as error:
        raise ArchiveError(f"{folder / MANIFEST} is no manifest: {error}") from error
    if manifest.version != VERSION:
        raise ArchiveError(f"{folder} is an archive of version {manifest.version}, and this program knows {VERSION}")
    return Checked(manifest=manifest, findings=list(_findings(folder, manifest, decode, head)))


def _findings(folder: Path, manifest: Manifest, decode: Decode, head: str | None) -> Iterator[str]:
    seal, number = GENESIS, 0
    for number, line in enumerate(_lines(folder), 1):
        seal = sha256(seal + bytes(line.page)).digest()
        if seal.hex() != line.seal:
            yield f"page {number} is not what was archived"
            return
    if (number, seal.hex()) != (manifest.pages, manifest.head):
        yield f"{number} pages are there, and {manifest.pages} were archived, or others"
        return
    if head is not None and head != manifest.head:
        yield f"the chain ends at {manifest.head}, and {head} was kept elsewhere: it was made anew"
    said = _said(_pages(folder), decode)
    for name, lines in said.files.items():
        try:
            found = (folder / name).read_bytes()
        except OSError as error:
            yield f"{name} cannot be read: {error.strerror}"
            continue
        if sha256(found).hexdigest() != manifest.files.get(name):
            yield f"{name} is not what was archived"
        elif found != lines:
            yield f"{name} does not follow from the pages, as this program reads them"
    told = (said.coverage, said.counts, said.unmatched)
    if msgspec.json.encode(told) != msgspec.json.encode((manifest.coverage, manifest.counts, manifest.unmatched)):
        yield f"{MANIFEST} claims another coverage than the pages prove"


# ---------------------------------------------------------------------------------------------------- from the pages


class _Said(Struct, frozen=True):
    """What pages say, as it is written down."""

    files: Mapping[str, bytes]
    counts: Mapping[str, int]
    coverage: Sequence[Coverage]
    unmatched: Sequence[str]


def _lines(folder: Path) -> Iterator[Line]:
    try:
        with (folder / PAGES).open("rb") as pages:
            while line := pages.readline(LINE_MAX):
                yield msgspec.json.decode(line, type=Line)
    except OSError as error:
        raise ArchiveError(f"{folder / PAGES} cannot be read: {error.strerror}") from error
    except msgspec.MsgspecError as error:
        raise ArchiveError(f"{folder / PAGES} holds a line that is no page: {error}") from error


def _pages(folder: Path) -> Iterator[Kept]:
    for line in _lines(folder):
        try:
            yield msgspec.json.decode(line.page, type=Kept)
        except msgspec.MsgspecError as error:
            raise ArchiveError(f"{folder / PAGES} holds a page that cannot be read: {error}") from error


def _said(pages: Iterable[Kept], decode: Decode) -> _Said:
    orders: dict[tuple[str, ...], OrderReport] = {}
    trades: dict[tuple[str, ...], TradeReport] = {}
    ledger: dict[str, LedgerReport] = {}
    standing: list[tuple[str, Report]] = []
    covered: dict[tuple[Market, str, Symbol | None], list[Kept]] = {}
    for page in pages:
        covered.setdefault((page.market, page.topic, page.symbol), []).append(page)
        for report in decode(page.market, page.path, page.body) if page.response else ():
            match report:
                case OrderReport(venue_order_id=str() as order_id):
                    known = orders.get((report.symbol, order_id))
                    if known is None or (known.updated_ms or 0) <= (report.updated_ms or 0):
                        orders[report.symbol, order_id] = report
                case TradeReport():
                    trades[report.symbol, report.exec_id] = report
                case LedgerReport():
                    ledger[repr((page.market, report))] = report
                case _ if page.topic in {"balances", "positions"}:
                    standing.append((page.market, report))
                case _:
                    pass  # a refusal, or a row that cannot be read: the page says that it is not whole
    by_age = sorted(orders.values(), key=lambda each: (each.created_ms or 0, repr(each)))
    placed = [_placed(each, orders.get((each.symbol, each.venue_order_id or ""))) for each in trades.values()]
    by_time = sorted(placed, key=lambda each: (each.at_ms or 0, each.exec_id))
    moves = sorted(ledger.values(), key=lambda each: (each.at_ms or 0, repr(each)))
    files = {
        "orders.jsonl": _written(by_age),
        "trades.jsonl": _written(by_time),
        "ledger.jsonl": _written(moves),
        "standing.jsonl": _written({"market": market, "report": report} for market, report in standing),
    }
    counts = {"orders": len(orders), "trades": len(trades), "ledger": len(ledger), "standing": len(standing)}
    return _Said(files, counts, [_coverage(name, each) for name, each in covered.items()], _unmatched(orders, trades))


def _placed(trade: TradeReport, order: OrderReport | None) -> TradeReport:
    """Return a trade with the leg that it moved, which the venue says of its order alone."""
    if order is None or trade.position_leg is not None:
        return trade
    return replace(trade, position_leg=order.position_leg, effect=trade.effect or order.effect)


def _written(rows: Iterable[object]) -> bytes:
    return b"".join(msgspec.json.encode(row) + b"\n" for row in rows)


def _coverage(name: tuple[Market, str, Symbol | None], pages: Sequence[Kept]) -> Coverage:
    market, topic, symbol = name
    proven: list[Span] = []
    good = [page for page in pages if page.whole]
    for page in sorted(good, key=lambda each: (each.since_ms or 0, each.until_ms or 0)):
        last = proven[-1] if proven else None
        if last is not None and page.since_ms is not None and (last.until_ms or 0) >= page.since_ms:
            proven[-1] = Span(since_ms=last.since_ms, until_ms=max(last.until_ms or 0, page.until_ms or 0))
        else:
            proven.append(Span(since_ms=page.since_ms, until_ms=page.until_ms))
    missing = [Span(since_ms=page.since_ms, until_ms=page.until_ms, why=page.why) for page in pages if not page.whole]
    return Coverage(market=market, topic=topic, symbol=symbol, pages=len(pages), proven=proven, missing=missing)


def _unmatched(
    orders: Mapping[tuple[str, ...], OrderReport], trades: Mapping[tuple[str, ...], TradeReport]
) -> Sequence[str]:
    """Return the orders whose trades do not add up to what they say they filled: something is missing."""
    filled: dict[tuple[str, ...], Decimal] = {}
    for trade in trades.values():
        if trade.venue_order_id is not None:
            name = trade.symbol, trade.venue_order_id
            filled[name] = EXACT.add(filled.get(name, ZERO), trade.quantity)
    return sorted(
        f"{symbol} {order_id}"
        for (symbol, order_id), order in orders.items()
        if (order.cum_quantity or ZERO) != filled.get((symbol, order_id), ZERO)
    )


def _text(body: bytes) -> tuple[str, bool]:
    """Return bytes as JSON can hold them: text, or base64."""
    try:
        return body.decode(), False
    except UnicodeDecodeError:
        return base64.b64encode(body).decode(), True
