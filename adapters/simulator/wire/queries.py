"""Orders, trades, wallets and fees as REST shows them (PROTOCOL 5.8 to 5.10)."""

from collections.abc import Iterable
from decimal import ROUND_HALF_EVEN, Decimal
from heapq import nlargest
from typing import Final, TypeVar

from msgspec import Struct

from adapters.simulator.exchange.orders import Fill, Order, OrderType
from adapters.simulator.wire.codes import WireError
from adapters.simulator.wire.figures import places, text
from adapters.simulator.wire.gateway import Call
from adapters.simulator.wire.house import DAY_MS
from adapters.simulator.wire.venue import Venue, take
from oms.values import EXACT, RATIO, ZERO

ROWS_MAX: Final = 200
RANGE_MAX_MS: Final = 90 * DAY_MS  # wider asks for too much; the venue's own figure is not known
T = TypeVar("T")


class ById(Struct):
    """One order, by the venue's id."""

    orderId: str  # noqa: N815 -- the venue's spelling
    queryState: str | None = None  # noqa: N815 -- the venue's spelling


class ByClientId(Struct):
    """One order, by its sender's id."""

    clientOrderId: str  # noqa: N815 -- the venue's spelling
    queryState: str | None = None  # noqa: N815 -- the venue's spelling


class Filter(Struct):
    """What a list is narrowed by; times in ms."""

    symbol: str | None = None
    orderMode: str | None = None  # noqa: N815 -- the venue's spelling
    startTime: int | None = None  # noqa: N815 -- the venue's spelling
    endTime: int | None = None  # noqa: N815 -- the venue's spelling
    limit: int = ROWS_MAX


class Queries:
    """The endpoints that tell an account its own; each method answers with the envelope's `data`."""

    def __init__(self, venue: Venue) -> None:
        self._venue = venue

    def order(self, call: Call) -> object:
        asked = take(call, ById)
        return self._found(call, self._venue.account(call).order(asked.orderId), asked.queryState)

    def client_order(self, call: Call) -> object:
        asked = take(call, ByClientId)
        return self._found(call, self._venue.account(call).order_by_client_id(asked.clientOrderId), asked.queryState)

    def open_orders(self, call: Call) -> object:
        """Live orders, newest first; of the last seven days unless startTime says otherwise (PROTOCOL 9.47)."""
        rows = self._orders(call, self._venue.account(call).open.values(), range_max_ms=None)
        if rows and self._venue.faults.fires("open_list_omits"):
            del rows[self._venue.faults.between(0, len(rows) - 1)]
        return rows

    def history_orders(self, call: Call) -> object:
        return self._paged(self._orders(call, self._venue.account(call).closed.values(), range_max_ms=RANGE_MAX_MS))

    def trades(self, call: Call) -> object:
        """Fills, newest first, at most 200: more are reached by narrower windows only."""
        asked = take(call, Filter)
        start, end = self._window(asked, call.now_ms, RANGE_MAX_MS)
        rows = [
            fill
            for fill in self._venue.account(call).fills
            if start <= fill.at_ms <= end
            and asked.symbol in {None, fill.symbol}
            and self._venue.house.sees_trades_of(fill.order_id)
        ]
        if asked.orderMode == "iso_margin":
            return []
        newest = sorted(rows, key=lambda fill: fill.trade_id, reverse=True)[: rows_of(asked, self._venue)]
        return self._paged([trade_row(fill) for fill in newest])

    def order_trades(self, call: Call) -> object:
        asked = take(call, ById)
        fills = self._venue.account(call).fills_of.get(asked.orderId)
        if not fills or not self._venue.house.sees_trades_of(asked.orderId):
            raise WireError(50005)
        return [trade_row(fill) for fill in reversed(fills)]

    def wallet(self, call: Call) -> object:
        """`GET /spot/v1/wallet`: every coin the account ever had."""
        return {
            "wallet": [
                {
                    "id": coin,
                    "name": coin,
                    "available": text(balance.available, 8),
                    "frozen": text(balance.frozen, 8),
                    "total": text(EXACT.add(balance.available, balance.frozen), 8),
                }
                for coin, balance in self._venue.balances(call).items()
            ]
        }

    def account_wallet(self, call: Call) -> object:
        """`GET /account/v1/wallet`: coins with something in them only."""
        wanted = call.query.get("currency")
        return {
            "wallet": [
                {
                    "currency": coin,
                    "name": coin,
                    "available": text(balance.available, 8),
                    "frozen": text(balance.frozen, 8),
                    "unAvailable": text(balance.frozen, 8),
                    "available_usd_valuation": "",
                }
                for coin, balance in self._venue.balances(call).items()
                if (balance.available or balance.frozen) and wanted in {None, "", coin}
            ]
        }

    def trade_fee(self, call: Call) -> object:
        symbol = call.query.get("symbol")
        if not symbol:
            raise WireError(50028, "symbol")
        if symbol not in self._venue.exchange.markets:
            raise WireError(50001)
        account = self._venue.account(call)
        return {
            "symbol": symbol,
            "buy_taker_fee_rate": text(account.taker_fee, 4),
            "sell_taker_fee_rate": text(account.taker_fee, 4),
            "buy_maker_fee_rate": text(account.maker_fee, 4),
            "sell_maker_fee_rate": text(account.maker_fee, 4),
        }

    def user_fee(self, call: Call) -> object:
        """Pair classes are all the same here."""
        account = self._venue.account(call)
        taker = {f"taker_fee_rate_{letter}": text(account.taker_fee, 4) for letter in "ABCD"}
        maker = {f"maker_fee_rate_{letter}": text(account.maker_fee, 4) for letter in "ABCD"}
        return {"user_rate_type": 0, "level": "LV1", **taker, **maker}

    # -------------------------------------------------------------------------------------------- how

    def _found(self, call: Call, order: Order | None, state: str | None) -> object:
        if state not in {None, "", "open", "history"}:
            raise WireError(52003)
        if order is None or not self._venue.sees(order, call.now_ms):
            raise WireError(50005)
        if (state == "open" and not order.live) or (state == "history" and order.live):
            raise WireError(50005)
        return self._row(order)

    def _orders(self, call: Call, orders: Iterable[Order], range_max_ms: int | None) -> list[dict[str, object]]:
        asked = take(call, Filter)
        start, end = self._window(asked, call.now_ms, range_max_ms)
        if asked.orderMode == "iso_margin":
            return []
        seen = (
            order
            for order in orders
            if start <= order.created_ms <= end
            and asked.symbol in {None, order.symbol}
            and self._venue.sees(order, call.now_ms)
        )
        return [
            self._row(order) for order in nlargest(rows_of(asked, self._venue), seen, key=lambda order: order.order_id)
        ]

    def _window(self, asked: Filter, now_ms: int, range_max_ms: int | None) -> tuple[int, int]:
        if asked.orderMode not in {None, "", "spot", "iso_margin"}:
            raise WireError(52000)
        end = now_ms if asked.endTime is None else asked.endTime
        start = end - self._venue.house.settings.list_window_ms if asked.startTime is None else asked.startTime
        if end < start:
            raise WireError(52004)
        if range_max_ms is not None and end - start > range_max_ms:
            raise WireError(50041)
        return start, end

    def _paged(self, rows: list[T]) -> list[T]:
        faults = self._venue.faults
        if rows and faults.fires("page_gap"):
            del rows[faults.between(0, len(rows) - 1)]
        if rows and faults.fires("page_overlap"):
            rows.append(rows[faults.between(0, len(rows) - 1)])
        return rows

    def _row(self, order: Order) -> dict[str, object]:
        market = self._venue.exchange.markets[order.symbol]
        sizes = places(market.size_step)
        asked = order.notional if order.by_notional else EXACT.multiply(order.price, order.size)
        return {
            "orderId": order.order_id,
            "clientOrderId": order.client_order_id or order.order_id,  # PROTOCOL 9.14
            "symbol": order.symbol,
            "side": order.side.value,
            "orderMode": "spot",
            "type": order.type.value,
            "state": order.state.value,
            "cancelSource": order.cancel_source.value,
            "stpMode": order.stp.value,
            "price": text(order.price, market.price_places),
            "priceAvg": text(average(order, market.price_places), market.price_places),
            "size": "0.00" if order.by_notional else text(order.size, sizes),
            "filledSize": text(order.filled_size, sizes),
            "notional": text(ZERO if order.type is OrderType.MARKET and not order.by_notional else asked, 8),
            "filledNotional": text(order.filled_notional, 8),
            "createTime": order.created_ms,
            "updateTime": order.updated_ms,
        }


def average(order: Order, price_places: int) -> Decimal:
    """Return the average price of the fills, rounded to the market's grid as the venue shows it; zero for none."""
    if not order.filled_size:
        return ZERO
    exact = RATIO.divide(order.filled_notional, order.filled_size)
    return exact.quantize(Decimal(1).scaleb(-price_places), ROUND_HALF_EVEN, context=RATIO)


def trade_row(fill: Fill) -> dict[str, object]:
    """Spell one fill as REST does."""
    return {
        "tradeId": fill.trade_id,
        "orderId": fill.order_id,
        "clientOrderId": fill.client_order_id or fill.order_id,
        "symbol": fill.symbol,
        "side": fill.side.value,
        "orderMode": "spot",
        "type": fill.type.value,
        "stpMode": fill.stp.value,
        "price": text(fill.price),
        "size": text(fill.size),
        "notional": text(fill.notional),
        "fee": text(fill.fee),
        "feeCoinName": fill.fee_coin,
        "tradeRole": fill.role.value,
        "createTime": fill.at_ms,
        "updateTime": fill.at_ms,
    }


def rows_of(asked: Filter, venue: Venue) -> int:
    """Return how many rows there are at most; raises WireError 50021 for a number that is not on offer."""
    if not 1 <= asked.limit <= ROWS_MAX:
        raise WireError(50021, "limit")
    return min(asked.limit, venue.house.settings.rows_max)
