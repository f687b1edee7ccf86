"""BitMart's USDT perpetuals as an `oms.venue.Venue`: one account's futures wallet, over the ports alone."""

from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing
from decimal import Decimal
from typing import Final

import msgspec
from msgspec import Struct

from adapters.bitmart.answers import Reading, Reports, bisected, named, readable, refused
from adapters.bitmart.limits import FUTURES_RATES, SPOT_RATES, Purpose
from adapters.bitmart.perp import codec, queries, requests, rewaits
from adapters.bitmart.perp.capabilities import CAPABILITIES, CAPABILITY_OF
from adapters.bitmart.perp.dialect import PERP
from adapters.bitmart.perp.endings import Endings, ended
from adapters.bitmart.perp.leverage import leverage_of
from adapters.bitmart.perp.mode import AccountMode
from adapters.bitmart.perp.names import Kind, Name, Names
from adapters.bitmart.perp.orders import Orders
from adapters.bitmart.perp.terms import Fees, Terms
from adapters.bitmart.refusals import ORDER_CLOSED, ORDER_NOT_FOUND
from adapters.bitmart.rest import Rest, ServerClock
from adapters.bitmart.sign import Credentials
from adapters.bitmart.stream import VenueStream
from oms.errors import CommandRefusedError, InvalidOrderError
from oms.instrument import Bracket, Instrument
from oms.ports import Clock, Ids, Link, Spawn
from oms.reports import (
    Ack,
    Control,
    InstrumentReport,
    LeverageReport,
    Refusal,
    RefusalClass,
)
from oms.values import (
    ClientOrderId,
    Currency,
    MarginMode,
    PositionMode,
    Provenance,
    Symbol,
    Wallet,
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

QUOTE: Final = Currency("USDT")
LEDGER_SPAN_MS: Final = queries.SPAN_MAX_S * 1000


class Endpoints(Struct, frozen=True):
    """Where BitMart futures is. `ws` ends before ``/user``; `time` is the spot host, which alone is known to say the
    time (PROTOCOL 1).
    """

    rest: str = "https://api-cloud-v2.bitmart.com"
    ws: str = "wss://openapi-ws-v2.bitmart.com"
    time: str = "https://api-cloud.bitmart.com"


class BitmartPerp:
    """One BitMart account's linear perpetuals. Commands are sent once and never repeated; what proves nothing is
    NoAnswerError. An order that the venue has no words for is refused here, and nothing leaves.
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
        server_clock: ServerClock | None = None,
        fees_of: Sequence[Symbol] = (),
        callers: int = 1,
    ) -> None:
        """`fees_of` names the contracts whose own fees are asked for; the rest carries those of one of them. `callers`
        as in `spot.Options`.
        """
        self._link = link
        time = (
            server_clock
            or Rest(
                credentials=credentials, url=endpoints.time, rates=SPOT_RATES, link=link, clock=clock, spawn=spawn
            ).server_clock
        )
        self._rest = Rest(
            credentials=credentials,
            url=endpoints.rest,
            rates=FUTURES_RATES,
            link=link,
            clock=clock,
            spawn=spawn,
            server_clock=time,
            callers=callers,
        )
        self._mode = AccountMode(self._rest, clock)
        self._reading = Reading(self._rest, self._read, CAPABILITY_OF)
        self._names = Names()
        self._orders = Orders(self._rest, self._reading, self._names, Endings(self._rest))
        self._terms = Terms(self._rest, fees_of)
        self._stream = VenueStream(
            # What is pushed may leave the position mode out, as what is asked for may.
            msgspec.structs.replace(PERP, read=lambda data: codec.frame(data, mode=self._mode.last)),
            credentials=credentials,
            url=endpoints.ws.rstrip("/") + "/user?protocol=1.1",
            link=link,
            clock=clock,
            server_clock=time,
            ids=ids,
            spawn=spawn,
        )

    @property
    def name(self) -> str:
        return CAPABILITIES.name

    @property
    def skew_ms(self) -> float:
        return self._rest.server_clock.skew_ms

    def now_ns(self) -> int | None:
        return self._rest.server_clock.now_ns()

    def capabilities(self, symbol: Symbol) -> Capabilities:  # noqa: ARG002  # every perpetual can do the same
        return msgspec.structs.replace(CAPABILITIES, lost=self._reading.lost)

    def _read(self, path: str, body: bytes, status: int | None) -> Reports:
        return codec.answer(path, body, status, mode=self._mode.last)

    # -------------------------------------------------------------------------------------------- commands

    async def submit(self, order: NewOrder, *, last_look: LastLook = nothing_holds) -> Answer:
        try:
            mode = await self._mode.known()
            path, body, kind = await self._built(order, mode)
        except requests.WrongModeError as error:
            self._mode.doubt()
            return _refused_here(codec.SUBMIT_ORDER, order.client_order_id, "position_mode", str(error))
        except CommandRefusedError as error:
            return _refused_here(codec.SUBMIT_ORDER, order.client_order_id, "invalid_order", str(error))
        except NoAnswerError as error:  # of a question that had to come first: the order itself has not left
            again = error.again_seconds
            raise NoAnswerError(error.cause, error.evidence, sent=False, again_seconds=again) from error
        evidence = await self._rest.signed(path, body, Purpose.OPENING, last_look)
        reports = named(self._reading.settled(path, evidence), order.client_order_id, None)
        for report in reports:
            if isinstance(report, Ack) and report.venue_order_id is not None:
                self._names.answered(order.symbol, report.venue_order_id, Name(order.client_order_id, kind))
        if refused(reports):
            self._mode.doubt()  # whatever the reason given: in the other mode the same order is another (PROTOCOL 9.17)
        return Answer(reports=reports, evidence=evidence)

    async def _built(self, order: NewOrder, mode: PositionMode) -> tuple[str, bytes, Kind]:
        trigger = order.trigger
        if trigger is None:
            return codec.SUBMIT_ORDER, requests.submit(order, mode), Kind.ORDER
        if trigger.callback_rate is None and requests.closes_on_trigger(order, mode):
            return codec.SUBMIT_TP_SL_ORDER, requests.submit_tp_sl(order, trigger, mode), Kind.PLAN
        if order.leverage is None or order.margin_mode is None:
            order = await self._backed(order)
        if trigger.callback_rate is not None:
            return codec.SUBMIT_TRAIL_ORDER, requests.submit_trail(order, trigger, mode), Kind.TRAILING
        return codec.SUBMIT_PLAN_ORDER, requests.submit_plan(order, trigger, mode), Kind.PLAN

    async def _backed(self, order: NewOrder) -> NewOrder:
        """Return an order with what is set for its symbol, where it does not say by what it is to be backed."""
        shown, _ = await self._leverage(order.symbol)
        if shown is None:
            return order
        return msgspec.structs.replace(
            order,
            leverage=order.leverage if order.leverage is not None else shown.leverage,
            margin_mode=order.margin_mode or shown.margin_mode,
        )

    async def cancel(self, order: OrderRef, *, last_look: LastLook = nothing_holds) -> Answer:
        kind = self._orders.kind(order)
        known = self._names.get(order.symbol, order.venue_order_id)
        if known is not None and known.child is not None:  # it has fired: only what it sent can be canceled
            sent = msgspec.structs.replace(order, venue_order_id=known.child)
            return await self._canceled(codec.CANCEL_ORDER, requests.cancel(sent), order, last_look)
        match kind:
            case Kind.ORDER:
                return await self._canceled(codec.CANCEL_ORDER, requests.cancel(order), order, last_look)
            case Kind.TRAILING:
                return await self._canceled(codec.CANCEL_TRAIL_ORDER, requests.cancel_trail(order), order, last_look)
            case Kind.PLAN:
                answer = await self._canceled(codec.CANCEL_PLAN_ORDER, requests.cancel(order), order, last_look)
                (report,) = answer.reports
                gone = isinstance(report, Refusal) and report.reason in (ORDER_NOT_FOUND, ORDER_CLOSED)
                if gone and known is None and order.venue_order_id is not None:  # a trailing one, for all we know
                    return await self._canceled(
                        codec.CANCEL_TRAIL_ORDER, requests.cancel_trail(order), order, last_look
                    )
                return answer

    async def _canceled(self, path: str, body: bytes, order: OrderRef, last_look: LastLook) -> Answer:
        evidence = await self._rest.signed(path, body, Purpose.CANCELING, last_look)
        reports = self._reading.settled(path, evidence)
        if path != codec.CANCEL_ORDER and not refused(reports):
            self._names.canceled(order)
        return Answer(reports=named(reports, order.client_order_id, order.venue_order_id), evidence=evidence)

    async def cancel_many(self, orders: Sequence[OrderRef], *, last_look: LastLook = nothing_holds) -> Answer:  # noqa: ARG002
        raise NotOfferedError(f"BitMart futures cancels one order in a call: {len(orders)}")

    async def amend(self, change: Amendment, *, last_look: LastLook = nothing_holds) -> Answer:
        """Change a working order. Whether the venue takes `size` for the order's total or for what is left, and whether
        the order keeps its id and its place, is UNVERIFIED (PROTOCOL 13.7): the total is sent, the returned id counts.
        """
        order, path, kind = change.order, codec.MODIFY_LIMIT_ORDER, self._orders.kind(change.order)
        try:
            if change.take_profit is not None or change.stop_loss is not None:
                path, body = codec.MODIFY_PRESET_PLAN_ORDER, rewaits.modify_presets(change)
            elif kind is Kind.ORDER:
                body = requests.modify(change)
            else:
                path, body = await self._rewaited(change, kind)
        except CommandRefusedError as error:
            return _refused_here(path, order.client_order_id, "invalid_order", str(error))
        except NoAnswerError as error:  # of a question that had to come first: the change itself has not left
            raise NoAnswerError(error.cause, error.evidence, sent=False) from error
        evidence = await self._rest.signed(path, body, Purpose.CHANGING, last_look)
        reports = self._reading.settled(path, evidence)
        reports = named(reports, order.client_order_id, order.venue_order_id)
        for report in reports:
            if isinstance(report, Ack) and report.venue_order_id is not None:
                self._names.answered(order.symbol, report.venue_order_id, Name(order.client_order_id, kind))
        return Answer(reports=reports, evidence=evidence)

    async def _rewaited(self, change: Amendment, kind: Kind) -> tuple[str, bytes]:
        """Return the call that changes an order that waits; the venue takes all of what it waits for (PROTOCOL 6.5)."""
        wanted = change.waiting
        if wanted is None or wanted.trigger is None:
            raise InvalidOrderError(f"{change.order.client_order_id}: what it is to wait for is not said")
        if kind is Kind.TRAILING or wanted.trigger.callback_rate is not None:
            raise InvalidOrderError(f"{change.order.client_order_id}: the venue cannot change a trailing order")
        if requests.closes_on_trigger(wanted, await self._mode.known()):
            return codec.MODIFY_TP_SL_ORDER, rewaits.modify_tp_sl(change.order, wanted, wanted.trigger)
        return codec.MODIFY_PLAN_ORDER, rewaits.modify_plan(change.order, wanted, wanted.trigger)

    async def dead_man(self, symbol: Symbol, seconds: int, *, last_look: LastLook = nothing_holds) -> Answer:
        """Arm the switch of one symbol. Whether it covers orders that wait for a price is UNVERIFIED (PROTOCOL 6.4)."""
        body = requests.cancel_all_after(symbol, seconds)
        evidence = await self._rest.signed(codec.CANCEL_ALL_AFTER, body, Purpose.CANCELING, last_look)
        return Answer(reports=self._reading.settled(codec.CANCEL_ALL_AFTER, evidence), evidence=evidence)

    # -------------------------------------------------------------------------------------------- settings

    async def set_leverage(
        self, symbol: Symbol, leverage: Decimal, margin_mode: MarginMode, *, last_look: LastLook = nothing_holds
    ) -> Answer:
        try:
            body = requests.submit_leverage(symbol, leverage, margin_mode)
        except CommandRefusedError as error:
            return _refused_here(codec.SUBMIT_LEVERAGE, None, "leverage", str(error))
        evidence = await self._rest.signed(codec.SUBMIT_LEVERAGE, body, Purpose.CHANGING, last_look)
        reports = self._reading.settled(codec.SUBMIT_LEVERAGE, evidence)
        if refused(reports):
            return Answer(reports=reports, evidence=evidence)
        shown, read = await self._leverage(symbol)
        said = next((report for report in reports if isinstance(report, LeverageReport)), None)
        report = shown or said  # a flat position may show no leverage; then the venue's answer is all it says
        if report is None:
            raise NoAnswerError(f"{symbol}: no leverage could be read back", joined([evidence, read]))
        return Answer(reports=(report,), evidence=joined([evidence, read]), source=Provenance.POLL)

    async def _leverage(self, symbol: Symbol) -> tuple[LeverageReport | None, Evidence]:
        """Return what the positions of a symbol show to be set; None if they show nothing."""
        evidence = await self._rest.keyed(codec.POSITION_V2, {"symbol": requests.linear(symbol)})
        return leverage_of(symbol, self._reading.listed(codec.POSITION_V2, evidence)), evidence

    async def set_position_mode(self, mode: PositionMode, *, last_look: LastLook = nothing_holds) -> Answer:
        """Switch the account, and believe the venue only when it is read back (PROTOCOL 9.17)."""
        self._mode.forget()
        try:
            evidence = await self._rest.signed(
                codec.SET_POSITION_MODE, requests.set_position_mode(mode), Purpose.CHANGING, last_look
            )
            reports = self._reading.settled(codec.SET_POSITION_MODE, evidence)
        except NoAnswerError:  # what is read back may settle it: the wanted mode is there, whoever brought it about
            report, read = await self._mode.read()
            if report.mode is not mode:
                raise
            return Answer(reports=(report,), evidence=read, source=Provenance.POLL)
        if refused(reports):
            return Answer(reports=reports, evidence=evidence)
        report, read = await self._mode.read()
        return Answer(reports=(report,), evidence=joined([evidence, read]), source=Provenance.POLL)

    # -------------------------------------------------------------------------------------------- queries

    def recall(self, orders: Iterable[OrderRef]) -> None:
        """Know them by the venue's ids: its trades name no other."""
        self._names.recall(orders)

    async def order(self, order: OrderRef) -> Answer:
        """Look one order up. Without the venue's id its absence is proven where it would have left a trace: open
        orders, history, trades; what of these could not be asked is named by the NoAnswerError.
        """
        return await self._orders.find(order)

    async def open_orders(self, symbol: Symbol | None = None) -> Answer:
        return await self._orders.open_orders(symbol)

    async def trades(self, *, since_ms: int, until_ms: int) -> Answer:
        return await self._orders.trades(since_ms, until_ms)

    async def order_trades(self, order: OrderRef) -> Answer:
        return await self._orders.order_trades(order)

    async def order_history(self, symbol: Symbol, *, since_ms: int, until_ms: int) -> Answer:
        return await self._orders.history(symbol, since_ms, until_ms)

    async def balances(self) -> Answer:
        evidence = await self._rest.keyed(codec.ASSETS)
        reports = self._reading.listed(codec.ASSETS, evidence)
        return Answer(reports=reports, evidence=evidence, source=Provenance.POLL, complete=readable(reports))

    async def positions(self) -> Answer:
        mode, asked = await self._mode.read()
        evidence = await self._rest.keyed(codec.POSITION_V2)
        reports = self._reading.listed(codec.POSITION_V2, evidence)
        return Answer(
            reports=(mode, *reports),
            evidence=joined([asked, evidence]),
            source=Provenance.POLL,
            complete=readable(reports),
        )

    async def ledger(self, *, since_ms: int, until_ms: int) -> Answer:
        """Everything that moved money in the window, what trades moved among it: the only source of funding."""
        return await bisected(
            lambda start, end: self._rest.keyed(codec.TRANSACTIONS, queries.query_ledger(start, end)),
            lambda evidence: self._reading.listed(codec.TRANSACTIONS, evidence),
            queries.spans(since_ms, until_ms, LEDGER_SPAN_MS),
            rows_max=queries.PAGE_MAX,
            narrowest_refused=1,
        )

    async def instruments(self) -> tuple[Instrument, ...]:
        """The linear perpetuals quoted in USDT; the catalogue holds coin-margined, dated and USDC ones too, and
        contracts that are listed as trading past the moment they were taken off (PROTOCOL 6.0, 9.42, 9.48).

        Those that are named by `fees_of` carry their own fees, all others the account's of one contract: each
        contract's own would take a call each at 1/s. Trades say what a fill really cost. Whoever knows the markets
        knows the venue's time, too.
        """
        await self._rest.server_clock.known()
        evidence = await self._rest.public(codec.DETAILS)
        markets = [
            report
            for report in self._reading.listed(codec.DETAILS, evidence)
            if isinstance(report, InstrumentReport) and not report.inverse and report.settle == report.quote == QUOTE
        ]
        gone = ended(evidence, self._rest.server_clock.now_ms())
        found = [
            msgspec.structs.replace(market, tradable=market.tradable and market.venue_symbol not in gone)
            for market in markets
        ]
        first = next((market for market in found if market.tradable), None)
        usual, own = await self._terms.fees(None if first is None else first.venue_symbol)
        tiers = await self._terms.brackets()
        return tuple(
            _instrument(market, own.get(market.venue_symbol, usual), tiers.get(market.venue_symbol, ()))
            for market in found
        )

    async def funding(self, symbol: Symbol) -> Answer:
        """The rate that was settled last, and the one to come. `oms.venue` has no such question."""
        return await self._rates(codec.FUNDING_RATE, {"symbol": requests.linear(symbol)})

    async def funding_history(self, symbol: Symbol, limit: int = queries.RATES_MAX) -> Answer:
        """The rates that were settled, the newest ones: a hundred at most, as the venue shows no older ones."""
        return await self._rates(codec.FUNDING_RATE_HISTORY, {"symbol": requests.linear(symbol), "limit": str(limit)})

    async def _rates(self, path: str, query: queries.Query) -> Answer:
        evidence = await self._rest.public(path, query)
        reports = self._reading.listed(path, evidence)
        return Answer(reports=reports, evidence=evidence, source=Provenance.POLL, complete=readable(reports))

    # -------------------------------------------------------------------------------------------- stream and end

    async def stream(self) -> AsyncGenerator[Answer, None]:
        """The private stream, with our names on what orders of ours have sent. Where a push leaves something to be
        asked, a gap is told, so that whoever listens asks.
        """
        async with aclosing(self._stream.answers()) as answers:
            async for answer in answers:
                try:
                    reports, unclear = await self._orders.pushed(answer.reports)
                except NoAnswerError as error:
                    reports, unclear = (), error.cause
                gap = (Control(event="disconnected", text=unclear), Control(event="connected")) if unclear else ()
                yield msgspec.structs.replace(answer, reports=(*reports, *gap))

    async def close(self) -> None:
        await self._link.close()


def _refused_here(path: str, client_order_id: ClientOrderId | None, reason: str, text: str) -> Answer:
    """Return the refusal of what was never sent: the venue has no words for it."""
    refusal = Refusal(klass=RefusalClass.CERTAIN, reason=reason, text=text, client_order_id=client_order_id)
    return Answer(reports=(refusal,), evidence=Evidence(channel=f"POST {path}, not sent"))


def _instrument(market: InstrumentReport, fees: Fees, brackets: tuple[Bracket, ...]) -> Instrument:
    return Instrument(
        symbol=market.symbol,
        venue_symbol=market.venue_symbol,
        base=market.base,
        quote=market.quote,
        settle=market.settle,
        wallet=Wallet.FUTURES,
        contract_size=market.contract_size or Decimal(1),
        price_step=market.price_step,
        quantity_step=market.quantity_step,
        quantity_min=market.quantity_min,
        quantity_max=market.quantity_max,
        notional_min=market.notional_min,
        leverage_max=market.leverage_max,
        maker_fee=fees[0],
        taker_fee=fees[1],
        brackets=brackets,
        tradable=market.tradable,
    )
