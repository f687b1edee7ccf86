"""BitMart spot's messages, spelled like the venue (PROTOCOL 5 and 7); `translate` is where its spelling ends.

`Wire` fields hold a scalar that comes as a string, a number, "", null or not at all. Only what identifies a message is
required; everything else may vanish without a version bump (PROTOCOL 9.51) and must not cost us the rest.
"""

# ruff: noqa: N815 -- the venue mixes camel and snake case, and so must whoever reads it

from msgspec import UNSET, Raw, Struct, UnsetType

from adapters.bitmart.scalars import Wire

# ------------------------------------------------------------------------------------------------ trading, REST


class Order(Struct):
    """An order of `/spot/v4/query/*`. Camel case; times in ms."""

    orderId: Wire
    symbol: str
    clientOrderId: Wire = None
    side: Wire = None
    type: Wire = None
    state: Wire = None
    cancelSource: Wire = None
    price: Wire = None
    priceAvg: Wire = None
    size: Wire = None
    filledSize: Wire = None
    notional: Wire = None
    filledNotional: Wire = None
    triggerPrice: Wire = None  # of one that waits for a price (PROTOCOL 5.11)
    createTime: Wire = None
    updateTime: Wire = None


class Trade(Struct):
    """A fill of `/spot/v4/query/trades` and `order-trades`. `fee` is positive when paid, in `feeCoinName`."""

    tradeId: Wire
    symbol: str
    price: Wire
    size: Wire
    orderId: Wire = None
    clientOrderId: Wire = None
    side: Wire = None
    fee: Wire = None
    feeCoinName: Wire = None
    tradeRole: Wire = None
    createTime: Wire = None


class Submitted(Struct):
    """The gateway's acceptance; margin answers with a number."""

    order_id: Wire


class CancelResult(Struct):
    """False means: not canceled, because already matched or canceled; with HTTP 200 and code 1000."""

    result: Wire


class MaybeResult(Struct):
    """An answer that may say that it did nothing."""

    result: Wire = True


class CanceledList(Struct):
    """What `/spot/v4/cancel_orders` did, one id each."""

    successIds: list[Wire] | None
    failIds: list[Wire] | None = None


class Batch(Struct):
    """The second envelope of `/spot/v4/batch_orders`; its success code is 0."""

    code: Wire
    msg: Wire = None
    data: Raw = Raw()


class BatchOrders(Struct):
    """The ids of a batch, without any mapping to its elements."""

    orderIds: list[Wire] | None


# ------------------------------------------------------------------------------------------------ account, REST


class Wallet(Struct):
    """`data` of both wallets."""

    wallet: list[Raw] | None


class WalletEntry(Struct):
    """One coin: `id` in `/spot/v1/wallet`, `currency` in the account's wallets. `frozen` is what open orders hold."""

    id: Wire = None
    currency: Wire = None
    available: Wire = None
    frozen: Wire = None
    total: Wire = None


class MarginAccounts(Struct):
    """`data` of `/spot/v1/margin/isolated/account`: one wallet for each pair."""

    symbols: list[Raw] | None


class MarginAccount(Struct):
    """The two coins of one isolated pair."""

    base: "MarginCoin"
    quote: "MarginCoin"


class MarginCoin(Struct):
    """One coin of an isolated pair; `net_asset` is what is left after the loan."""

    currency: str
    available: Wire = None
    frozen: Wire = None
    total_asset: Wire = None
    net_asset: Wire = None


class UserFee(Struct):
    """`/spot/v1/user_fee`: rates by class of pair; nobody says which pair is in which."""

    taker_fee_rate_A: Wire
    maker_fee_rate_A: Wire


class TradeFee(Struct):
    """`/spot/v1/trade_fee`, of one pair; the sides may differ."""

    buy_taker_fee_rate: Wire
    sell_taker_fee_rate: Wire
    buy_maker_fee_rate: Wire
    sell_maker_fee_rate: Wire


# ------------------------------------------------------------------------------------------------ market, REST


class Symbols(Struct):
    """`data` of `/spot/v1/symbols/details` (objects) and `/spot/v1/symbols` (names)."""

    symbols: list[Raw] | None


class SymbolDetails(Struct):
    """One market. `quote_increment` is misnamed: it is the size step, in base units (PROTOCOL 9.26)."""

    symbol: str
    base_currency: str
    quote_currency: str
    quote_increment: Wire
    base_min_size: Wire
    price_max_precision: Wire
    min_buy_amount: Wire = None
    min_sell_amount: Wire = None
    trade_status: Wire = None


class Ticker(Struct):
    """`/spot/quotation/v3/ticker`."""

    symbol: str
    last: Wire = None
    bid_px: Wire = None
    ask_px: Wire = None
    ts: Wire = None


class TickerRow(Struct, array_like=True):
    """One row of `/spot/quotation/v3/tickers`, by position."""

    symbol: str
    last: Wire
    v_24h: Wire
    qv_24h: Wire
    open_24h: Wire
    high_24h: Wire
    low_24h: Wire
    fluctuation: Wire
    bid_px: Wire
    bid_sz: Wire
    ask_px: Wire
    ask_sz: Wire
    ts: Wire = None


class KlineRow(Struct, array_like=True):
    """One row of `klines` and `lite-klines`; `t` in seconds, `qv` in quote units."""

    t: Wire
    o: Wire
    h: Wire
    l: Wire  # noqa: E741 -- the venue's letter
    c: Wire
    v: Wire
    qv: Wire = None


class PublicTradeRow(Struct, array_like=True):
    """One row of `/spot/quotation/v3/trades`; `side` is the taker's, `ts` in ms."""

    symbol: str
    ts: Wire
    price: Wire
    size: Wire
    side: Wire = None


class Level(Struct, array_like=True):
    """One price of a book."""

    price: Wire
    amount: Wire


class Book(Struct):
    """`/spot/quotation/v3/books`: whole, without a sequence number."""

    symbol: str
    ts: Wire = None
    asks: list[Level] | None = None
    bids: list[Level] | None = None


# ------------------------------------------------------------------------------------------------ streams


class Frame(Struct):
    """Any frame: an acknowledgement or an error has `event`, a push has `table` and `data`."""

    event: Wire = None
    topic: Wire = None
    errorCode: Wire = None
    errorMessage: Wire = None
    message: Wire = None
    table: Wire = None
    data: Raw | UnsetType = UNSET


class OrderPush(Struct):
    """`spot/user/order` and `spot/user/orders`: cumulative totals and the last trade. Times in ms, as strings."""

    order_id: Wire
    symbol: str
    client_order_id: Wire = None
    side: Wire = None
    type: Wire = None
    entrust_type: Wire = None  # NORMAL, LIMIT_MAKER, IOC; the case varies
    order_mode: Wire = None  # spot, or "0", or of another account: iso_margin
    state: Wire = None  # to be removed by the venue; `order_state` is preferred
    order_state: Wire = None
    price: Wire = None
    size: Wire = None
    notional: Wire = None
    filled_size: Wire = None
    filled_notional: Wire = None
    last_fill_price: Wire = None
    last_fill_count: Wire = None
    last_fill_time: Wire = None
    exec_type: Wire = None
    detail_id: Wire = None
    ms_t: Wire = None
    create_time: Wire = None
    update_time: Wire = None


class BalancePush(Struct):
    """`spot/user/balance`: absolute amounts after a change."""

    balance_details: list[Raw] | None
    event_time: Wire = None


class BalanceDetail(Struct):
    """One coin of a balance push."""

    ccy: str
    av_bal: Wire = None
    fz_bal: Wire = None


class TickerPush(Struct):
    """`spot/ticker` and, with fewer fields, `spot/bookTicker`."""

    symbol: str
    last_price: Wire = None
    bid_px: Wire = None
    ask_px: Wire = None
    ms_t: Wire = None


class Candle(Struct, array_like=True):
    """The candle of a kline push; `t` in seconds."""

    t: Wire
    o: Wire
    h: Wire
    l: Wire  # noqa: E741 -- the venue's letter
    c: Wire
    v: Wire


class KlinePush(Struct):
    """`spot/kline<interval>`. No closed flag: a candle is final when a later one appears."""

    symbol: str
    candle: Candle


class DepthPush(Struct):
    """`spot/depth5`, `20`, `50` (whole, no version) and `spot/depth/increase100` (snapshot, then updates)."""

    symbol: str
    asks: list[Level] | None = None
    bids: list[Level] | None = None
    type: Wire = None
    version: Wire = None
    ms_t: Wire = None


class TradePush(Struct):
    """`spot/trade`: the taker's side; no id, so repeats cannot be told."""

    symbol: str
    price: Wire
    size: Wire
    side: Wire = None
    ms_t: Wire = None
    s_t: Wire = None
