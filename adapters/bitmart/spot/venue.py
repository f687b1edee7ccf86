"""BitMart spot as an `oms.venue.Venue`: one account, over the ports alone."""

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Final

from msgspec import Struct

from adapters.bitmart.answers import Reading, bisected, cause, named, readable, refused, same, whole
from adapters.bitmart.envelope import payload
from adapters.bitmart.limits import SPOT_RATES
from adapters.bitmart.refusals import ORDER_NOT_FOUND, OUT_OF_RANGE
from adapters.bitmart.rest import Rest
from adapters.bitmart.scalars import required
from adapters.bitmart.sign import Credentials
from adapters.bitmart.spot import codec, requests
from adapters.bitmart.spot import messages as wire
from adapters.bitmart.spot.dialect import SPOT
from adapters.bitmart.stream import PrivateStream
from oms.instrument import Instrument
from oms.ports import Clock, Ids, Link, Spawn
from oms.reports import InstrumentReport, OrderReport, Refusal, Report
from oms.values import (
    MarginMode,
    OrderType,
    PositionMode,
    Provenance,
    Symbol,
    TimeInForce,
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
        self._reading = Reading(self._rest, codec.answer)
        self._stream = PrivateStream(
            SPOT,
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
        reports = self._reading.settled(codec.SUBMIT_ORDER, evidence)
        return Answer(reports=named(reports, order.client_order_id, None), evidence=evidence)

    async def cancel(self, order: OrderRef) -> Answer:
        evidence = await self._rest.signed(codec.CANCEL_ORDER, requests.cancel(order), cancel=True)
        reports = self._reading.settled(codec.CANCEL_ORDER, evidence)
        return Answer(reports=named(reports, order.client_order_id, order.venue_order_id), evidence=evidence)

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
        if isinstance(report, OrderReport) and not same(report, order):
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
        complete = whole(reports, requests.ROWS_MAX)
        return Answer(reports=reports, evidence=evidence, source=Provenance.POLL, complete=complete)

    async def open_orders(self) -> Answer:
        since_ms = self._rest.server_clock.now_ms() - OPEN_ORDERS_SINCE_MS
        evidence = await self._rest.signed(codec.QUERY_OPEN_ORDERS, requests.query_list(since_ms))
        reports = self._reading.listed(codec.QUERY_OPEN_ORDERS, evidence, tolerated=(OUT_OF_RANGE,))
        turned_down = refused(reports)
        if turned_down:  # too far back for the venue: what it shows unasked, and say that it is not all
            evidence = await self._rest.signed(codec.QUERY_OPEN_ORDERS, requests.query_list())
            reports = self._reading.listed(codec.QUERY_OPEN_ORDERS, evidence)
        complete = not turned_down and whole(reports, requests.ROWS_MAX)
        return Answer(reports=reports, evidence=evidence, source=Provenance.POLL, complete=complete)

    async def trades(self, *, since_ms: int, until_ms: int) -> Answer:
        return await self._bisected(codec.QUERY_TRADES, since_ms, until_ms)

    async def order_history(self, symbol: Symbol, *, since_ms: int, until_ms: int) -> Answer:
        return await self._bisected(codec.QUERY_HISTORY_ORDERS, since_ms, until_ms, symbol)

    async def _bisected(self, path: str, since_ms: int, until_ms: int, symbol: Symbol | None = None) -> Answer:
        return await bisected(
            lambda start_ms, end_ms: self._rest.signed(path, requests.query_list(start_ms, end_ms, symbol)),
            lambda evidence: self._reading.listed(path, evidence, tolerated=(OUT_OF_RANGE,)),
            [(since_ms, until_ms)],
            rows_max=requests.ROWS_MAX,
            narrowest_refused=MS_PER_DAY,
        )

    async def balances(self) -> Answer:
        evidence = await self._rest.keyed(codec.WALLET)
        reports = self._reading.listed(codec.WALLET, evidence)
        return Answer(reports=reports, evidence=evidence, source=Provenance.POLL, complete=readable(reports))

    async def instruments(self) -> tuple[Instrument, ...]:
        """The markets this account may see. All carry the rates of fee class A: asking for each pair's own would take
        a call each at 1/s, and nobody says which pair is in which class. Trades say what a fill really cost.
        """
        catalogue = await self._rest.public(codec.SYMBOLS_DETAILS)
        markets = self._reading.listed(codec.SYMBOLS_DETAILS, catalogue)
        asked = await self._rest.keyed(codec.USER_FEE)
        fees = payload(wire.UserFee, asked.response, asked.status)
        if isinstance(fees, Refusal):
            raise NoAnswerError(cause(asked, fees), asked)
        try:
            maker, taker = required(fees.maker_fee_rate_A, "maker fee"), required(fees.taker_fee_rate_A, "taker fee")
        except ValueError as error:
            raise NoAnswerError(f"{asked.channel}: {error}", asked) from error
        return tuple(_instrument(market, maker, taker) for market in markets if isinstance(market, InstrumentReport))

    def _found(self, path: str, evidence: Evidence) -> tuple[Report, ...]:
        """Return what a look-up found, or the Refusal that says that there is no such order."""
        return self._reading.listed(path, evidence, tolerated=(ORDER_NOT_FOUND,))

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
