"""BitMart futures' bytes, read: REST answers and stream frames become reports. No sockets, no clock, no state.

One malformed element becomes an `Unreadable` among its neighbours' reports. Frames are plain text (PROTOCOL 8.1).

What `side` 1 to 4 means depends on the account's position mode. Orders and positions say it themselves nowadays, trades
do not: whoever knows the account's `mode` says it, and without one what depends on it is left out, never guessed.
"""

import re
from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Final, TypeVar

from msgspec import UNSET, Raw, Struct
from msgspec.structs import replace

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
from adapters.bitmart.figures import counted, placed
from adapters.bitmart.perp import markets, plain, translate
from adapters.bitmart.perp import messages as wire
from adapters.bitmart.perp.spelling import symbol
from adapters.bitmart.scalars import Wire, amount, decoder, flag, required_flag, required_order_id, text
from oms.reports import Ack, Control, Refusal, RefusalClass, Report, Unreadable
from oms.values import ClientOrderId, PositionMode, PriceSource, VenueOrderId

M = TypeVar("M")

# ------------------------------------------------------------------------------------------------ REST

SUBMIT_ORDER: Final = "/contract/private/submit-order"
SUBMIT_PLAN_ORDER: Final = "/contract/private/submit-plan-order"
SUBMIT_TP_SL_ORDER: Final = "/contract/private/submit-tp-sl-order"
SUBMIT_TRAIL_ORDER: Final = "/contract/private/submit-trail-order"
MODIFY_LIMIT_ORDER: Final = "/contract/private/modify-limit-order"
MODIFY_PLAN_ORDER: Final = "/contract/private/modify-plan-order"
MODIFY_TP_SL_ORDER: Final = "/contract/private/modify-tp-sl-order"
MODIFY_PRESET_PLAN_ORDER: Final = "/contract/private/modify-preset-plan-order"
CANCEL_ORDER: Final = "/contract/private/cancel-order"
CANCEL_ORDERS: Final = "/contract/private/cancel-orders"
CANCEL_PLAN_ORDER: Final = "/contract/private/cancel-plan-order"
CANCEL_TRAIL_ORDER: Final = "/contract/private/cancel-trail-order"
CANCEL_ALL_AFTER: Final = "/contract/private/cancel-all-after"
ORDER: Final = "/contract/private/order"
OPEN_ORDERS: Final = "/contract/private/get-open-orders"
ORDER_HISTORY: Final = "/contract/private/order-history"
PLAN_ORDERS: Final = "/contract/private/current-plan-order"
TRADES: Final = "/contract/private/trades"
POSITION: Final = "/contract/private/position"
POSITION_V2: Final = "/contract/private/position-v2"
POSITION_RISK: Final = "/contract/private/position-risk"
ASSETS: Final = "/contract/private/assets-detail"
TRANSACTIONS: Final = "/contract/private/transaction-history"
SUBMIT_LEVERAGE: Final = "/contract/private/submit-leverage"
SET_POSITION_MODE: Final = "/contract/private/set-position-mode"
GET_POSITION_MODE: Final = "/contract/private/get-position-mode"
LEVERAGE_BRACKET: Final = "/contract/public/leverage-bracket"
TRADE_FEE_RATE: Final = "/contract/private/trade-fee-rate"
CLAIM: Final = "/contract/private/claim"
TRANSFER: Final = "/account/v1/transfer-contract"
TRANSFERS: Final = "/account/v1/transfer-contract-list"
SUB_WALLET: Final = "/account/contract/sub-account/main/v1/wallet"
DETAILS: Final = "/contract/public/details"
DEPTH: Final = "/contract/public/depth"
MARKET_TRADE: Final = "/contract/public/market-trade"
KLINE: Final = "/contract/public/kline"
MARK_PRICE_KLINE: Final = "/contract/public/markprice-kline"
FUNDING_RATE: Final = "/contract/public/funding-rate"
FUNDING_RATE_V2: Final = "/contract/public/funding-rate-v2"
FUNDING_RATE_HISTORY: Final = "/contract/public/funding-rate-history"


def _one(translated: Callable[[M], Report]) -> Callable[[M], Reports]:
    return lambda message: (translated(message),)


def _rows(field: str, kind: type[M], read: Reader) -> Reader:
    """Return a reader of a payload whose one field of interest is a list."""

    def translated(message: M) -> Reports:
        rows: list[Raw] | None = getattr(message, field)
        return tuple(report for raw in rows or () for report in read(raw))

    return element(kind, translated)


def _submitted(message: wire.Submitted) -> Reports:
    client_id = text(message.client_order_id)
    return (
        Ack(
            venue_order_id=VenueOrderId(required_order_id(message.order_id)),
            client_order_id=None if client_id is None else ClientOrderId(client_id),
        ),
    )


def _dead_man(message: wire.DeadMan) -> Reports:
    if required_flag(message.result, "result"):
        return (Ack(),)
    return (Refusal(klass=RefusalClass.UNKNOWN, reason="dead_man", text="result: false"),)


def _asset(message: wire.Asset) -> Reports:
    """Read a coin that was asked for: half of what is held is no figure of it."""
    report = translate.asset(message)
    if amount(message.frozen_balance) is None or amount(message.position_deposit) is None:
        report = replace(report, held=None)
    return (counted(report),)


def _leverage(message: wire.Leverage) -> Reports:
    return (Ack(), translate.leverage(message))


_submit: Final = element(wire.Submitted, _submitted)
_instrument: Final = element(wire.Contract, _one(markets.instrument))
_wallet_entry: Final = element(wire.WalletEntry, lambda coin: (counted(translate.wallet_entry(coin)),))
_transfer: Final = element(wire.Transfer, translate.transfer)
_funding: Final = element(wire.FundingRate, _one(markets.funding))
_settled_rate: Final = element(wire.SettledRate, _one(markets.settled_rate))

OBJECTS: Final[Mapping[str, Reader]] = {
    SUBMIT_ORDER: _submit,
    SUBMIT_PLAN_ORDER: _submit,
    SUBMIT_TP_SL_ORDER: _submit,
    SUBMIT_TRAIL_ORDER: _submit,
    MODIFY_LIMIT_ORDER: _submit,  # the id it returns is the order's from then on (PROTOCOL 10.24)
    MODIFY_PLAN_ORDER: _submit,
    MODIFY_TP_SL_ORDER: _submit,
    MODIFY_PRESET_PLAN_ORDER: _submit,
    CANCEL_ALL_AFTER: element(wire.DeadMan, _dead_man),
    SUBMIT_LEVERAGE: element(wire.Leverage, _leverage),
    GET_POSITION_MODE: element(wire.PositionMode, _one(translate.account_mode)),
    CLAIM: element(wire.Claimed, _one(translate.claimed)),
    TRANSFERS: _rows("records", wire.Transfers, _transfer),
    SUB_WALLET: _rows("wallet", wire.Wallet, _wallet_entry),
    DETAILS: _rows("symbols", wire.Contracts, _instrument),
    DEPTH: element(wire.Depth, _one(markets.depth)),
    FUNDING_RATE: _funding,
    FUNDING_RATE_V2: _rows("rows", wire.Rows, _funding),
    FUNDING_RATE_HISTORY: _rows("rows", wire.Rows, _settled_rate),
}
LISTS: Final[Mapping[str, Reader]] = {
    POSITION_V2: elements(wire.PositionV2, lambda row: (placed(translate.position_v2(row)),)),
    POSITION_RISK: elements(wire.PositionRisk, lambda row: (placed(translate.position_risk(row)),)),
    ASSETS: elements(wire.Asset, _asset),
    TRANSACTIONS: elements(wire.Transaction, _one(translate.transaction)),
    MARKET_TRADE: elements(wire.MarketTrade, _one(markets.market_trade)),
    KLINE: elements(wire.Kline, _one(partial(markets.kline, of=PriceSource.LAST))),
    MARK_PRICE_KLINE: elements(wire.Kline, _one(partial(markets.kline, of=PriceSource.MARK))),
}
ACCEPTED: Final = frozenset(  # the venue took it, and that is all it says
    {
        CANCEL_ORDER,
        CANCEL_ORDERS,
        CANCEL_PLAN_ORDER,
        CANCEL_TRAIL_ORDER,
        SET_POSITION_MODE,  # no proof that the mode has changed: it is to be read back (PROTOCOL 9.17)
        TRANSFER,
        "/contract/private/close-all-position",
        "/contract/private/account/v1/transfer",
        "/account/contract/sub-account/main/v1/main-to-sub",
        "/account/contract/sub-account/main/v1/sub-to-main",
        "/account/contract/sub-account/sub/v1/sub-to-main",
    },
)


class _Readers(Struct, frozen=True):
    """The readers of everything that `side` or a position is in, for one mode."""

    objects: Mapping[str, Reader]
    lists: Mapping[str, Reader]
    groups: Mapping[str, Reader]


def answer(path: str, body: bytes, status: int | None = None, *, mode: PositionMode | None = None) -> Reports:
    """Read the answer to a call of `path`: its reports, or one Refusal. `status` None: only the body is known.

    `mode` is the account's, for payloads that do not say it. A path that is not listed is read for its refusals alone.
    """
    readers = _readers(mode)
    return answered(path, body, status, lists=readers.lists, objects=readers.objects, accepted=ACCEPTED)


# ------------------------------------------------------------------------------------------------ streams

MINUTE_MS: Final = 60_000
HOUR_MS: Final = 60 * MINUTE_MS
DAY_MS: Final = 24 * HOUR_MS
INTERVALS: Final = {
    "1m": MINUTE_MS,
    "3m": 3 * MINUTE_MS,
    "5m": 5 * MINUTE_MS,
    "15m": 15 * MINUTE_MS,
    "30m": 30 * MINUTE_MS,
    "1H": HOUR_MS,
    "2H": 2 * HOUR_MS,
    "4H": 4 * HOUR_MS,
    "6H": 6 * HOUR_MS,
    "12H": 12 * HOUR_MS,
    "1D": DAY_MS,
    "3D": 3 * DAY_MS,
    "1W": 7 * DAY_MS,
}
LEVELS: Final = (5, 20, 50)
WHOLE_BOOKS: Final = ("depthAll", "depthIncrease")


def _klines(interval: str, length_ms: int, of: PriceSource) -> Reader:
    decode = decoder(wire.Candle).decode

    def bar(raw: Raw, push: wire.KlinePush) -> Report:
        try:
            return markets.candle(decode(raw), symbol(push.symbol), interval, length_ms, of)
        except MALFORMED as error:
            return unreadable(error)

    def translated(push: wire.KlinePush) -> Reports:
        if push.items is None:
            return (markets.candle(push, symbol(push.symbol), interval, length_ms, of),)
        return tuple(bar(raw, push) for raw in push.items)

    return elements(wire.KlinePush, translated)


_depth_side: Final = elements(wire.DepthSide, _one(markets.depth_side))
_depth: Final = elements(wire.DepthPush, _one(markets.depth_push))
_depth_v2: Final = elements(wire.DepthPushV2, _one(markets.depth_push))

GROUPS: Final[Mapping[str, Reader]] = {
    "futures/asset": elements(wire.Asset, _one(translate.asset)),
    "futures/ticker": elements(wire.Ticker, _one(markets.ticker)),
    "futures/bookticker": elements(wire.BookTicker, _one(markets.book_ticker)),
    "futures/trade": elements(wire.PublicTrade, _one(markets.public_trade)),
    "futures/fundingRate": elements(wire.FundingPush, _one(markets.funding_push)),
    **{f"futures/depth{levels}": _depth_side for levels in LEVELS},
    **{f"futures/{whole}{levels}": _depth for whole in WHOLE_BOOKS for levels in LEVELS},
    **{f"futures/v2/{whole}{levels}": _depth_v2 for whole in WHOLE_BOOKS for levels in LEVELS},
    **{f"futures/klineBin{name}": _klines(name, ms, PriceSource.LAST) for name, ms in INTERVALS.items()},
    **{f"futures/markPriceKlineBin{name}": _klines(name, ms, PriceSource.MARK) for name, ms in INTERVALS.items()},
}
ORDERS: Final = "futures/order"
SYSTEM: Final = "System"  # the group that answers pings
PONG: Final = "pong"


@cache
def _readers(mode: PositionMode | None) -> _Readers:
    order = _one(partial(translate.order, mode=mode))
    orders = elements(wire.Order, order)
    return _Readers(
        objects={**OBJECTS, ORDER: element(wire.Order, order)},
        lists={
            **LISTS,
            OPEN_ORDERS: orders,
            ORDER_HISTORY: orders,
            PLAN_ORDERS: elements(wire.PlanOrder, _one(partial(translate.plan_order, mode=mode))),
            TRADES: elements(wire.Trade, _one(partial(translate.trade, mode=mode))),
            POSITION: elements(wire.Position, lambda row: (placed(translate.position(row, mode)),)),
        },
        groups={
            **GROUPS,
            ORDERS: elements(wire.OrderPush, partial(translate.order_push, mode=mode)),
            "futures/position": elements(wire.PositionPush, _one(partial(translate.position_push, mode=mode))),
        },
    )


_frame: Final = decoder(wire.Frame)


def frame(data: bytes, *, mode: PositionMode | None = None) -> tuple[str, Reports]:
    """Read one frame: its group without symbol and speed ("" for a control frame) and its reports. `mode` as above."""
    return plain.read(data) or any_frame(data, mode=mode)


def any_frame(data: bytes, *, mode: PositionMode | None = None) -> tuple[str, Reports]:
    """Do the same without looking for the usual first."""
    try:
        message = _frame.decode(data)
    except MALFORMED as error:
        return "", (unreadable(error),)
    if message.data is UNSET or type(message.group) is not str:
        return "", (_control(message),)
    if message.group == SYSTEM:
        return "", (_pong(message.data),)
    group = message.group.partition(":")[0].partition("@")[0]
    read = _readers(mode).groups.get(group)
    return group, (Unreadable(cause=f"unknown group {group[:80]}"),) if read is None else read(message.data)


def _pong(data: Raw) -> Report:
    words = bytes(data)[:CAUSE_MAX].decode("utf-8", "replace").strip('"')
    return Control(event=PONG) if words.startswith(PONG) else Unreadable(cause=f"the system says {words}")


ACKNOWLEDGED: Final = {"access": "login", "login": "login", "subscribe": "subscribed", "unsubscribe": "unsubscribed"}
KEY: Final = re.compile(r"(apiKey:?\s*)\S+")  # the refusal of a login repeats it; alone it opens every private query


def _control(message: wire.Frame) -> Report:
    """Read an acknowledgement or an error, which is text only (PROTOCOL 4.8, 8.1)."""
    action, group, success = _shown(message.action), _shown(message.group), _succeeded(message.success)
    if success is False or (success is None and message.error):
        about = f"{action} {group}".strip()
        words = KEY.sub(r"\1...", _shown(message.error))
        return Control(event="error", text=(f"{about}: {words}" if about else words)[:CAUSE_MAX])
    if success is True and action in ACKNOWLEDGED:
        return Control(event=ACKNOWLEDGED[action], text=group or None)
    return Unreadable(cause=f"a frame of no known shape, action {action[:80]!r}")


def _succeeded(value: Wire) -> bool | None:
    try:
        return flag(value)
    except ValueError:
        return None


def _shown(value: Wire) -> str:
    return "" if value is None else str(value)
