"""Commands as strategies give them, over HTTP or a stream alike. Whoever calls has checked the scope."""

import asyncio
import math
from collections.abc import Awaitable, Callable, Sequence
from decimal import Decimal
from typing import Final

from oms.account.modes import SetPositionMode
from oms.account.state import Account, HaltTrading, ResumeTrading
from oms.answers import Receipt
from oms.book import CANCEL_ALL, order_stream, position_stream
from oms.engine import Engine
from oms.errors import OmsError
from oms.gateway.allowance import Pace, check_worth, worth_of
from oms.gateway.auth import Accounts, Caller, unknown_order
from oms.gateway.bodies import (
    BATCH_MAX,
    AmendBody,
    BatchBody,
    CancelAllBody,
    CancelBody,
    ClaimBody,
    ClaimShareBody,
    HaltBody,
    LeverageBody,
    PlaceBody,
    PositionModeBody,
    amend_order,
    checked_text,
    place_order,
)
from oms.gateway.metrics import Metrics
from oms.gateway.problems import ForbiddenError, InvalidBodyError, Problem, UnsupportedError, denial, problem_of
from oms.gateway.replies import HaltItem, Halts, Item, Items, Reply
from oms.gateway.views import (
    HaltView,
    LeverageView,
    OrderAnswer,
    PositionModeView,
    ShareView,
    order_answer,
    order_view,
)
from oms.instrument import unknown_market
from oms.order.messages import CancelOrder, ClaimOrder, PlaceOrder
from oms.order.state import Life, Order, fold
from oms.ports import Clock, EventLog, Ids
from oms.position.claims import ClaimShare
from oms.position.settings import SetLeverage
from oms.position.state import Position
from oms.store.codec import decode, decode_meta
from oms.values import AccountId, ClientOrderId, StrategyId, Symbol

OK: Final = 200
ACCEPTED: Final = 202
DENIED: Final = 422


class Commands:
    """Everything a strategy can ask to happen."""

    def __init__(self, accounts: Accounts, *, log: EventLog, ids: Ids, metrics: Metrics, clock: Clock) -> None:
        self._accounts = accounts
        self._log = log
        self._ids = ids
        self._metrics = metrics
        self._pace = Pace(clock)

    async def place(self, caller: Caller, body: PlaceBody) -> Reply:
        """Place an order. The same id with the same body again is answered as the first time.

        Raises:
            OmsError: it was not taken, or (`outcome` ``unknown``) nobody knows.
        """
        return await self._reply("place", await self._placed(caller, body))

    async def place_all(self, caller: Caller, body: BatchBody) -> Reply:
        """Place several orders, each with an outcome of its own, in one commit where they fit.

        Raises:
            InvalidBodyError: there are none, or too many.
        """
        if not 1 <= len(body.orders) <= BATCH_MAX:
            raise InvalidBodyError(f"a batch takes 1 to {BATCH_MAX} orders, not {len(body.orders)}")
        # Each goes as far as the open batch before the next one starts, so they share a commit all the same.
        items = await asyncio.gather(
            *(self._item(each.client_order_id, self._placed(caller, each), command="place") for each in body.orders)
        )
        return self._several(items)

    async def _placed(self, caller: Caller, body: PlaceBody) -> Receipt:
        engine, command = self._placing(caller, body)
        try:
            worth = worth_of(command, engine.decider.bid(command.symbol))
            check_worth(worth, caller.limits, engine.decider.instruments.get(command.symbol))
            self._pace.take(caller.token_id, caller.limits)
        except OmsError:
            placed = await engine.find(order_stream(engine.account, command.client_order_id))
            if placed is None or not caller.owns(placed):  # a repeat hears what the first one heard
                raise
        return await engine.execute(command, actor=caller.strategy, cause=self._ids.next())

    async def cancel(
        self, caller: Caller, account: str | None, client_order_id: str, *, key: str, body: CancelBody
    ) -> Reply:
        """Ask for an order's end. The same `key` again is the same request.

        Raises:
            UnknownOrderError: there is no such order, or it is another strategy's.
            OmsError: as `Engine.execute`.
        """
        engine = self._accounts.one(caller, account)
        command = CancelOrder(
            account=engine.account,
            client_order_id=ClientOrderId(client_order_id),
            request_id=key,
            reason=None if body.reason is None else checked_text(body.reason, "reason"),
        )
        await _found(engine, command.client_order_id, caller.owns)
        return await self._reply("cancel", await engine.execute(command, actor=caller.strategy, cause=key), key)

    async def amend(
        self, caller: Caller, account: str | None, client_order_id: str, *, key: str, body: AmendBody
    ) -> Reply:
        """Ask for another price or quantity. The same `key` again is the same request.

        Raises:
            UnknownOrderError: there is no such order, or it is another strategy's.
            UnsupportedError: its venue cannot change an order.
            OmsError: as `Engine.execute`.
        """
        engine = self._accounts.one(caller, account)
        command = amend_order(body, engine.account, client_order_id, key)
        order = await _found(engine, command.client_order_id, caller.owns)
        if key not in order.amends_known:  # a repeat hears what the first one heard, whatever holds today
            symbol = order.request.symbol
            can = engine.decider.capabilities(symbol)
            if not can.amend:
                raise UnsupportedError(f"order {client_order_id!r} cannot be amended: {can.name} has no amend")
            worth = worth_of(command, engine.decider.bid(symbol), order)
            check_worth(worth, caller.limits, engine.decider.instruments.get(symbol))
            self._pace.take(caller.token_id, caller.limits)
        return await self._reply("amend", await engine.execute(command, actor=caller.strategy, cause=key), key)

    async def claim(self, caller: Caller, account: str | None, client_order_id: str, *, body: ClaimBody) -> Reply:
        """Give an order of nobody's to a strategy.

        Raises:
            UnknownOrderError: there is no such order, or its market is not the token's.
            OmsError: as `Engine.execute`.
        """
        engine = self._accounts.one(caller, account)
        command = ClaimOrder(
            account=engine.account,
            client_order_id=ClientOrderId(client_order_id),
            strategy=StrategyId(checked_text(body.strategy, "strategy")),
            reason=checked_text(body.reason, "reason"),
        )
        await _found(engine, command.client_order_id, lambda order: caller.trades(order.request.symbol))
        receipt = await engine.execute(command, actor=caller.strategy, cause=self._ids.next())
        assert isinstance(receipt.state, Order)
        return Reply(OK, receipt.position, order_answer(receipt.state, receipt.position))

    async def claim_share(self, caller: Caller, body: ClaimShareBody, *, key: str) -> Reply:
        """Give a strategy a share of a leg that is nobody's. The same `key` again is the same request.

        Raises:
            OmsError: as `Engine.execute`.
        """
        engine, symbol = self._accounts.one(caller, body.account), Symbol(body.symbol)
        if not caller.trades(symbol):
            raise unknown_market(symbol, engine.account)
        command = ClaimShare(
            account=engine.account,
            symbol=symbol,
            position_leg=body.position_leg,
            request_id=key,
            strategy=StrategyId(checked_text(body.strategy, "strategy")),
            reason=checked_text(body.reason, "reason"),
            quantity=None if body.quantity is None else Decimal(body.quantity),
            price=None if body.price is None else Decimal(body.price),
        )
        asked = engine.offer(command, actor=caller.strategy, cause=key)
        # As it was decided: by the time it is durable, memory may hold more than the log.
        nobodys = engine.book.nobodys(position_stream(engine.account, symbol, body.position_leg))
        receipt = await asked
        shown = ShareView(
            position=receipt.position,
            account=engine.account,
            symbol=symbol,
            leg=body.position_leg,
            strategy=command.strategy,
            nobodys=nobodys,
        )
        return Reply(OK, receipt.position, shown)

    async def cancel_all(self, caller: Caller, body: CancelAllBody, *, key: str | None) -> Reply:
        """Ask for the end of every open order in scope: a strategy's own, for an administrator everybody's. The same
        `key` of the same token again is the same request: it ends nothing that was placed after it.

        Raises:
            ForbiddenError: another strategy, or a market that is not the token's, is named.
            UnknownAccountError: the account that is named does not run here, or none of the token's.
            LogUnavailableError: nobody can say now what was placed after the first request.
        """
        strategy, symbols = caller.named_strategy(body.strategy), caller.named_symbols(body.symbol)
        reason = None if body.reason is None else checked_text(body.reason, "reason")
        request_id = f"{CANCEL_ALL}{caller.token_id} {key or self._ids.next()}"  # others may use the same key
        asked: list[tuple[Engine, Order]] = []
        others: list[tuple[Engine, Order]] = []
        for engine in self._accounts.meant(caller, body.account):
            for stream, order in engine.book.orders.items():
                request = order.request
                if strategy not in {None, request.strategy} or (symbols and request.symbol not in symbols):
                    continue
                if request_id in order.cancels_known:
                    asked.append((engine, order))
                elif stream in engine.book.open:
                    others.append((engine, order))
        items = await self._cancel_each(caller, asked, request_id, reason)
        if asked:
            others = await self._there_before(others, [order for _, order in asked], request_id)
        return self._several([*items, *await self._cancel_each(caller, others, request_id, reason)])

    async def _cancel_each(
        self, caller: Caller, orders: Sequence[tuple[Engine, Order]], request_id: str, reason: str | None
    ) -> Sequence[Item]:
        """Ask for the end of all of them at once, so that they share commits; return what became of each."""
        offers: list[asyncio.Future[Receipt] | OmsError] = []
        for engine, order in orders:
            command = CancelOrder(
                account=engine.account,
                client_order_id=order.request.client_order_id,
                request_id=request_id,
                reason=reason,
            )
            try:
                offers.append(engine.offer(command, actor=caller.strategy, cause=request_id))
            except OmsError as error:
                offers.append(error)
        return [
            await self._item(order.request.client_order_id, offer, command="cancel", key=request_id)
            for (_, order), offer in zip(orders, offers, strict=True)
        ]

    async def _there_before(
        self, orders: Sequence[tuple[Engine, Order]], asked: Sequence[Order], cause: str
    ) -> list[tuple[Engine, Order]]:
        """Return those that were placed before `cause` was first asked for, as the log has it of `asked`: the process
        may have ended before it came to them.
        """
        histories = [await self._log.read(_stream(order)) for order in asked]
        positions = [each.position for told in histories for each in told if decode_meta(each.state).cause == cause]
        began = min(positions, default=math.inf)
        firsts = [(await self._log.read(_stream(order)))[:1] for _, order in orders]
        return [
            each for each, first in zip(orders, firsts, strict=True) if any(event.position < began for event in first)
        ]

    async def halt(self, caller: Caller, body: HaltBody) -> Reply:
        """Stop everything that opens in the scope, on every account the token sees if none is named; cancels pass.

        Raises:
            ForbiddenError: a market that is not the token's is named, or none by a token that is for some only.
            UnknownSymbolError: no such account has the market that is named, which would trade on under another name.
        """
        reason, halt_id = checked_text(body.reason, "reason"), self._ids.next()
        strategy, symbol = _scope(caller, body)
        if symbol is not None:
            self._accounts.need_market(caller, body.account, symbol)
        return await self._each(
            caller,
            body.account,
            lambda account: HaltTrading(
                account=account, reason=reason, halt_id=halt_id, strategy=strategy, symbol=symbol
            ),
        )

    async def resume(self, caller: Caller, body: HaltBody) -> Reply:
        """End the halt of that very scope, on every account the token sees if none is named; `note` says where there
        was none. Raises ForbiddenError as `halt`.
        """
        reason = checked_text(body.reason, "reason")
        strategy, symbol = _scope(caller, body)
        return await self._each(
            caller,
            body.account,
            lambda account: ResumeTrading(account=account, reason=reason, strategy=strategy, symbol=symbol),
            idle="nothing was halted in that scope",
        )

    async def set_leverage(self, caller: Caller, body: LeverageBody, *, key: str) -> Reply:
        """Ask for another leverage of a market; answered once the request is durable.

        Raises:
            ForbiddenError: the token is not for that market.
            OmsError: as `Engine.execute`.
        """
        caller.need_symbol(body.symbol)
        engine = self._accounts.one(caller, body.account)
        command = SetLeverage(
            account=engine.account,
            symbol=Symbol(body.symbol),
            request_id=key,
            leverage=Decimal(body.leverage),
            margin_mode=body.margin_mode,
        )
        receipt = await engine.execute(command, actor=caller.strategy, cause=key)
        leg = receipt.state
        assert isinstance(leg, Position)
        shown = LeverageView(
            position=receipt.position,
            account=engine.account,
            symbol=body.symbol,
            leverage=leg.leverage,
            margin_mode=leg.margin_mode,
        )
        return Reply(ACCEPTED, receipt.position, shown)

    async def set_position_mode(self, caller: Caller, body: PositionModeBody, *, key: str) -> Reply:
        """Ask for another position mode; refused while anything is open on perpetuals.

        Raises:
            ForbiddenError: the token is for some markets only.
            OmsError: as `Engine.execute`.
        """
        caller.need_all_symbols()
        engine = self._accounts.one(caller, body.account)
        command = SetPositionMode(account=engine.account, mode=body.mode)
        receipt = await engine.execute(command, actor=caller.strategy, cause=key)
        account = receipt.state
        assert isinstance(account, Account)
        shown = PositionModeView(
            position=receipt.position,
            account=engine.account,
            mode=account.position_mode,
            requested=account.mode_requested,
        )
        return Reply(ACCEPTED, receipt.position, shown)

    # ------------------------------------------------------------------------------------------------ inside

    def _placing(self, caller: Caller, body: PlaceBody) -> tuple[Engine, PlaceOrder]:
        """Return the engine and the command of an order in one of the token's markets."""
        if body.strategy not in {None, caller.strategy}:
            raise ForbiddenError(f"the token is bound to the strategy {caller.strategy}")
        caller.need_symbol(body.symbol)
        engine = self._accounts.one(caller, body.account)
        return engine, place_order(body, engine.account, caller.strategy)

    async def _each(
        self,
        caller: Caller,
        account: str | None,
        command: Callable[[AccountId], HaltTrading | ResumeTrading],
        *,
        idle: str | None = None,
    ) -> Reply:
        """Give the command to each account, at once, so that none trades on while another one's log is slow; `idle` is
        what is noted where it changes nothing.
        """
        cause = self._ids.next()
        engines = self._accounts.meant(caller, account)
        offers: list[asyncio.Future[Receipt] | OmsError] = []
        for engine in engines:
            try:
                offers.append(engine.offer(command(engine.account), actor=caller.strategy, cause=cause))
            except OmsError as error:
                offers.append(error)
        items = [await _halted(engine, offer, idle) for engine, offer in zip(engines, offers, strict=True)]
        position = self._accounts.position
        return Reply(OK, position, Halts(position=position, items=items))

    async def _reply(self, command: str, receipt: Receipt, key: str | None = None) -> Reply:
        """Return what is answered about an order: what became of it, or which limit denied it. A repeat is told what
        was told the first time.
        """
        order, position = receipt.state, receipt.position
        assert isinstance(order, Order)
        if not receipt.events:
            order, position = await self._first(order, position, key)
        if order.life is Life.DENIED:
            self._metrics.commands.labels(command, "denied").inc()
            return Reply(DENIED, position, denial(order_view(order), position))
        self._metrics.commands.labels(command, "accepted").inc()
        return Reply(ACCEPTED, position, order_answer(order, position))

    async def _first(self, order: Order, position: int, key: str | None) -> tuple[Order, int]:
        """Return the order, and the position, that a request was answered with when it came first: `key` names a
        cancel or a change, None the order's placing. As they are now, where nothing came of it then either.
        """
        history = await self._log.read(_stream(order))
        causes = [decode_meta(event.state).cause for event in history]
        cause = causes[0] if key is None else key
        if cause not in causes:
            return order, position
        upto = len(causes) - causes[::-1].index(cause)
        first = fold(decode(event.topic, event.state) for event in history[:upto])  # type: ignore[misc]  # an order's stream
        assert first is not None
        return first, history[upto - 1].position

    async def _item(
        self, name: str, offer: Awaitable[Receipt] | OmsError, command: str, key: str | None = None
    ) -> Item:
        try:
            if isinstance(offer, OmsError):
                raise offer
            reply = await self._reply(command, await offer, key)
        except OmsError as error:
            self._metrics.commands.labels(command, error.outcome).inc()
            problem = problem_of(error)
            return Item(client_order_id=name, status=problem.status, problem=problem)
        if isinstance(reply.body, Problem):
            return Item(client_order_id=name, status=reply.status, problem=reply.body)
        assert isinstance(reply.body, OrderAnswer)
        return Item(client_order_id=name, status=reply.status, order=reply.body)

    def _several(self, items: Sequence[Item]) -> Reply:
        position = self._accounts.position
        return Reply(OK, position, Items(position=position, items=items))


def _stream(order: Order) -> str:
    return order_stream(order.request.account, order.request.client_order_id)


async def _found(engine: Engine, name: ClientOrderId, allowed: Callable[[Order], bool]) -> Order:
    """Return an order that the caller may do that to. Raises UnknownOrderError, and LogUnavailableError at once."""
    order = await engine.find(order_stream(engine.account, name)) if name.isprintable() else None
    if order is None or not allowed(order):
        raise unknown_order(name)
    return order


def _scope(caller: Caller, body: HaltBody) -> tuple[StrategyId | None, Symbol | None]:
    """Return whose trading is meant, and where. Raises InvalidBodyError, ForbiddenError."""
    strategy = None if body.strategy is None else StrategyId(checked_text(body.strategy, "strategy"))
    if body.symbol is None:
        caller.need_all_symbols()
        return strategy, None
    symbol = Symbol(checked_text(body.symbol, "symbol"))
    caller.need_symbol(symbol)
    return strategy, symbol


async def _halted(engine: Engine, offer: asyncio.Future[Receipt] | OmsError, idle: str | None) -> HaltItem:
    try:
        if isinstance(offer, OmsError):
            raise offer
        receipt = await offer
    except OmsError as error:
        problem = problem_of(error)
        return HaltItem(account=engine.account, status=problem.status, problem=problem)
    account = receipt.state
    assert isinstance(account, Account)
    halts = [
        HaltView(halt_id=halt.halt_id, reason=halt.reason, strategy=strategy, symbol=symbol)
        for (strategy, symbol), halt in account.halts.items()
    ]
    return HaltItem(account=engine.account, status=OK, halts=halts, note=None if receipt.events else idle)
