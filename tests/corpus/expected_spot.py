"""What every spot payload of the corpus means, read by hand from the payload: file by file, value by value."""

from decimal import Decimal

from oms.reports import (
    Ack,
    BalanceReport,
    BookReport,
    CandleReport,
    Control,
    InstrumentReport,
    OrderReport,
    PublicTradeReport,
    Refusal,
    RefusalClass,
    Report,
    TickerReport,
    TradeReport,
    Unreadable,
    VenueOrderStatus,
)
from oms.values import ClientOrderId, Currency, ExecId, Liquidity, Side, Symbol, VenueOrderId


def balance(
    currency: str,
    available: str,
    held: str,
    *,
    total: str | None = None,
    equity: str | None = None,
    at_ms: int | None = None,
) -> BalanceReport:
    return BalanceReport(
        currency=Currency(currency),
        available=Decimal(available),
        held=Decimal(held),
        total=None if total is None else Decimal(total),
        equity=None if equity is None else Decimal(equity),
        at_ms=at_ms,
    )


def ack(venue_order_id: str) -> Ack:
    return Ack(venue_order_id=VenueOrderId(venue_order_id))


def refusal(klass: RefusalClass, reason: str, code: str, text: str) -> Refusal:
    return Refusal(klass=klass, reason=reason, code=code, text=text)


def instrument(symbol: str, price_step: str, quantity_step: str, notional_min: str) -> InstrumentReport:
    """A market whose smallest order is one step, as all of the corpus are."""
    base, quote = symbol.split("/")
    return InstrumentReport(
        symbol=Symbol(symbol),
        venue_symbol=f"{base}_{quote}",
        base=Currency(base),
        quote=Currency(quote),
        price_step=Decimal(price_step),
        quantity_step=Decimal(quantity_step),
        quantity_min=Decimal(quantity_step),
        notional_min=Decimal(notional_min),
        tradable=True,
    )


def ticker(symbol: str, bid: str, ask: str, last: str, at_ms: int) -> TickerReport:
    return TickerReport(symbol=Symbol(symbol), bid=Decimal(bid), ask=Decimal(ask), last=Decimal(last), at_ms=at_ms)


def candle(open_ms: int, figures: str, symbol: str | None = None, interval: str | None = None) -> CandleReport:
    """`figures`: open, high, low, close, volume."""
    opened, high, low, close, volume = map(Decimal, figures.split())
    return CandleReport(
        symbol=None if symbol is None else Symbol(symbol),
        interval=interval,
        open_ms=open_ms,
        open=opened,
        high=high,
        low=low,
        close=close,
        volume=volume,
    )


def book(
    symbol: str, bids: str, asks: str, at_ms: int, *, version: int | None = None, update: bool = False
) -> BookReport:
    """`bids`, `asks`: price@quantity, best first."""

    def levels(side: str) -> tuple[tuple[Decimal, Decimal], ...]:
        return tuple((Decimal(price), Decimal(size)) for price, size in (level.split("@") for level in side.split()))

    return BookReport(
        symbol=Symbol(symbol), bids=levels(bids), asks=levels(asks), at_ms=at_ms, version=version, update=update
    )


def public_trade(symbol: str, price: str, quantity: str, side: Side, at_ms: int) -> PublicTradeReport:
    return PublicTradeReport(
        symbol=Symbol(symbol), price=Decimal(price), quantity=Decimal(quantity), side=side, at_ms=at_ms
    )


# The order of the docs: bought below its limit. Its clientOrderId is its own orderId, so it had none.
FILLED = OrderReport(
    symbol=Symbol("BTC/USDT"),
    status=VenueOrderStatus.FILLED,
    venue_order_id=VenueOrderId("118100034543076010"),
    side=Side.BUY,
    order_type="limit",
    quantity=Decimal("0.10000"),
    cum_quantity=Decimal("0.10000"),
    cum_notional=Decimal("3999.90000"),
    price=Decimal("48800.00"),
    average_price=Decimal("39999.00"),
    created_ms=1681701557927,
    updated_ms=1681701559408,
)
RESTING = OrderReport(
    symbol=Symbol("BTC/USDT"),
    status=VenueOrderStatus.NEW,
    venue_order_id=VenueOrderId("125213058731346056"),
    side=Side.BUY,
    order_type="limit",
    quantity=Decimal("0.10000"),
    cum_quantity=Decimal(0),
    cum_notional=Decimal(0),
    price=Decimal("800.00"),
    average_price=None,  # "0.00": none
    created_ms=1681892198608,
    updated_ms=1681892198946,
)


def taken(exec_id: str, venue_order_id: str, at_ms: int) -> TradeReport:
    """The trade of the docs: 0.1 BTC at 39999, a fee of 9.99975 USDT."""
    return TradeReport(
        exec_id=ExecId(exec_id),
        symbol=Symbol("BTC/USDT"),
        price=Decimal("39999.00"),
        quantity=Decimal("0.10000"),
        venue_order_id=VenueOrderId(venue_order_id),
        side=Side.BUY,
        commission=Decimal("9.99975000"),
        commission_currency=Currency("USDT"),
        liquidity=Liquidity.TAKER,
        at_ms=at_ms,
    )


OF_THE_ORDER = taken("122177405911172002", "118100034543076010", 1681701559210)
OF_THE_ACCOUNT = taken("125277182593091639", "125213058731346053", 1681891896569)

KLINES = (
    candle(1689736680000, "3.721 3.743 3.677 3.708 22698348.04828491"),
    candle(1689736620000, "3.731 3.799 3.494 3.72 67632347.24399722"),
)
CERTAIN, AUTH = RefusalClass.CERTAIN, RefusalClass.AUTH

ANSWERS: dict[str, tuple[Report, ...]] = {
    # trading
    "spot_v2_submit_order__bitmartnet_PlaceOrder": (ack("1223181"),),
    "spot_v2_submit_order__captured_market_buy": (ack("200680753482701809"),),
    "spot_v1_margin_submit_order__bitmartnet_PlaceMarginOrder": (ack("1223181"),),
    "spot_v1_margin_submit_order__docs": (ack("1223181"),),  # a JSON number there
    "spot_v4_batch_orders__bitmartnet_PlaceMultipleOrders": (ack("212751308355553320"),),
    "spot_v3_cancel_order__bitmartnet_CancelOrder": (Ack(),),
    "spot_v4_cancel_orders__bitmartnet_CancelOrders": (ack("213055379155243012"),),
    "spot_v4_cancel_all__bitmartnet_CancelAllOrder": (Ack(),),
    "spot_v4_query_order__bitmartnet_GetOrder": (FILLED,),
    "spot_v4_query_order__docs": (FILLED,),
    "spot_v4_query_client_order__bitmartnet_GetOrderByClientOrderId": (FILLED,),
    "spot_v4_query_client_order__docs": (FILLED,),
    "spot_v4_query_history_orders__bitmartnet_GetClosedOrders": (FILLED,),
    "spot_v4_query_history_orders__docs": (FILLED,),
    "spot_v4_query_open_orders__bitmartnet_GetOpenOrders": (RESTING,),
    "spot_v4_query_open_orders__docs": (RESTING,),
    "spot_v4_query_order_trades__bitmartnet_GetOrderTrades": (OF_THE_ORDER,),
    "spot_v4_query_order_trades__docs": (OF_THE_ORDER,),
    "spot_v4_query_trades__bitmartnet_GetUserTrades": (OF_THE_ACCOUNT,),
    "spot_v4_query_trades__docs": (OF_THE_ACCOUNT,),
    # refusals
    "error_30005_sign_wrong": (refusal(AUTH, "signature", "30005", "Header X-BM-SIGN is wrong"),),
    "error_50000_bad_request": (refusal(CERTAIN, "invalid_request", "50000", "Bad Request [to is empty]"),),
    "error_50020_balance_not_enough": (refusal(CERTAIN, "insufficient_funds", "50020", "Balance not enough"),),
    "error_50029_min_notional": (refusal(CERTAIN, "invalid_order", "50029", "param not match : size * price >=1000"),),
    "error_50032_order_does_not_exist": (refusal(CERTAIN, "order_not_found", "50032", "Order does not exist"),),
    "error_61001_balance_not_enough": (refusal(CERTAIN, "insufficient_funds", "61001", "Balance not enough"),),
    # balances
    "spot_v1_wallet__bitmartnet_GetSpotBalances": (balance("BTC", "10.000000", "10.000000"),),
    "account_v1_wallet__bitmartnet_GetFundingBalances": (balance("USDT", "1000", "0"),),
    "account_v1_wallet__ccxt": (balance("BTC", "0.00000062", "0"), balance("ETH", "0.00002277", "0")),
    "account_v1_wallet__docs": (balance("USDT", "1000", "0"),),
    "account_sub_account_main_v1_wallet__bitmartnet_GetSubAcccountBalance": (
        balance("USDT", "1000", "0"),
        balance("BTC", "10000", "10"),
    ),
    "spot_v1_margin_isolated_account__bitmartnet_GetIsolatedMarginAccount": (
        balance("BTC", "112.89603334", "0", total="112.89603334", equity="110.89603334"),
        balance("USDT", "10", "0", total="10", equity="10"),
    ),
    # markets
    "spot_v1_symbols_details__captured": (
        instrument("BTC/USDT", "0.01", "0.00001", "5"),
        instrument("LTC/BTC", "0.00000001", "0.001", "0.0001"),
        instrument("SOL/USDC", "0.0001", "0.01", "5"),
    ),
    "spot_v1_symbols_details__ccxt_static": (
        instrument("BTC/USDT", "0.01", "0.00001", "5"),
        instrument("LTC/USDT", "0.0001", "0.001", "5"),
    ),
    "spot_v1_symbols_details__docs": (instrument("GXC/BTC", "0.00000001", "1", "0.0001"),),
    "spot_v3_ticker__bitmartnet_GetTicker": (ticker("BTC/USDT", "30000", "31012.44", "30000.00", 1691671061919),),
    "spot_v3_tickers__captured": (
        ticker("AVAX/USDT", "7.5045", "7.5175", "7.5390", 1787857403380),
        ticker("TRX/USDT", "0.337399", "0.337501", "0.337701", 1787857403218),
    ),
    "spot_v3_tickers__docs": (
        ticker("BTC/USDT", "30000", "31012.44", "30000.00", 1691671091933),
        ticker("ETH/USDT", "1812.35", "1859.34", "1840.00", 1691671094213),
    ),
    "spot_v3_books__bitmartnet_GetOrderBook": (
        book("BTC/USDT", "30000.00@1.00000", "31012.44@69994.75267", 1691672864874),
    ),
    "spot_v3_klines__bitmartnet_GetKlineHistory": KLINES,
    "spot_v3_lite_klines__bitmartnet_GetKlines": KLINES,
    "spot_v3_trades__bitmartnet_GetTrades": (public_trade("BMX/ETH", "1", "1.0", Side.SELL, 1691743270994),),
    # the venue took it, and that is all it says
    "account_sub_account_main_v1_main_to_sub__bitmartnet_TransferMainToSubAccount": (Ack(),),
    "account_sub_account_main_v1_sub_to_main__bitmartnet_TransferSubToMainForMain": (Ack(),),
    "account_sub_account_main_v1_sub_to_sub__bitmartnet_TransferSubAccountToSubAccount": (Ack(),),
    "account_sub_account_sub_v1_sub_to_main__bitmartnet_TransferSubToMainForSub": (Ack(),),
    "account_v1_withdraw_apply__bitmartnet_Withdraw": (Ack(),),
    "spot_v1_margin_isolated_borrow__bitmartnet_Borrow": (Ack(),),
    "spot_v1_margin_isolated_repay__bitmartnet_Repay": (Ack(),),
    "spot_v1_margin_isolated_transfer__bitmartnet_IsolatedMarginTransfer": (Ack(),),
    "spot_v1_margin_isolated_transfer__docs": (Ack(),),
}

ADDRESSES = "where coins may go to or come from"
COINS = "which coins can be deposited and withdrawn"
LOANS = "loans: the contract with a venue has no report for them"
MOVES = "moves between accounts named by mail address: the asked one is not named, so no sign can be given"
WITHDRAWALS = "the record's status is a number whose meaning no source gives, so no movement can be claimed"
NO_REPORTS = {
    "account_sub_account_main_v1_subaccount_list__bitmartnet_GetSubAccountList": "names of sub-accounts",
    "account_sub_account_main_v1_transfer_list__bitmartnet_GetSubAccountTransferHistoryForMain": MOVES,
    "account_sub_account_v1_transfer_history__bitmartnet_GetSubAccountTransferHistory": MOVES,
    "account_v1_currencies__bitmartnet_GetAssetDepositWithdrawInfo": COINS,
    "account_v1_currencies__docs": COINS,
    "spot_v1_currencies__docs": COINS,
    "account_v1_deposit_address__bitmartnet_GetDepositAddress": ADDRESSES,
    "account_v1_deposit_address__ccxt_static": ADDRESSES,
    "account_v1_withdraw_address_list__ccxt": ADDRESSES,
    "account_v1_withdraw_address_list__docs": ADDRESSES,
    "account_v1_deposit_withdraw_detail__bitmartnet_GetDepositWithdrawal": WITHDRAWALS,
    "account_v2_deposit_withdraw_history__docs": WITHDRAWALS,
    "account_v1_withdraw_charge__bitmartnet_GetWithdrawalQuota": "a quota",
    "spot_v1_margin_isolated_borrow_record__bitmartnet_GetBorrowHistory": LOANS,
    "spot_v1_margin_isolated_repay_record__bitmartnet_GetRepayHistory": LOANS,
    "spot_v1_margin_isolated_pairs__bitmartnet_GetBorrowInfo": LOANS,
    "spot_v1_symbols__docs": "names of markets without their grid",
    "spot_v1_trade_fee__bitmartnet_GetSymbolTradeFee": "one pair's rates: the adapter reads the account's (user_fee)",
    "spot_v1_user_fee__bitmartnet_GetTradeFees": "rates: read as a message, see FEES",
    "spot_v1_user_fee__docs": "rates: read as a message, see FEES",
    "system_time__docs": "the time: read as a message, see SERVER_TIME_MS",
    "system_service__bitmartnet_GetServerStatus": "windows of maintenance: the contract has no report for them",
}
SERVER_TIME_MS = {"system_time__docs": 1527777538000}
FEES = {  # maker, taker, of class A
    "spot_v1_user_fee__bitmartnet_GetTradeFees": ("0.001", "0.001"),
    "spot_v1_user_fee__docs": ("0.001", "0.001"),
}

# ------------------------------------------------------------------------------------------------ streams


def subscribed(topic: str) -> tuple[Report, ...]:
    return (Control(event="subscribed", text=topic),)


LOGGED_IN: tuple[Report, ...] = (Control(event="login"),)
BALANCE: tuple[Report, ...] = (balance("BTC", "123.22", "12.56", at_ms=1693364237000),)
TICKER: dict[str, tuple[Report, ...]] = {
    symbol: (ticker(symbol, "35000", "36000", "35000.00", 1709024652967),) for symbol in ("BTC/USDT", "ETH/USDT")
}
DEPTH: tuple[Report, ...] = (book("ETH/USDT", "161.94@4.552355", "161.96@7.37567", 1542337219120),)
SNAPSHOT = "23200@0.69959 28000.00@0.20000"
TRADE: tuple[Report, ...] = (public_trade("ETH/USDT", "162.12", "11.085", Side.BUY, 1542337219120),)
FIGURES = "162.01 162.02 162.03 162.04 336.452694"

# The docs' order contradicts itself (state 4 beside partially_filled, a market buy with a size and a price): the word
# is believed, and of the fee nobody knows whether it is the last trade's or the order's.
PUSHED: tuple[Report, ...] = (
    OrderReport(
        symbol=Symbol("BTC/USDT"),
        status=VenueOrderStatus.PARTIALLY_FILLED,
        venue_order_id=VenueOrderId("2147857398"),
        client_order_id=ClientOrderId("order4872191"),
        side=Side.BUY,
        order_type="market",
        quantity=Decimal(1),
        cum_quantity=Decimal(1),
        cum_notional=Decimal(46100),
        price=Decimal(46100),
        created_ms=1609926028000,
        updated_ms=1609926044000,
    ),
    TradeReport(
        exec_id=ExecId("256348632"),
        symbol=Symbol("BTC/USDT"),
        price=Decimal(46100),
        quantity=Decimal(1),
        venue_order_id=VenueOrderId("2147857398"),
        client_order_id=ClientOrderId("order4872191"),
        side=Side.BUY,
        liquidity=Liquidity.MAKER,
        at_ms=1609926039226,
    ),
)
CUT: tuple[Report, ...] = (
    Unreadable(cause="Expected `array` of at least length 6, got 1 - at `$.candle`, of symbol ETH_USDT"),
)

FRAMES: dict[str, tuple[tuple[Report, ...], ...]] = {
    "bitmartnet_Balance": (LOGGED_IN, subscribed("spot/user/balance:BALANCE_UPDATE"), BALANCE),
    "bitmartnet_Concurrent": (  # its candles are cut to their time
        subscribed("spot/kline1H:ETH_USDT"),
        subscribed("spot/kline1D:ETH_USDT"),
        CUT,
        CUT,
    ),
    "bitmartnet_Kline": (
        subscribed("spot/kline1M:ETH_USDT"),
        (candle(1709025360000, FIGURES, "ETH/USDT", "1M"),),
    ),
    "bitmartnet_Order": (LOGGED_IN, subscribed("spot/user/orders:ALL_SYMBOLS"), PUSHED),
    "bitmartnet_OrderBook": (
        subscribed("spot/depth/increase100:ETH_USDT"),
        (book("ETH/USDT", "23105@1.80114", SNAPSHOT, 1698292343610, version=4),),
    ),
    "bitmartnet_PartialBook": (subscribed("spot/depth5:ETH_USDT"), DEPTH),
    "bitmartnet_Ticker": (subscribed("spot/ticker:ETH_USDT"), TICKER["ETH/USDT"]),
    "bitmartnet_Trades": (subscribed("spot/trade:ETH_USDT"), TRADE),
    "captured_login_ack": (LOGGED_IN,),
    "docs_balance_change": (subscribed("spot/user/balance:BALANCE_UPDATE"), BALANCE),
    "docs_control_frames": (
        LOGGED_IN,
        (Control(event="error", text="91002 login: API KEY not found"),),
        (Control(event="error", text="90004 subscribe: Invalid channel param"),),
        (Control(event="unsubscribed", text="spot/ticker:BTC_USDT"),),
        (Control(event="unsubscribed", text="spot/ticker:ETH_USDT"),),
    ),
    "docs_depth_all_channel": (subscribed("spot/depth5:BTC_USDT"), DEPTH),
    "docs_depth_increase_channel": (
        subscribed("spot/depth/increase100:BTC_USDT"),
        (book("BTC/USDT", "23105@1.80114", SNAPSHOT, 1698292343610, version=4),),
        (book("BTC/USDT", "", "23200@0.59959", 1698292358292, version=5, update=True),),
    ),
    "docs_kline_channel": (
        subscribed("spot/kline1m:BTC_USDT"),
        (candle(1709025360000, FIGURES, "BTC/USDT", "1m"),),
    ),
    "docs_login": (LOGGED_IN,),
    "docs_order_progress": (
        subscribed("spot/user/order:BTC_USDT"),
        subscribed("spot/user/orders:ALL_SYMBOLS"),
        PUSHED,
    ),
    "docs_ticker_channel": (subscribed("spot/ticker:BTC_USDT"), TICKER["BTC/USDT"]),
    "docs_trade_channel": (subscribed("spot/trade:BTC_USDT"), TRADE),
}
