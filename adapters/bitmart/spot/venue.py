"""BitMart spot as an `oms.venue.Venue`: one account, over the ports alone."""

from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing
from decimal import Decimal
from functools import partial
from typing import Final, TypeVar

import msgspec
from msgspec import Struct

from adapters.bitmart.answers import bisected, cause, named, readable, refusal, refused, same, whole
from adapters.bitmart.envelope import payload
from adapters.bitmart.limits import SPOT_RATES, Purpose
from adapters.bitmart.refusals import ORDER_NOT_FOUND, OUT_OF_RANGE
from adapters.bitmart.rest import Rest, ServerClock
from adapters.bitmart.scalars import required
from adapters.bitmart.sign import Credentials
from adapters.bitmart.spot import codec, requests
from adapters.bitmart.spot import messages as wire
from adapters.bitmart.spot.batches import Batches
from adapters.bitmart.spot.calls import Calls
from adapters.bitmart.spot.dialect import of_symbols
from adapters.bitmart.spot.requests import SelfTrade
from adapters.bitmart.spot.translate import venue_symbol
from adapters.bitmart.spot.triggers import Triggers, gone, waits
from adapters.bitmart.stream import VenueStream
from oms.instrument import Instrument
from oms.ports import Clock, Ids, Link, Spawn
from oms.reports import InstrumentReport, OrderReport, Refusal, RefusalClass, Report, TradeReport
from oms.values import (
    MarginMode,
    OrderType,
    PositionMode,
    Provenance,
    Side,
    Symbol,
    TimeInForce,
    VenueOrderId,
)
from oms.venue import (
    Amendment,
    Answer,
    Capabilities,
    Evidence,
    LastLook,
    NewOrder,
    NoAnswerError,
    NotOfferedError,
    OrderRef,
    joined,
    nothing_holds,
)

CAPABILITIES: Final = Capabilities(
    name="bitmart spot",
    order_types=frozenset({OrderType.LIMIT, OrderType.MARKET}),
    times_in_force=frozenset({TimeInForce.GTC, TimeInForce.IOC}),
    post_only=True,
    market_buy_by_notional=True,
    triggers=True,
    closing_triggers=True,
    cancels_at_once=requests.BATCH_MAX,
    submit_validity=60.0,  # a stamp is good for a minute (PROTOCOL 9.22)
    visibility_delay=10.0,  # "not found means nothing for at least several seconds" (9.1)
    lag=40.0,  # no source says how far behind queries are at worst (9.1): half a minute is survived
    unfilled_memory=20 * 60.0,  # 9.7
    history_window=7 * 86_400.0,  # what lists show without being asked for more (9.47)
    history_reach=90 * 86_400.0,  # no source says how far they go; what futures do (6.6)
)

MS_PER_DAY: Final = 86_400_000
FEES_MAX: Final = 20  # pairs whose own fees are asked for, a call each at one a second


F = TypeVar("F")


class Endpoints(Struct, frozen=True):
    """Where BitMart spot is. `ws` ends before ``/user``; the composition root may point both elsewhere."""

    rest: str = "https://api-cloud.bitmart.com"
    ws: str = "wss://ws-manager-compress.bitmart.com"


class Options(Struct, frozen=True, kw_only=True):
    """What the owner of an account may choose.

    `submit_window_ms` None: orders go by `/spot/v2/submit_order`, whose refusals are certain and which the venue may
    execute up to a minute late. A number: each goes by `/spot/v4/batch_orders` as a batch of one, which the venue
    refuses once it is older than that; what a refused element looks like there is unverified, so that a refusal by
    the exchange leaves the order in doubt until it is looked up (`docs/decisions.md`).
    `fees_of` names the pairs whose own fees are asked for; the rest carries those of class A.
    `callers` is how many processes call from this address: each keeps to its part of what is counted by address.
    """

    self_trade: SelfTrade = SelfTrade.NONE
    submit_window_ms: int | None = None
    fees_of: tuple[Symbol, ...] = ()
    callers: int = 1


class BitmartSpot:
    """One BitMart account's spot market. Commands are sent once and never repeated; what proves nothing is
    NoAnswerError.
    """

    def __init__(
        self,
        credentials: Credentials,
        endpoints: Endpoints,
        *,
        link: Link,
        clock: Clock,
        ids: Ids,
        spawn: Spawn,
        options: Options | None = None,
    ) -> None:
        self._link = link
        self._options = options or Options()
        self._rest = Rest(
            credentials=credentials,
            url=endpoints.rest,
            rates=SPOT_RATES,
            link=link,
            clock=clock,
            spawn=spawn,
            callers=self._options.callers,
        )
        self._calls = Calls(self._rest)
        self._triggers = Triggers(self._calls)
        self._batches = Batches(
            self._calls,
            self_trade=self._options.self_trade,
            window_ms=self._options.submit_window_ms or requests.RECV_WINDOW_MS,
        )
        self._listen = partial(
            VenueStream,
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
        window_ms, lost = self._options.submit_window_ms, self._calls.lost
        validity = CAPABILITIES.submit_validity if window_ms is None else window_ms / 1000
        if window_ms is not None and "submit_many" in lost:
            lost |= {"submit"}  # each order goes as a batch of one
        return msgspec.structs.replace(CAPABILITIES, submit_validity=validity, lost=lost)

    @property
    def server_clock(self) -> ServerClock:
        """The venue's time, which no other host of BitMart's is known to say (PROTOCOL 1)."""
        return self._rest.server_clock

    @property
    def skew_ms(self) -> float:
        """How far the venue's clock was ahead of ours when last measured, in ms."""
        return self._rest.server_clock.skew_ms

    def now_ns(self) -> int | None:
        return self._rest.server_clock.now_ns()

    # -------------------------------------------------------------------------------------------- commands

    async def submit(self, order: NewOrder, *, last_look: LastLook = nothing_holds) -> Answer:
        if order.trigger is not None:
            evidence, reports = await self._triggers.submit(order, last_look)
        elif self._options.submit_window_ms is not None:
            evidence, reports = await self._batches.submit_one(order, last_look)
        else:
            body = requests.submit(order, self._options.self_trade)
            evidence, reports = await self._calls.command(codec.SUBMIT_ORDER, body, Purpose.OPENING, last_look)
        return Answer(reports=named(reports, order.client_order_id, None), evidence=evidence)

    async def submit_many(self, orders: Sequence[NewOrder]) -> Answer:
        """Send new orders once, ten of one symbol in a call: an Ack or a Refusal for each, in the order given; a
        Refusal of class UNKNOWN leaves its order in doubt. For plain orders; one with a trigger goes alone.
        """
        return await self._batches.submit_many(orders)

    async def cancel(self, order: OrderRef, *, last_look: LastLook = nothing_holds) -> Answer:
        if order.conditional:
            return await self._cancel_waiting(order, last_look)
        body = requests.cancel(order)
        evidence, reports = await self._calls.command(codec.CANCEL_ORDER, body, Purpose.CANCELING, last_look)
        return Answer(reports=named(reports, order.client_order_id, order.venue_order_id), evidence=evidence)

    async def _cancel_waiting(self, order: OrderRef, last_look: LastLook) -> Answer:
        """Cancel one that waits for its trigger; if it does not any more, what it has become, which has our id too."""
        fired = msgspec.structs.replace(order, conditional=False, venue_order_id=None)
        if order.venue_order_id is None:
            try:
                _, reports = await self._triggers.order(order)
            except NoAnswerError as error:  # of a question that had to come first: the cancel itself has not left
                again = error.again_seconds
                raise NoAnswerError(error.cause, error.evidence, sent=False, again_seconds=again) from error
            found = next((report for report in reports if isinstance(report, OrderReport)), None)
            if found is None or not waits(reports):
                return await self.cancel(fired, last_look=last_look)
            order = msgspec.structs.replace(order, venue_order_id=found.venue_order_id)
        evidence, reports = await self._triggers.cancel(order, last_look)
        if gone(reports):
            return await self.cancel(fired, last_look=last_look)
        return Answer(reports=named(reports, order.client_order_id, order.venue_order_id), evidence=evidence)

    async def cancel_many(self, orders: Sequence[OrderRef], *, last_look: LastLook = nothing_holds) -> Answer:
        """Ask for cancels once, ten of one symbol in a call: an Ack or a Refusal for each, in the order given."""
        return await self._batches.cancel_many(orders, last_look)

    async def cancel_all(self, symbol: Symbol | None = None, side: Side | None = None) -> Answer:
        """Ask for the cancel of everything, or of a symbol's or a side's orders: one Ack, since the venue names none of
        them. Which are gone is to be read. Once in three seconds; whether it reaches waiting orders is unverified.
        """
        return await self._batches.cancel_all(symbol, side)

    # -------------------------------------------------------------------------------------------- queries

    def recall(self, orders: Iterable[OrderRef]) -> None:
        """Know those that wait: one that has fired is shown under another id, which does not say where it came from.
        Of all others, orders and trades name our ids here.
        """
        self._triggers.recall(orders)

    async def order(self, order: OrderRef) -> Answer:
        if not order.conditional:
            return await self._order(order)
        evidence, reports = await self._triggers.order(order)
        answer = Answer(reports=reports, evidence=evidence, source=Provenance.POLL)
        if waits(reports):
            return answer
        # Or canceled, or never there: an order that has fired tells more, and under an id of its own.
        fired = await self._order(msgspec.structs.replace(order, venue_order_id=None))
        return answer if refused(fired.reports) else fired

    async def _order(self, order: OrderRef) -> Answer:
        try:
            answer = await self._look_up(
                codec.QUERY_CLIENT_ORDER, requests.query_client_order(order.client_order_id), order
            )
        except NoAnswerError:
            if order.venue_order_id is None:
                raise
        else:
            if order.venue_order_id is None or not isinstance(answer.reports[0], Refusal):
                return answer
        # The look-up by client id has been broken before (PROTOCOL 9.13), may be gone, and knows no foreign orders.
        return await self._look_up(codec.QUERY_ORDER, requests.query_order(order.venue_order_id), order)

    async def _look_up(self, path: str, body: bytes, order: OrderRef) -> Answer:
        evidence, reports = await self._calls.query(path, body, tolerated=(ORDER_NOT_FOUND,))
        (report,) = reports
        if isinstance(report, OrderReport) and not same(report, order):
            raise NoAnswerError(f"POST {path} answered with another order, {report.venue_order_id}", evidence)
        return Answer(reports=self._triggers.marked(reports), evidence=evidence, source=Provenance.POLL)

    async def order_trades(self, order: OrderRef) -> Answer:
        """One order's trades, and not all where another's show. Without the venue's id, it is looked up first."""
        venue_order_id = order.venue_order_id
        if venue_order_id is None:
            found = await self.order(order)
            (report,) = found.reports
            if not isinstance(report, OrderReport) or report.venue_order_id is None:
                return found
            venue_order_id = report.venue_order_id
        body = requests.query_order(venue_order_id)
        evidence, reports = await self._calls.query(codec.QUERY_ORDER_TRADES, body, tolerated=(ORDER_NOT_FOUND,))
        ours = tuple(report for report in reports if _may_be_of(order.symbol, venue_order_id, report))
        complete = whole(reports, requests.ROWS_MAX) and len(ours) == len(reports)
        return Answer(reports=ours, evidence=evidence, source=Provenance.POLL, complete=complete)

    async def open_orders(self, symbol: Symbol | None = None) -> Answer:
        """Every open order, those that wait for a trigger too; `unasked` where those could not be asked for."""
        resting = await self._calls.living(codec.QUERY_OPEN_ORDERS, symbol)
        if self._triggers.retired:
            return resting
        try:
            waiting = await self._triggers.waiting(symbol)
        except NoAnswerError as error:
            if self._triggers.retired:  # this very answer said so
                return resting
            return msgspec.structs.replace(resting, complete=False, unasked=error.cause)
        return Answer(
            reports=(*self._triggers.marked(resting.reports), *waiting.reports),
            evidence=joined([resting.evidence, waiting.evidence]),
            source=Provenance.POLL,
            complete=resting.complete and waiting.complete,
            proven=resting.proven,
        )

    async def trades(self, *, since_ms: int, until_ms: int) -> Answer:
        return await self._windowed(codec.QUERY_TRADES, since_ms, until_ms)

    async def order_history(self, symbol: Symbol, *, since_ms: int, until_ms: int) -> Answer:
        answer = await self._windowed(codec.QUERY_HISTORY_ORDERS, since_ms, until_ms, symbol)
        return msgspec.structs.replace(answer, reports=self._triggers.marked(answer.reports))

    async def _windowed(self, path: str, since_ms: int, until_ms: int, symbol: Symbol | None = None) -> Answer:
        return await bisected(
            lambda start_ms, end_ms: self._rest.signed(path, requests.query_list(start_ms, end_ms, symbol)),
            lambda evidence: self._calls.reading.listed(path, evidence, tolerated=(OUT_OF_RANGE,)),
            [(since_ms, until_ms)],
            rows_max=requests.ROWS_MAX,
            narrowest_refused=MS_PER_DAY,
        )

    async def balances(self) -> Answer:
        evidence = await self._rest.keyed(codec.WALLET)
        reports = self._calls.reading.listed(codec.WALLET, evidence)
        return Answer(reports=reports, evidence=evidence, source=Provenance.POLL, complete=readable(reports))

    async def instruments(self) -> tuple[Instrument, ...]:
        """The markets this account may see. Those of `Options.fees_of` carry their own fees; the rest carries the rates
        of class A, as asking for each pair takes a call at 1/s and nobody says which pair is in which class. Trades say
        what a fill really cost. Whoever knows the markets knows the venue's time, too, which what follows is dated by.
        """
        await self._rest.server_clock.known()
        catalogue = await self._rest.public(codec.SYMBOLS_DETAILS)
        markets = self._calls.reading.listed(codec.SYMBOLS_DETAILS, catalogue)
        usual = await self._usual_fees()
        own = {symbol: await self._own_fees(symbol) or usual for symbol in self._options.fees_of[:FEES_MAX]}
        return tuple(
            _instrument(market, *own.get(market.symbol, usual))
            for market in markets
            if isinstance(market, InstrumentReport)
        )

    async def fees(self, symbol: Symbol) -> tuple[Decimal, Decimal]:
        """Return what the account pays on one pair, as (maker, taker); of buys and sells the higher."""
        evidence = await self._rest.keyed(codec.TRADE_FEE, {"symbol": venue_symbol(symbol)})
        fees = self._paid(codec.TRADE_FEE, wire.TradeFee, evidence)
        return (
            max(_rate(fees.buy_maker_fee_rate, evidence), _rate(fees.sell_maker_fee_rate, evidence)),
            max(_rate(fees.buy_taker_fee_rate, evidence), _rate(fees.sell_taker_fee_rate, evidence)),
        )

    async def _own_fees(self, symbol: Symbol) -> tuple[Decimal, Decimal] | None:
        """Return what is paid on one pair, None where the venue is certain not to say, as of one that was delisted."""
        try:
            return await self.fees(symbol)
        except NoAnswerError as error:
            found = refusal(codec.answer(codec.TRADE_FEE, error.evidence.response, error.evidence.status))
            if found is None or found.klass is not RefusalClass.CERTAIN:
                raise
            return None

    async def _usual_fees(self) -> tuple[Decimal, Decimal]:
        evidence = await self._rest.keyed(codec.USER_FEE)
        fees = self._paid(codec.USER_FEE, wire.UserFee, evidence)
        return _rate(fees.maker_fee_rate_A, evidence), _rate(fees.taker_fee_rate_A, evidence)

    def _paid(self, path: str, kind: type[F], evidence: Evidence) -> F:
        self._calls.reading.listed(path, evidence)  # for what a refusal teaches
        fees = payload(kind, evidence.response, evidence.status)
        if isinstance(fees, Refusal):
            raise NoAnswerError(cause(evidence, fees), evidence)
        return fees

    # -------------------------------------------------------------------------------------------- not on spot

    async def positions(self) -> Answer:
        nothing = Evidence(channel="spot has no positions")
        return Answer(reports=(), evidence=nothing, source=Provenance.POLL)

    async def ledger(self, *, since_ms: int, until_ms: int) -> Answer:  # noqa: ARG002  # spot moves money by trades alone
        nothing = Evidence(channel="spot has no ledger")
        return Answer(reports=(), evidence=nothing, source=Provenance.POLL)

    async def amend(self, change: Amendment, *, last_look: LastLook = nothing_holds) -> Answer:  # noqa: ARG002
        raise NotOfferedError(f"{change.order.client_order_id}: spot orders cannot be changed")

    async def set_leverage(
        self,
        symbol: Symbol,
        leverage: Decimal,
        margin_mode: MarginMode,
        *,
        last_look: LastLook = nothing_holds,  # noqa: ARG002
    ) -> Answer:
        raise NotOfferedError(f"{symbol}: spot has no leverage ({leverage}, {margin_mode})")

    async def set_position_mode(self, mode: PositionMode, *, last_look: LastLook = nothing_holds) -> Answer:  # noqa: ARG002
        raise NotOfferedError(f"spot has no position mode ({mode})")

    async def dead_man(self, symbol: Symbol, seconds: int, *, last_look: LastLook = nothing_holds) -> Answer:  # noqa: ARG002
        raise NotOfferedError(f"{symbol}: spot has no dead-man switch ({seconds} s)")

    # -------------------------------------------------------------------------------------------- stream and end

    async def stream(self, symbols: Sequence[Symbol] = ()) -> AsyncGenerator[Answer, None]:
        """The private stream of orders and balances: of `symbols`, or of all there are."""
        heard = self._listen(of_symbols([venue_symbol(symbol) for symbol in symbols])).answers()
        async with aclosing(heard) as answers:
            async for answer in answers:
                yield msgspec.structs.replace(answer, reports=self._triggers.marked(answer.reports))

    async def close(self) -> None:
        await self._link.close()


def _may_be_of(symbol: Symbol, venue_order_id: VenueOrderId, report: Report) -> bool:
    """Whether a row may be of that order; a trade that names none is."""
    if not isinstance(report, TradeReport):
        return True
    return report.symbol == symbol and report.venue_order_id in (None, venue_order_id)


def _rate(value: object, evidence: Evidence) -> Decimal:
    try:
        return required(value, "fee")
    except ValueError as error:
        raise NoAnswerError(f"{evidence.channel}: {error}", evidence) from error


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
