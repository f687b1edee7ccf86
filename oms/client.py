"""The SDK a strategy imports: typed, asynchronous, with a sync twin. Repeats only what is safe, resumes by itself.

    async with oms.connect("http://127.0.0.1:8700", token=token) as client:
        order = await client.place(symbol="BTC/USDT", side="buy", type="limit", quantity="0.01", price="60000")
        async for event in client.events(since=order.position): ...
        await client.cancel(order)

Placing is safe to repeat because a client_order_id names one order for ever: after a lost answer, or a 503 that allows
it, the same request goes out under the same id, and one order comes of it.
"""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from datetime import datetime
from typing import Any, Final

import aiohttp
import msgspec
from yarl import URL

from oms.client_calls import Calls
from oms.client_wire import (
    Amount,
    ClientError,
    RefusedError,
    UnexpectedAnswerError,
    UnreachableError,
    decoded,
    given,
    order_path,
    spelled,
    written,
)
from oms.gateway.candles import Candles
from oms.gateway.operations import AccountBreaks, Comparison, Comparisons
from oms.gateway.problems import Problem
from oms.gateway.replies import Halts, Items
from oms.gateway.views import (
    Balances,
    BalanceView,
    Breaks,
    Fills,
    Frame,
    Instruments,
    InstrumentView,
    OrderAnswer,
    Orders,
    OrderView,
    Positions,
    PositionView,
    ShareView,
    Timeline,
)
from oms.market_data import Kind
from oms.values import Protection
from oms.venue import Trigger

__all__ = ["Amount", "Client", "ClientError", "RefusedError", "UnexpectedAnswerError", "UnreachableError", "connect"]

SILENT_SECONDS: Final = 30.0  # a stream without even a heartbeat for so long is dead
DOWN_SECONDS: Final = 300.0  # how long `events` tries to get a stream back before it gives up
REFUSALS: Final = frozenset({4400, 4401, 4403})  # close codes after which connecting again changes nothing
FRAME_MAX: Final = 16 * 1024 * 1024


class Client(Calls):
    """One connection of one strategy. Every call returns what the OMS shows; `position` is the place in the log.

    Raises, from every call:
        RefusedError: the OMS said no.
        UnreachableError: no answer came within the attempts.
        UnsendableError: what was given is no text; nothing was sent.
    """

    async def place(
        self,
        *,
        symbol: str,
        side: str,
        type: str,  # noqa: A002  # the order's field is called so, on the wire and in FIX
        quantity: Amount | None = None,
        notional: Amount | None = None,
        price: Amount | None = None,
        time_in_force: str | None = None,
        post_only: bool = False,
        reduce_only: bool = False,
        position_leg: str | None = None,
        account: str | None = None,
        client_order_id: str | None = None,
        tags: Mapping[str, str] | None = None,
        leverage: Amount | None = None,
        margin_mode: str | None = None,
        trigger: Trigger | None = None,
        take_profit: Protection | None = None,
        stop_loss: Protection | None = None,
        expires_at: datetime | None = None,
    ) -> OrderAnswer:
        """Place an order and return it once it is durable; without a `client_order_id` one is made.

        An error after which the order may be there names it (`client_order_id`): place it again under that id, or look
        it up.

        Raises:
            RefusedError: denied by a limit (`outcome` ``recorded``), malformed, or its id was used for another order.
            UnreachableError, UnexpectedAnswerError: it may have been placed, unless `outcome` is ``none``.
        """
        name = client_order_id or self._ids.next()
        body = {
            "client_order_id": name,
            "symbol": symbol,
            "side": side,
            "type": type,
            "quantity": spelled(quantity),
            "notional": spelled(notional),
            "price": spelled(price),
            "time_in_force": time_in_force,
            "post_only": post_only,
            "reduce_only": reduce_only,
            "position_leg": position_leg,
            "account": account,
            "tags": tags,
            "leverage": spelled(leverage),
            "margin_mode": margin_mode,
            "trigger": msgspec.to_builtins(trigger),
            "take_profit": msgspec.to_builtins(take_profit),
            "stop_loss": msgspec.to_builtins(stop_loss),
            "expires_at": expires_at,
        }
        try:
            return await self._call(OrderAnswer, "POST", "/v1/orders", body=given(body))
        except ClientError as error:
            if error.outcome != "none":
                error.name(name)
            raise

    async def amend(
        self,
        order: OrderView | str,
        *,
        price: Amount | None = None,
        quantity: Amount | None = None,
        trigger_price: Amount | None = None,
        take_profit: Protection | None = None,
        stop_loss: Protection | None = None,
        account: str | None = None,
    ) -> OrderAnswer:
        """Ask for a change of a working order, of what one waits for, or of what comes into force with its fill; return
        it once the request is durable.
        """
        if isinstance(order, OrderView):
            account, order = order.account, order.client_order_id
        path, query, key = order_path(order), {"account": account}, self._ids.next()
        change = given(
            {
                "price": spelled(price),
                "quantity": spelled(quantity),
                "trigger_price": spelled(trigger_price),
                "take_profit": msgspec.to_builtins(take_profit),
                "stop_loss": msgspec.to_builtins(stop_loss),
            }
        )
        return await self._call(OrderAnswer, "PATCH", path, query=query, body=change, key=key)

    async def cancel(
        self, order: OrderView | str, *, account: str | None = None, reason: str | None = None
    ) -> OrderAnswer:
        """Ask for an order's end, by the order or its id; return it once the request is durable."""
        if isinstance(order, OrderView):
            account, order = order.account, order.client_order_id
        return await self._call(
            OrderAnswer,
            "DELETE",
            order_path(order),
            query={"account": account},
            body=given({"reason": reason}),
            key=self._ids.next(),
        )

    async def claim(self, order: str, *, strategy: str, reason: str, account: str | None = None) -> OrderAnswer:
        """Give an order that nobody here had asked for to a strategy."""
        path, query, body = f"{order_path(order)}/claim", {"account": account}, {"strategy": strategy, "reason": reason}
        return await self._call(OrderAnswer, "POST", path, query=query, body=body)

    async def claim_share(
        self,
        symbol: str,
        *,
        strategy: str,
        reason: str,
        leg: str = "net",
        quantity: Amount | None = None,
        price: Amount | None = None,
        account: str | None = None,
    ) -> ShareView:
        """Give a strategy the share of a leg that no order here has made: all of it, at the leg's average price."""
        body = {
            "symbol": symbol,
            "position_leg": leg,
            "strategy": strategy,
            "reason": reason,
            "quantity": spelled(quantity),
            "price": spelled(price),
            "account": account,
        }
        return await self._call(ShareView, "POST", "/v1/positions/claim", body=given(body), key=self._ids.next())

    async def cancel_all(
        self,
        *,
        account: str | None = None,
        strategy: str | None = None,
        symbol: str | None = None,
        reason: str | None = None,
    ) -> Items:
        """Ask for the end of every open order in scope; return what became of each request."""
        scope = {"account": account, "strategy": strategy, "symbol": symbol, "reason": reason}
        return await self._call(Items, "POST", "/v1/cancel-all", body=given(scope), key=self._ids.next())

    async def halt(
        self, reason: str, *, account: str | None = None, strategy: str | None = None, symbol: str | None = None
    ) -> Halts:
        """Stop everything that opens in the scope, by default everything there is; cancels pass."""
        body = {"reason": reason, "account": account, "strategy": strategy, "symbol": symbol}
        return await self._call(Halts, "POST", "/v1/halt", body=given(body))

    async def resume(
        self, reason: str, *, account: str | None = None, strategy: str | None = None, symbol: str | None = None
    ) -> Halts:
        """End the halt of that very scope. Without an answer it is not said again: it would end a later halt, too.

        Raises:
            UnreachableError: it may have ended; `halts` tells.
        """
        body = {"reason": reason, "account": account, "strategy": strategy, "symbol": symbol}
        return await self._call(Halts, "POST", "/v1/resume", body=given(body), known_again=False)

    # ------------------------------------------------------------------------------------------------ questions

    async def order(
        self,
        client_order_id: str,
        *,
        account: str | None = None,
        min_position: int | None = None,
        as_of: str | int | None = None,
    ) -> OrderAnswer:
        """Return one order."""
        query = {"account": account, "min_position": min_position, "as_of": as_of}
        return await self._call(OrderAnswer, "GET", order_path(client_order_id), query=query)

    async def timeline(
        self, client_order_id: str, *, account: str | None = None, as_of: str | int | None = None
    ) -> Timeline:
        """Return the whole story of one order."""
        query = {"account": account, "as_of": as_of}
        return await self._call(Timeline, "GET", f"{order_path(client_order_id)}/timeline", query=query)

    async def orders(
        self,
        *,
        open: bool = False,  # noqa: A002  # the parameter is called so
        account: str | None = None,
        symbol: str | None = None,
        strategy: str | None = None,
        limit: int | None = None,
        min_position: int | None = None,
        as_of: str | int | None = None,
        cursor: str | None = None,
    ) -> Orders:
        """Return a page of orders, the latest first; `next_cursor` of it asks for the next."""
        query = {
            "open": "true" if open else None,
            "account": account,
            "symbol": symbol,
            "strategy": strategy,
            "limit": limit,
            "min_position": min_position,
            "as_of": as_of,
            "cursor": cursor,
        }
        return await self._call(Orders, "GET", "/v1/orders", query=query)

    async def fills(
        self,
        *,
        account: str | None = None,
        symbol: str | None = None,
        client_order_id: str | None = None,
        limit: int | None = None,
        min_position: int | None = None,
        as_of: str | int | None = None,
        cursor: str | None = None,
    ) -> Fills:
        """Return a page of fills, the latest first; `next_cursor` of it asks for the next."""
        query = {
            "account": account,
            "symbol": symbol,
            "client_order_id": client_order_id,
            "limit": limit,
            "min_position": min_position,
            "as_of": as_of,
            "cursor": cursor,
        }
        return await self._call(Fills, "GET", "/v1/fills", query=query)

    async def positions(
        self, *, account: str | None = None, min_position: int | None = None, as_of: str | int | None = None
    ) -> Sequence[PositionView]:
        """Return the position legs of the token's accounts."""
        query = {"account": account, "min_position": min_position, "as_of": as_of}
        return await self._all(Positions, "/v1/positions", query)

    async def balances(
        self, *, account: str | None = None, min_position: int | None = None, as_of: str | int | None = None
    ) -> Sequence[BalanceView]:
        """Return the balances of the token's accounts."""
        query = {"account": account, "min_position": min_position, "as_of": as_of}
        return await self._all(Balances, "/v1/balances", query)

    async def breaks(
        self,
        *,
        open: bool = False,  # noqa: A002  # the parameter is called so
        account: str | None = None,
        limit: int | None = None,
        min_position: int | None = None,
        as_of: str | int | None = None,
        cursor: str | None = None,
    ) -> Breaks:
        """Return a page of disagreements with the venue, the latest opened first."""
        query = {
            "open": "true" if open else None,
            "account": account,
            "limit": limit,
            "min_position": min_position,
            "as_of": as_of,
            "cursor": cursor,
        }
        return await self._call(Breaks, "GET", "/v1/breaks", query=query)

    async def explain_break(self, break_id: str, reason: str, *, account: str | None = None) -> AccountBreaks:
        """Say what an open break comes from; return what is open."""
        body = given({"break_id": break_id, "reason": reason, "account": account})
        return await self._call(AccountBreaks, "POST", "/v1/breaks/explain", body=body)

    async def resolve_break(self, break_id: str, reason: str, *, account: str | None = None) -> AccountBreaks:
        """End an open break; return what is open. Without an answer it is not said again: it might end a later one.

        Raises:
            UnreachableError: it may have ended; `breaks` tells.
        """
        body = given({"break_id": break_id, "reason": reason, "account": account})
        return await self._call(AccountBreaks, "POST", "/v1/breaks/resolve", body=body, known_again=False)

    async def reconcile(self, *, account: str | None = None, dry_run: bool = False) -> Sequence[Comparison]:
        """Compare with the venue now; a dry run only shows what that would append."""
        body = given({"account": account, "dry_run": dry_run})
        return (await self._call(Comparisons, "POST", "/v1/reconcile", body=body)).items

    async def instruments(self, *, account: str | None = None) -> Sequence[InstrumentView]:
        """Return the markets of the token's accounts."""
        return await self._all(Instruments, "/v1/instruments", {"account": account})

    async def candles(
        self,
        symbol: str,
        interval: str = "1m",
        *,
        start: str | None = None,
        end: str | None = None,
        limit: int | None = None,
        account: str | None = None,
        cursor: str | None = None,
    ) -> Candles:
        """Return a page of a market's bars, oldest first; `start` and `end` are times, the newest bars without."""
        query = {"symbol": symbol, "interval": interval, "start": start, "end": end, "limit": limit}
        return await self._call(Candles, "GET", "/v1/candles", query={**query, "account": account, "cursor": cursor})

    async def _all(self, kind: Any, path: str, query: Mapping[str, str | int | None]) -> list[Any]:  # noqa: ANN401  # a kind of list
        """Return every item of a list that has few, page by page."""
        page = await self._call(kind, "GET", path, query=query)
        items = list(page.items)
        while page.next_cursor is not None:
            page = await self._call(kind, "GET", path, query={**query, "cursor": page.next_cursor})
            items += page.items
        return items

    # ------------------------------------------------------------------------------------------------ the stream

    async def events(
        self, *, since: int | None = None, channels: Sequence[str] = ("events",)
    ) -> AsyncGenerator[Frame, None]:
        """Yield every event after position `since` (None: from now on), in order, none skipped, none twice.

        Of `channels` of a market (``book:BTC/USDT``) the frames stand between them: the newest of each state.

        A connection that breaks is made again and goes on behind the last event. A wait for the next event that is
        canceled, as by ``asyncio.wait_for(anext(...))``, ends the stream: wait with ``asyncio.wait`` for a task.

        Raises:
            RefusedError: the token does not allow it, or `since` or `channels` cannot be.
            UnreachableError: the gateway did not come back for five minutes.
        """
        position, failures, down_since = since, 0, self._clock.monotonic()
        while True:
            async with aclosing(self._connected(position, channels)) as frames:
                async for frame in frames:
                    down_since = self._clock.monotonic()
                    if frame.type != "subscribed":  # a log may fail right behind it, again and again
                        failures = 0
                    if frame.type in _MARKETS:
                        yield frame  # its position is none to resume from: events go their own way
                        continue
                    event = frame.type not in _WORDS
                    if event and position is not None and frame.position <= position:
                        raise UnexpectedAnswerError(f"position {frame.position} came again after {position}")
                    position = frame.position
                    if event:
                        yield frame
            if self._clock.monotonic() - down_since > DOWN_SECONDS:
                silent = f"no stream from {self._named} for {DOWN_SECONDS:.0f} seconds"
                raise UnreachableError(silent, outcome="none")
            await self._pause(failures)
            failures += 1

    async def _connected(self, since: int | None, channels: Sequence[str]) -> AsyncGenerator[Frame, None]:
        """Yield the frames of one connection; return when it broke, raise when it was refused."""
        with written():
            hello = msgspec.json.encode({"token": self._token, "channels": channels, "since": since})
        try:
            async with self._opened().ws_connect(self._url.join(URL("/v1/stream")), max_msg_size=FRAME_MAX) as socket:
                await socket.send_str(hello.decode())
                while True:
                    message = await socket.receive(timeout=SILENT_SECONDS)
                    if message.type is not aiohttp.WSMsgType.TEXT:
                        return
                    frame = decoded(Frame, message.data)
                    if frame.type == "problem":
                        refused = RefusedError(msgspec.convert(frame.data, Problem))
                        await socket.receive(timeout=SILENT_SECONDS)  # the close, whose code says whether to come back
                        if socket.close_code in REFUSALS:
                            raise refused
                        return
                    yield frame
        except aiohttp.WSServerHandshakeError as error:
            if error.status < _SERVER_ERROR:
                raise UnexpectedAnswerError(f"{self._url} refused the stream: {error.status}") from error
        except (aiohttp.ClientConnectionError, TimeoutError, ConnectionError):
            return


_MARKETS: Final = frozenset(Kind)
_WORDS: Final = frozenset({"subscribed", "heartbeat", "reply"})
_SERVER_ERROR: Final = 500


def connect(url: str, *, token: str, timeout: float = 10.0, ca: str | None = None) -> Client:
    """Return a client of the gateway at `url`, to be opened with ``async with``; `ca` as for Client."""
    return Client(url, token=token, timeout=timeout, ca=ca)
