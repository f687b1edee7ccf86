"""BitMart spot's bytes, read: REST answers and stream frames become reports. No sockets, no clock, no state.

One malformed element becomes an `Unreadable` among its neighbours' reports. Stream frames arrive as text or, when they
carry data, as raw DEFLATE without a header, each frame a stream of its own (PROTOCOL 7.2).
"""

import zlib
from collections.abc import Mapping
from typing import Final

import msgspec
from msgspec import UNSET

from adapters.bitmart.elements import (
    CAUSE_MAX,
    Reader,
    Reports,
    answered,
    element,
    elements,
    unreadable,
)
from adapters.bitmart.envelope import MALFORMED
from adapters.bitmart.figures import counted
from adapters.bitmart.refusals import ORDER_CLOSED
from adapters.bitmart.scalars import (
    Wire,
    decoder,
    flag,
    millis,
    order_id,
    required_flag,
    required_order_id,
    text,
    whole,
)
from adapters.bitmart.spot import messages as wire
from adapters.bitmart.spot import plain, translate
from oms.reports import Ack, BalanceReport, Control, Refusal, RefusalClass, Report, Unreadable
from oms.values import VenueOrderId

INFLATED_MAX: Final = 8 << 20  # bytes; the whole market's tickers are a tenth of it
RAW_DEFLATE: Final = -15  # zlib's name for a stream without header
PONG: Final = b"pong"
BATCH_FAILED: Final = "batch"  # the inner envelope of a batch says no: of which element, nobody knows


# ------------------------------------------------------------------------------------------------ REST


def _submitted(message: wire.Submitted) -> Reports:
    return (Ack(venue_order_id=VenueOrderId(required_order_id(message.order_id))),)


def _batch(message: wire.Batch) -> Reports:
    """Read the inner envelope. No id says which element it is of: only a query by client id does (PROTOCOL 5.5)."""
    if whole(message.code, "code") != 0:
        code, words = text(message.code), text(message.msg)
        return (Refusal(klass=RefusalClass.UNKNOWN, reason=BATCH_FAILED, code=code, text=words),)
    found = (order_id(one) for one in _batch_orders.decode(message.data).orderIds or ())
    return tuple(Ack(venue_order_id=VenueOrderId(name)) for name in found if name is not None)


_batch_orders: Final = decoder(wire.BatchOrders)


def _canceled(message: wire.CancelResult | bool | int | str) -> Reports:  # noqa: FBT001 -- the venue's: true or {"result": true}
    done = required_flag(message.result if isinstance(message, wire.CancelResult) else message, "result")
    return (Ack(),) if done else (Refusal(klass=RefusalClass.CERTAIN, reason=ORDER_CLOSED, text="result: false"),)


def _canceled_algo(message: wire.MaybeResult | bool | None) -> Reports:  # noqa: FBT001 -- whatever it answers
    """Read the cancel of an algo order, whose answer no source shows: only a plain "no" is one."""
    refused = flag(message.result if isinstance(message, wire.MaybeResult) else message) is False
    return _canceled(message=not refused)


def _canceled_list(message: wire.CanceledList) -> Reports:
    done = tuple(Ack(venue_order_id=VenueOrderId(str(found))) for found in message.successIds or ())
    failed = tuple(
        Refusal(klass=RefusalClass.CERTAIN, reason=ORDER_CLOSED, text=str(found)) for found in message.failIds or ()
    )
    return done + failed


def _klines(message: wire.KlineRow) -> Reports:
    return (translate.candle(message),)


wallet_entry: Final = element(wire.WalletEntry, lambda coin: (counted(*translate.wallet_entry(coin)),))
margin_account: Final = element(wire.MarginAccount, translate.margin_account)
instrument: Final = element(wire.SymbolDetails, translate.instrument)


def _wallet(message: wire.Wallet) -> Reports:
    return tuple(report for raw in message.wallet or () for report in wallet_entry(raw))


def _margin_accounts(message: wire.MarginAccounts) -> Reports:
    return tuple(report for raw in message.symbols or () for report in margin_account(raw))


def _instruments(message: wire.Symbols) -> Reports:
    return tuple(report for raw in message.symbols or () for report in instrument(raw))


SUBMIT_ORDER: Final = "/spot/v2/submit_order"
BATCH_ORDERS: Final = "/spot/v4/batch_orders"
CANCEL_ORDER: Final = "/spot/v3/cancel_order"
CANCEL_ORDERS: Final = "/spot/v4/cancel_orders"
CANCEL_ALL: Final = "/spot/v4/cancel_all"
QUERY_ORDER: Final = "/spot/v4/query/order"
QUERY_CLIENT_ORDER: Final = "/spot/v4/query/client-order"
QUERY_OPEN_ORDERS: Final = "/spot/v4/query/open-orders"
QUERY_HISTORY_ORDERS: Final = "/spot/v4/query/history-orders"
QUERY_TRADES: Final = "/spot/v4/query/trades"
QUERY_ORDER_TRADES: Final = "/spot/v4/query/order-trades"
WALLET: Final = "/spot/v1/wallet"
SYMBOLS_DETAILS: Final = "/spot/v1/symbols/details"
USER_FEE: Final = "/spot/v1/user_fee"
TRADE_FEE: Final = "/spot/v1/trade_fee"
ALGO_SUBMIT: Final = "/spot/v4/algo/submit_order"
ALGO_CANCEL: Final = "/spot/v4/algo/cancel_order"
ALGO_CANCEL_ALL: Final = "/spot/v4/algo/cancel_all"
QUERY_ALGO_ORDER: Final = "/spot/v4/query/algo/order"
QUERY_ALGO_CLIENT_ORDER: Final = "/spot/v4/query/algo/client-order"
QUERY_ALGO_OPEN_ORDERS: Final = "/spot/v4/query/algo/open-orders"
QUERY_ALGO_HISTORY_ORDERS: Final = "/spot/v4/query/algo/history-orders"
KLINES: Final = "/spot/quotation/v3/klines"

_one_order: Final = element(wire.Order, translate.order)
_orders: Final = elements(wire.Order, translate.order)
_trades: Final = elements(wire.Trade, translate.trade)
_candles: Final = elements(wire.KlineRow, _klines)
_submit: Final = element(wire.Submitted, _submitted)

OBJECTS: Final[Mapping[str, Reader]] = {
    SUBMIT_ORDER: _submit,
    "/spot/v1/margin/submit_order": _submit,
    BATCH_ORDERS: element(wire.Batch, _batch),
    CANCEL_ORDER: element(wire.CancelResult | bool | int | str, _canceled),  # type: ignore[arg-type] # a union is a type to msgspec
    CANCEL_ORDERS: element(wire.CanceledList, _canceled_list),
    QUERY_ORDER: _one_order,
    QUERY_CLIENT_ORDER: _one_order,
    ALGO_SUBMIT: _submit,
    ALGO_CANCEL: element(wire.MaybeResult | bool | None, _canceled_algo),  # type: ignore[arg-type] # likewise
    QUERY_ALGO_ORDER: _one_order,
    QUERY_ALGO_CLIENT_ORDER: _one_order,
    WALLET: element(wire.Wallet, _wallet),
    "/account/v1/wallet": element(wire.Wallet, _wallet),
    "/account/sub-account/main/v1/wallet": element(wire.Wallet, _wallet),
    "/spot/v1/margin/isolated/account": element(wire.MarginAccounts, _margin_accounts),
    SYMBOLS_DETAILS: element(wire.Symbols, _instruments),
    "/spot/quotation/v3/ticker": element(wire.Ticker, translate.ticker),
    "/spot/quotation/v3/books": element(wire.Book, translate.book),
}
LISTS: Final[Mapping[str, Reader]] = {
    QUERY_OPEN_ORDERS: _orders,
    QUERY_HISTORY_ORDERS: _orders,
    QUERY_ALGO_OPEN_ORDERS: _orders,
    QUERY_ALGO_HISTORY_ORDERS: _orders,
    QUERY_TRADES: _trades,
    QUERY_ORDER_TRADES: _trades,
    "/spot/quotation/v3/tickers": elements(wire.TickerRow, translate.ticker),
    KLINES: _candles,
    "/spot/quotation/v3/lite-klines": _candles,
    "/spot/quotation/v3/trades": elements(wire.PublicTradeRow, translate.public_trade),
}
MARKET_DATA: Final = frozenset(path for path in LISTS if path.startswith("/spot/quotation/"))
ACCEPTED: Final = frozenset(  # the venue took it, and that is all it says
    {
        CANCEL_ALL,
        ALGO_CANCEL_ALL,
        "/account/sub-account/main/v1/main-to-sub",
        "/account/sub-account/main/v1/sub-to-main",
        "/account/sub-account/main/v1/sub-to-sub",
        "/account/sub-account/sub/v1/sub-to-main",
        "/account/sub-account/sub/v1/sub-to-sub",
        "/account/v1/withdraw/apply",
        "/spot/v1/margin/isolated/borrow",
        "/spot/v1/margin/isolated/repay",
        "/spot/v1/margin/isolated/transfer",
    },
)


def answer(path: str, body: bytes, status: int | None = None) -> Reports:
    """Read the answer to a call of `path`: its reports, or one Refusal. `status` None: only the body is known.

    A path that is not listed is read for its refusals alone.
    """
    return answered(path, body, status, lists=LISTS, objects=OBJECTS, accepted=ACCEPTED, market_data=MARKET_DATA)


# ------------------------------------------------------------------------------------------------ streams


_balance_detail: Final = element(wire.BalanceDetail, translate.balance_detail)


def _balance_push(message: wire.BalancePush) -> Reports:
    at_ms = millis(message.event_time)
    reports = (report for raw in message.balance_details or () for report in _balance_detail(raw))
    return tuple(
        msgspec.structs.replace(report, at_ms=at_ms) if isinstance(report, BalanceReport) else report
        for report in reports
    )


def _kline_push(interval: str) -> Reader:
    def translated(message: wire.KlinePush) -> Reports:
        return (translate.candle(message.candle, translate.symbol(message.symbol), interval),)

    return elements(wire.KlinePush, translated)


ORDER_PUSHES: Final = elements(wire.OrderPush, translate.order_push)
_tickers: Final = elements(wire.TickerPush, translate.ticker_push)
_depths: Final = elements(wire.DepthPush, translate.depth_push)
INTERVALS: Final = ("1m", "3m", "5m", "15m", "30m", "1H", "2H", "4H", "1D", "1W", "1M")

TABLES: Final[Mapping[str, Reader]] = {
    "spot/user/order": ORDER_PUSHES,
    "spot/user/orders": ORDER_PUSHES,
    "spot/user/balance": elements(wire.BalancePush, _balance_push),
    "spot/ticker": _tickers,
    "spot/bookTicker": _tickers,
    "spot/trade": elements(wire.TradePush, translate.trade_push),
    "spot/depth5": _depths,
    "spot/depth20": _depths,
    "spot/depth50": _depths,
    "spot/depth/increase100": _depths,
    **{f"spot/kline{interval}": _kline_push(interval) for interval in INTERVALS},
}

_frame: Final = decoder(wire.Frame)


def inflated(frame: str | bytes) -> bytes:
    """Return a frame's text as bytes; data frames come deflated, everything else plain.

    Raises:
        ValueError: it is neither, or it is a bomb.
    """
    if isinstance(frame, str):
        return frame.encode()
    if frame == PONG or frame[:1] in (b"{", b"["):  # no deflated JSON begins with either
        return frame
    stream = zlib.decompressobj(RAW_DEFLATE)
    try:
        data = stream.decompress(frame, INFLATED_MAX)
    except zlib.error as error:
        raise ValueError(f"neither JSON nor raw deflate: {frame[:40]!r}") from error
    if len(data) >= INFLATED_MAX:
        raise ValueError(f"a frame larger than {INFLATED_MAX} bytes")
    return data


def frame(data: bytes) -> tuple[str, Reports]:
    """Read one inflated frame: its table ("" for a control frame) and its reports."""
    return plain.read(data) or any_frame(data)


def any_frame(data: bytes) -> tuple[str, Reports]:
    """Do the same without looking for the usual first."""
    if data == PONG:
        return "", (Control(event="pong"),)
    try:
        message = _frame.decode(data)
    except MALFORMED as error:
        return "", (unreadable(error),)
    if message.data is UNSET or message.table is None:
        return "", (_control(message),)
    table = str(message.table).partition(":")[0]  # one page of the docs appends the symbol
    read = TABLES.get(table)
    return table, (Unreadable(cause=f"unknown table {table[:80]}"),) if read is None else read(message.data)


ACKNOWLEDGED: Final = {"login": "login", "subscribe": "subscribed", "unsubscribe": "unsubscribed"}


NO_ERROR: Final = ("", "0")


def _control(message: wire.Frame) -> Report:
    """Read an acknowledgement or an error; success is the absence of a code (PROTOCOL 2.6, 4.8)."""
    event, code = _shown(message.event), _shown(message.errorCode)
    if code not in NO_ERROR:
        words = _shown(message.errorMessage) or _shown(message.message)
        return Control(event="error", text=f"{code} {event}: {words}"[:CAUSE_MAX])
    if event in ACKNOWLEDGED:
        return Control(event=ACKNOWLEDGED[event], text=_shown(message.topic) or None)
    return Unreadable(cause=f"a frame of no known shape, event {event[:80]!r}")


def _shown(value: Wire) -> str:
    return "" if value is None else str(value)
