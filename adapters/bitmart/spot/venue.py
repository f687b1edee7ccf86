"""BitMart spot as an `oms.venue.Venue`: one account, over the ports alone."""

from collections.abc import AsyncIterator, Iterable
from decimal import Decimal
from typing import Final

import msgspec
from msgspec import Struct

from adapters.bitmart.envelope import payload
from adapters.bitmart.limits import SPOT_RATES
from adapters.bitmart.refusals import CLOCK, DUPLICATE_ID, ORDER_NOT_FOUND, OUT_OF_RANGE
from adapters.bitmart.rest import Rest
from adapters.bitmart.scalars import required
from adapters.bitmart.sign import Credentials
from adapters.bitmart.spot import codec, requests
from adapters.bitmart.spot import messages as wire
from adapters.bitmart.spot.stream import PrivateStream
from oms.instrument import Instrument
from oms.ports import Clock, Ids, Link, Spawn
from oms.reports import Ack, InstrumentReport, OrderReport, Refusal, RefusalClass, Report, TradeReport, Unreadable
from oms.values import (
    ClientOrderId,
    MarginMode,
    OrderType,
    PositionMode,
    Provenance,
    Symbol,
    TimeInForce,
    VenueOrderId,
)
from oms.venue import Amendment, Answer, Capabilities, Evidence, NewOrder, NoAnswerError, NotOfferedError, OrderRef

CAPABILITIES: Final = Capabilities(
    name="bitmart spot",
    order_types=frozenset({OrderType.LIMIT, OrderType.MARKET}),
    times_in_force=frozenset({TimeInForce.GTC, TimeInForce.IOC}),
    post_only=True,
    market_buy_by_notional=True,
    submit_validity=60.0,  # a stamp is good for a minute (PROTOCOL 9.22)
    visibility_delay=10.0,  # "not found means nothing for at least several seconds" (9.1)
    unfilled_memory=20 * 60.0,  # 9.7
    history_window=7 * 86_400.0,  # what lists show without being asked for more (9.47)
)

MS_PER_DAY: Final = 86_400_000
OPEN_ORDERS_SINCE_MS: Final = 365 * MS_PER_DAY  # further back than any live order; unasked, the venue shows 7 days
CALLS_MAX: Final = 64  # of one bisection


class Endpoints(Struct, frozen=True):
    """Where BitMart spot is. `ws` ends before ``/user``; the composition root may point both elsewhere."""

    rest: str = "https://api-cloud.bitmart.com"
    ws: str = "wss://ws-manager-compress.bitmart.com"


class BitmartSpot:
    """One BitMart account's spot market. Commands are sent once and never repeated; what proves nothing is
    NoAnswerError.
    """

    def __init__(
        self, credentials: Credentials, endpoints: Endpoints, *, link: Link, clock: Clock, ids: Ids, spawn: Spawn
    ) -> None:
        self._link = link
        self._clock = clock
        self._rest = Rest(
            credentials=credentials, url=endpoints.rest, rates=SPOT_RATES, link=link, clock=clock, spawn=spawn
        )
        self._stream = PrivateStream(
            credentials=credentials,
            url=endpoints.ws.rstrip("/") + "/user?protocol=1.1",
            link=link,
            clock=clock,
            server_clock=self._rest.server_clock,
            ids=ids,
            spawn=spawn,
        )

    @property
    def name(self) -> str:
        return CAPABILITIES.name

    def capabilities(self, symbol: Symbol) -> Capabilities:  # noqa: ARG002  # every spot market can do the same
        return CAPABILITIES

    @property
    def skew_ms(self) -> float:
        """How far the venue's clock was ahead of ours when last measured, in ms."""
        return self._rest.server_clock.skew_ms

    # -------------------------------------------------------------------------------------------- commands

    async def submit(self, order: NewOrder) -> Answer:
        evidence = await self._rest.signed(codec.SUBMIT_ORDER, requests.submit(order))
        reports = self._settled(codec.SUBMIT_ORDER, evidence)
        return Answer(reports=_named(reports, order.client_order_id, None), evidence=evidence)

    async def cancel(self, order: OrderRef) -> Answer:
        evidence = await self._rest.signed(codec.CANCEL_ORDER, requests.cancel(order), cancel=True)
        reports = self._settled(codec.CANCEL_ORDER, evidence)
        return Answer(reports=_named(reports, order.client_order_id, order.venue_order_id), evidence=evidence)

    def _settled(self, path: str, evidence: Evidence) -> tuple[Report, ...]:
        """Return what a command's answer settles.

        Raises:
            NoAnswerError: nothing. A duplicate id passes, as the proof that an attempt arrived.
        """
        reports = codec.answer(path, evidence.response, evidence.status)
        refusal = self._refusal(reports)
        if refusal and refusal.klass is RefusalClass.UNKNOWN and refusal.reason != DUPLICATE_ID:
            raise NoAnswerError(_cause(evidence, refusal), evidence)
        return reports

    def _refusal(self, reports: tuple[Report, ...]) -> Refusal | None:
        refusal = next((report for report in reports if isinstance(report, Refusal)), None)
        if refusal and refusal.reason == CLOCK:
            self._rest.server_clock.doubt()
        return refusal

    # -------------------------------------------------------------------------------------------- queries

    async def order(self, order: OrderRef) -> Answer:
        answer = await self._look_up(
            codec.QUERY_CLIENT_ORDER, requests.query_client_order(order.client_order_id), order
        )
        if order.venue_order_id is None or not isinstance(answer.reports[0], Refusal):
            return answer
        # The look-up by client id has been broken before (PROTOCOL 9.13), and does not know foreign orders.
        return await self._look_up(codec.QUERY_ORDER, requests.query_order(order.venue_order_id), order)

    async def _look_up(self, path: str, body: bytes, order: OrderRef) -> Answer:
        evidence = await self._rest.signed(path, body)
        reports = self._found(path, evidence)
        (report,) = reports
        if isinstance(report, OrderReport) and not _same(report, order):
            raise NoAnswerError(f"POST {path} answered with another order, {report.venue_order_id}", evidence)
        return Answer(reports=reports, evidence=evidence, source=Provenance.POLL)

    async def order_trades(self, order: OrderRef) -> Answer:
        """One order's trades. Without the venue's id, it is looked up first."""
        venue_order_id = order.venue_order_id
        if venue_order_id is None:
            found = await self.order(order)
            (report,) = found.reports
            if not isinstance(report, OrderReport) or report.venue_order_id is None:
                return found
            venue_order_id = report.venue_order_id
        evidence = await self._rest.signed(codec.QUERY_ORDER_TRADES, requests.query_order(venue_order_id))
        reports = self._found(codec.QUERY_ORDER_TRADES, evidence)
        return Answer(reports=reports, evidence=evidence, source=Provenance.POLL, complete=_whole(reports))

    async def open_orders(self) -> Answer:
        since_ms = self._rest.server_clock.now_ms() - OPEN_ORDERS_SINCE_MS
        evidence = await self._rest.signed(codec.QUERY_OPEN_ORDERS, requests.query_list(since_ms))
        reports = self._listed(codec.QUERY_OPEN_ORDERS, evidence, tolerated=OUT_OF_RANGE)
        refused = _refused(reports)
        if refused:  # too far back for the venue: what it shows unasked, and say that it is not all
            evidence = await self._rest.signed(codec.QUERY_OPEN_ORDERS, requests.query_list())
            reports = self._listed(codec.QUERY_OPEN_ORDERS, evidence)
        complete = not refused and _whole(reports)
        return Answer(reports=reports, evidence=evidence, source=Provenance.POLL, complete=complete)

    async def trades(self, *, since_ms: int, until_ms: int) -> Answer:
        return await self._bisected(codec.QUERY_TRADES, since_ms, until_ms)

    async def order_history(self, symbol: Symbol, *, since_ms: int, until_ms: int) -> Answer:
        return await self._bisected(codec.QUERY_HISTORY_ORDERS, since_ms, until_ms, symbol)

    async def _bisected(self, path: str, since_ms: int, until_ms: int, symbol: Symbol | None = None) -> Answer:
        """Return every row of the window. Seams of the bisection overlap, as no source says whether bounds are
        inclusive; repeats are dropped by id.
        """
        windows = [(since_ms, until_ms)]
        asked: list[Evidence] = []
        found: dict[str, Report] = {}
        complete = True
        while windows:
            if len(asked) == CALLS_MAX:
                complete = False
                break
            start_ms, end_ms = windows.pop()
            evidence = await self._rest.signed(path, requests.query_list(start_ms, end_ms, symbol))
            asked.append(evidence)
            reports = self._listed(path, evidence, tolerated=OUT_OF_RANGE)
            refused = _refused(reports)
            capped = len(reports) >= requests.ROWS_MAX
            if (refused or capped) and end_ms - start_ms > (MS_PER_DAY if refused else 1):
                middle_ms = (start_ms + end_ms) // 2
                windows += [(middle_ms, end_ms), (start_ms, middle_ms)]
                continue
            complete = complete and not refused and _whole(reports)
            found |= {_key(report): report for report in reports if not isinstance(report, Refusal)}
        return Answer(reports=tuple(found.values()), evidence=_joined(asked), source=Provenance.POLL, complete=complete)

    async def balances(self) -> Answer:
        evidence = await self._rest.keyed(codec.WALLET)
        reports = self._listed(codec.WALLET, evidence)
        return Answer(reports=reports, evidence=evidence, source=Provenance.POLL, complete=_readable(reports))

    async def instruments(self) -> tuple[Instrument, ...]:
        """The markets this account may see. All carry the rates of fee class A: asking for each pair's own would take
        a call each at 1/s, and nobody says which pair is in which class. Trades say what a fill really cost.
        """
        catalogue = await self._rest.public(codec.SYMBOLS_DETAILS)
        markets = self._listed(codec.SYMBOLS_DETAILS, catalogue)
        asked = await self._rest.keyed(codec.USER_FEE)
        fees = payload(wire.UserFee, asked.response, asked.status)
        if isinstance(fees, Refusal):
            raise NoAnswerError(_cause(asked, fees), asked)
        try:
            maker, taker = required(fees.maker_fee_rate_A, "maker fee"), required(fees.taker_fee_rate_A, "taker fee")
        except ValueError as error:
            raise NoAnswerError(f"{asked.channel}: {error}", asked) from error
        return tuple(_instrument(market, maker, taker) for market in markets if isinstance(market, InstrumentReport))

    def _found(self, path: str, evidence: Evidence) -> tuple[Report, ...]:
        """Return what a look-up found, or the Refusal that says that there is no such order."""
        return self._listed(path, evidence, tolerated=ORDER_NOT_FOUND)

    def _listed(self, path: str, evidence: Evidence, *, tolerated: str | None = None) -> tuple[Report, ...]:
        """Return what a query brought.

        Raises:
            NoAnswerError: it was refused for any other reason than the `tolerated` one: an empty list, or an order
                that was not found, must never come from not having been able to ask.
        """
        reports = codec.answer(path, evidence.response, evidence.status)
        refusal = self._refusal(reports)
        if refusal and refusal.reason != tolerated:
            raise NoAnswerError(_cause(evidence, refusal), evidence)
        return reports

    # -------------------------------------------------------------------------------------------- not on spot

    async def positions(self) -> Answer:
        nothing = Evidence(channel="spot has no positions")
        return Answer(reports=(), evidence=nothing, source=Provenance.POLL)

    async def ledger(self, *, since_ms: int, until_ms: int) -> Answer:  # noqa: ARG002  # spot moves money by trades alone
        nothing = Evidence(channel="spot has no ledger")
        return Answer(reports=(), evidence=nothing, source=Provenance.POLL)

    async def amend(self, change: Amendment) -> Answer:
        raise NotOfferedError(f"{change.order.client_order_id}: spot orders cannot be changed")

    async def set_leverage(self, symbol: Symbol, leverage: Decimal, margin_mode: MarginMode) -> Answer:
        raise NotOfferedError(f"{symbol}: spot has no leverage ({leverage}, {margin_mode})")

    async def set_position_mode(self, mode: PositionMode) -> Answer:
        raise NotOfferedError(f"spot has no position mode ({mode})")

    async def dead_man(self, symbol: Symbol, seconds: int) -> Answer:
        raise NotOfferedError(f"{symbol}: spot has no dead-man switch ({seconds} s)")

    # -------------------------------------------------------------------------------------------- stream and end

    def stream(self) -> AsyncIterator[Answer]:
        return self._stream.answers()

    async def close(self) -> None:
        await self._link.close()


def _named(reports: tuple[Report, ...], client_order_id: str, venue_order_id: str | None) -> tuple[Report, ...]:
    """Return the answer to a command with the ids that the venue does not repeat and the caller knows."""
    return tuple(_with_ids(report, ClientOrderId(client_order_id), venue_order_id) for report in reports)


def _with_ids(report: Report, client_order_id: ClientOrderId, venue_order_id: str | None) -> Report:
    if isinstance(report, Ack):
        known = report.venue_order_id or (None if venue_order_id is None else VenueOrderId(venue_order_id))
        return Ack(venue_order_id=known, client_order_id=client_order_id)
    if isinstance(report, Refusal):
        return msgspec.structs.replace(report, client_order_id=client_order_id)
    return report


def _cause(evidence: Evidence, refusal: Refusal) -> str:
    said = " ".join(word for word in (refusal.code, refusal.text) if word)
    return f"{evidence.channel}: {refusal.klass} {refusal.reason}, HTTP {evidence.status}: {said}"


def _same(report: OrderReport, order: OrderRef) -> bool:
    by_venue = order.venue_order_id is not None and report.venue_order_id == order.venue_order_id
    return by_venue or report.client_order_id == order.client_order_id


def _readable(reports: Iterable[Report]) -> bool:
    return not any(isinstance(report, Unreadable) for report in reports)


def _whole(reports: tuple[Report, ...]) -> bool:
    """Return whether a list is all there is: below the venue's cap, and every row understood."""
    return len(reports) < requests.ROWS_MAX and _readable(reports)


def _refused(reports: Iterable[Report]) -> bool:
    return any(isinstance(report, Refusal) for report in reports)


def _key(report: Report) -> str:
    match report:
        case TradeReport(exec_id=exec_id):
            return exec_id
        case OrderReport(venue_order_id=str(venue_order_id)):
            return venue_order_id
        case _:
            return repr(report)


def _joined(asked: list[Evidence]) -> Evidence:
    """Return one evidence of several calls: a line each."""
    first, last = asked[0], asked[-1]
    return Evidence(
        channel=first.channel,
        request=b"\n".join(evidence.request for evidence in asked),
        response=b"\n".join(evidence.response for evidence in asked),
        status=last.status,
        sent_ns=first.sent_ns,
        received_ns=last.received_ns,
    )


def _instrument(market: InstrumentReport, maker: Decimal, taker: Decimal) -> Instrument:
    return Instrument(
        symbol=market.symbol,
        venue_symbol=market.venue_symbol,
        base=market.base,
        quote=market.quote,
        price_step=market.price_step,
        quantity_step=market.quantity_step,
        quantity_min=market.quantity_min,
        notional_min=market.notional_min,
        maker_fee=maker,
        taker_fee=taker,
        tradable=market.tradable,
    )
