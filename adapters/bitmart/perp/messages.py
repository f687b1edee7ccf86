"""BitMart futures' messages, spelled like the venue (PROTOCOL 6 and 8); `translate` is where its spelling ends.

`Wire` fields hold a scalar that comes as a string, a number, "-", "", null or not at all. Only what identifies a
message is required; everything else may vanish without a version bump (PROTOCOL 9.51) and must not cost us the rest.
"""

# ruff: noqa: N815 -- the venue mixes camel and snake case, and so must whoever reads it

from msgspec import UNSET, Raw, Struct, UnsetType, field

from adapters.bitmart.scalars import Wire

# ------------------------------------------------------------------------------------------------ trading, REST


class Order(Struct):
    """An order of `order`, `get-open-orders`, `order-history`. `side` 1 to 4 (6.0); times in ms."""

    order_id: Wire
    symbol: str
    client_order_id: Wire = None
    side: Wire = None
    type: Wire = None
    position_mode: Wire = None
    state: Wire = None
    price: Wire = None
    size: Wire = None
    deal_avg_price: Wire = None
    deal_size: Wire = None
    leverage: Wire = None
    open_type: Wire = None
    trigger_price: Wire = None
    activation_price: Wire = None  # of a trailing order: from where on it follows
    preset_take_profit_price: Wire = None
    preset_take_profit_price_type: Wire = None
    preset_stop_loss_price: Wire = None
    preset_stop_loss_price_type: Wire = None
    create_time: Wire = None
    update_time: Wire = None


class PlanOrder(Struct):
    """An order of `current-plan-order`, which waits for its price. Its numbers are those of the order it will send."""

    order_id: Wire
    symbol: str
    client_order_id: Wire = None
    side: Wire = None
    type: Wire = None
    position_mode: Wire = None
    state: Wire = None
    executive_price: Wire = None
    trigger_price: Wire = None
    size: Wire = None
    leverage: Wire = None
    open_type: Wire = None
    preset_take_profit_price: Wire = None
    preset_take_profit_price_type: Wire = None
    preset_stop_loss_price: Wire = None
    preset_stop_loss_price_type: Wire = None
    create_time: Wire = None
    update_time: Wire = None


class Trade(Struct):
    """A fill of `trades`: `vol` in contracts, `paid_fees` positive when paid. It does not say the position mode."""

    trade_id: Wire
    symbol: str
    price: Wire
    vol: Wire
    order_id: Wire = None
    client_order_id: Wire = None
    side: Wire = None
    position_mode: Wire = None
    exec_type: Wire = None
    realised_profit: Wire = None
    paid_fees: Wire = None
    create_time: Wire = None


class Submitted(Struct):
    """What a submit or a change is answered with; `order_id` is a number here and there."""

    order_id: Wire
    client_order_id: Wire = None


class DeadMan(Struct):
    """`cancel-all-after`; its times are in seconds."""

    result: Wire


# ------------------------------------------------------------------------------------------------ account, REST


class Position(Struct):
    """A row of `position`. `margin_type` is capitalised, `position_type` 1 long, 2 short."""

    symbol: str
    position_type: Wire = None
    position_mode: Wire = None
    current_amount: Wire = None
    entry_price: Wire = None
    open_avg_price: Wire = None
    mark_price: Wire = None
    mark_value: Wire = None
    position_value: Wire = None
    margin_type: Wire = None
    leverage: Wire = None
    timestamp: Wire = None


class PositionV2(Struct):
    """A row of `position-v2`; flat ones are listed where a symbol was asked for."""

    symbol: str
    position_side: Wire = None
    current_amount: Wire = None
    position_amount: Wire = None  # signed in one-way mode
    entry_price: Wire = None
    open_avg_price: Wire = None
    mark_price: Wire = None
    position_value: Wire = None  # at entry: what it cost (PROTOCOL 6.8)
    liquidation_price: Wire = None
    open_type: Wire = None
    leverage: Wire = None
    timestamp: Wire = None


class PositionRisk(Struct):
    """A row of `position-risk`; `update_time` has been seen in seconds."""

    symbol: str
    position_side: Wire = None
    position_amt: Wire = None
    mark_price: Wire = None
    liquidation_price: Wire = None
    margin_type: Wire = None
    leverage: Wire = None
    update_time: Wire = None


class Asset(Struct):
    """A coin of `assets-detail` and of `futures/asset`, which knows no equity."""

    currency: str
    available_balance: Wire = None
    frozen_balance: Wire = None
    position_deposit: Wire = None
    equity: Wire = None
    unrealized: Wire = None


class Wallet(Struct):
    """`data` of a sub-account's wallet."""

    wallet: list[Raw] | None


class WalletEntry(Struct):
    """One coin of a sub-account's wallet."""

    currency: str
    available: Wire = None
    frozen: Wire = None


class Claimed(Struct):
    """`claim` on the demo host: `amount` is the balance afterwards."""

    currency: str
    amount: Wire


class Transaction(Struct):
    """A row of `transaction-history`: a signed `amount`; `flow_type` is not always there, `time` in ms."""

    asset: str
    amount: Wire
    type: Wire = None
    flow_type: Wire = None
    symbol: Wire = None
    time: Wire = None
    tran_id: Wire = None


class Transfers(Struct):
    """`data` of `transfer-contract-list`."""

    records: list[Raw] | None


class Transfer(Struct):
    """A transfer between the spot and the futures wallet."""

    currency: str
    amount: Wire
    type: Wire
    state: Wire = None
    transfer_id: Wire = None
    timestamp: Wire = None


class Leverage(Struct):
    """What `submit-leverage` has set."""

    symbol: str
    leverage: Wire = None
    open_type: Wire = None


class PositionMode(Struct):
    """What `get-position-mode` reads."""

    position_mode: Wire


class FeeRate(Struct):
    """What `trade-fee-rate` says of one contract, as fractions."""

    symbol: str
    maker_fee_rate: Wire
    taker_fee_rate: Wire


class Bracket(Struct):
    """One tier of `leverage-bracket`: amounts in quote units."""

    notional_floor: Wire
    notional_cap: Wire
    maint_margin_ratio: Wire
    cum: Wire = None


class BracketRule(Struct):
    """The tiers of one contract."""

    symbol: str
    brackets: list[Bracket]


class BracketRules(Struct):
    """The tiers of contracts, each to be read for itself."""

    rules: list[Raw]


# ------------------------------------------------------------------------------------------------ market, REST


class Contracts(Struct):
    """`data` of `details`."""

    symbols: list[Raw] | None


class Contract(Struct):
    """One contract. `vol_precision` and `price_precision` are steps; `product_type` 1 perpetual, 2 dated."""

    symbol: str
    base_currency: str
    quote_currency: str
    contract_size: Wire
    price_precision: Wire
    vol_precision: Wire = None
    volume_precision: Wire = None  # as the docs' table has it (PROTOCOL 10.14)
    min_volume: Wire = None
    max_volume: Wire = None
    max_leverage: Wire = None
    product_type: Wire = None
    expire_timestamp: Wire = None
    status: Wire = None


class LevelRow(Struct, array_like=True):
    """One price of a book, by position."""

    price: Wire
    vol: Wire


class Level(Struct):
    """One price of a book, by name."""

    price: Wire
    vol: Wire


class Depth(Struct):
    """`depth`: whole, without a sequence number; a side of an empty book is null."""

    symbol: str
    asks: list[LevelRow] | None = None
    bids: list[LevelRow] | None = None
    timestamp: Wire = None


class MarketTrade(Struct):
    """A row of `market-trade`: `qty` in coins, `time` in seconds."""

    symbol: str
    price: Wire
    qty: Wire
    time: Wire = None
    is_buyer_maker: Wire = None


class Kline(Struct):
    """A row of `kline` and `markprice-kline`: `timestamp` in seconds, volume in contracts."""

    timestamp: Wire
    open_price: Wire
    high_price: Wire
    low_price: Wire
    close_price: Wire
    volume: Wire = None


class FundingRate(Struct):
    """`funding-rate` and a row of `funding-rate-v2`: `rate_value` is the last settled, `funding_time` the next."""

    symbol: str
    rate_value: Wire = None
    expected_rate: Wire = None
    funding_time: Wire = None
    timestamp: Wire = None


class Rows(Struct):
    """`data` of `funding-rate-v2` and `funding-rate-history`."""

    rows: list[Raw] | None = field(name="list")  # a field named `list` hides the type from annotations read late


class SettledRate(Struct):
    """A row of `funding-rate-history`."""

    symbol: str
    funding_rate: Wire
    funding_time: Wire = None


# ------------------------------------------------------------------------------------------------ streams


class Frame(Struct):
    """Any frame: a push has `group` and `data`; everything else has `success`, and `error` where it is false."""

    group: Wire = None
    action: Wire = None
    success: Wire = None
    error: Wire = None
    data: Raw | UnsetType = UNSET


class LastTrade(Struct):
    """The one trade an order push shows; `fee` is negative when paid."""

    lastTradeID: Wire = None
    fillQty: Wire = None
    fillPrice: Wire = None
    fee: Wire = None
    feeCcy: Wire = None


class PushedOrder(Order):
    """The order of a push: cumulative, as in REST, with its last trade."""

    plan_order_id: Wire = None
    last_trade: LastTrade | str | None = None  # where there is none: null, and other absences are spelled "-"


class OrderPush(Struct):
    """An element of `futures/order`; `action` says what happened (PROTOCOL 8.3)."""

    order: PushedOrder
    action: Wire = None


class PositionPush(Struct):
    """An element of `futures/position`. `open_type` is 1 isolated, 2 cross here; `liquidate_price` "0" for none."""

    symbol: str
    hold_volume: Wire
    position_type: Wire = None
    position_mode: Wire = None
    open_type: Wire = None
    hold_avg_price: Wire = None
    liquidate_price: Wire = None
    update_time: Wire = None


class Ticker(Struct):
    """`futures/ticker`, without a time; `mark_price` was `fair_price` before 2025-02."""

    symbol: str
    last_price: Wire = None
    bid_price: Wire = None
    ask_price: Wire = None
    mark_price: Wire = None
    fair_price: Wire = None


class BookTicker(Struct):
    """`futures/bookticker`."""

    symbol: str
    best_bid_price: Wire = None
    best_ask_price: Wire = None
    ms_t: Wire = None


class DepthSide(Struct):
    """`futures/depth<n>`: one side a frame, `way` 1 bids, 2 asks."""

    symbol: str
    way: Wire
    depths: list[Level] | None = None
    ms_t: Wire = None


class DepthPush(Struct):
    """`futures/depthAll<n>` (whole) and `futures/depthIncrease<n>` (a snapshot, then updates)."""

    symbol: str
    asks: list[Level] | None = None
    bids: list[Level] | None = None
    type: Wire = None
    version: Wire = None
    ms_t: Wire = None


class DepthPushV2(Struct):
    """`futures/v2/depthAll<n>` and `futures/v2/depthIncrease<n>`: levels by position."""

    symbol: str
    asks: list[LevelRow] | None = None
    bids: list[LevelRow] | None = None
    type: Wire = None
    version: Wire = None
    ms_t: Wire = None


class PublicTrade(Struct):
    """An element of `futures/trade`: `m` when the buyer is the maker, or the older `way` 1 to 8."""

    symbol: str
    deal_price: Wire
    deal_vol: Wire
    trade_id: Wire = None
    m: Wire = None
    way: Wire = None
    created_at: Wire = None
    create_time_mill: Wire = None
    create_time: Wire = None


class Candle(Struct):
    """One bar of a kline push; `ts` in seconds, no reliable start of the bar."""

    ts: Wire
    o: Wire
    h: Wire
    l: Wire  # noqa: E741 -- the venue's letter
    c: Wire
    v: Wire = None


class KlinePush(Struct):
    """`futures/klineBin<interval>`: bars in `items`, or, in the docs, one bar flat."""

    symbol: str
    items: list[Raw] | None = None
    ts: Wire = None
    o: Wire = None
    h: Wire = None
    l: Wire = None  # noqa: E741 -- the venue's letter
    c: Wire = None
    v: Wire = None


class FundingPush(Struct):
    """`futures/fundingRate`: `fundingRate` is the last settled, the next settlement has the `next` fields."""

    symbol: str
    fundingRate: Wire = None
    nextFundingRate: Wire = None
    nextFundingTime: Wire = None
    ts: Wire = None
