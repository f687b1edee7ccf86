"""The requests of the corpus beside ours: what we would send for the same purpose, and what we never send."""

from collections.abc import Mapping
from decimal import Decimal

from msgspec import Struct

from adapters.bitmart.sign import Credentials
from adapters.bitmart.spot import requests
from adapters.bitmart.spot.dialect import login, subscribe
from oms.values import ClientOrderId, OrderType, Side, Symbol, VenueOrderId
from oms.venue import NewOrder, OrderRef

DOCUMENTED = Credentials(  # the key of the official docs' examples
    key="80618e45710812162b04892c7ee5ead4a3cc3e56",
    secret="6c6c98544461bbe71db2bca4c6d7fd0021e0ba9efc215f9c6ad41852df9d9df9",
    memo="test001",
)
OUR_ID = ClientOrderId("oms1")


class Ours(Struct, frozen=True):
    """Our body, the fields that only we send, and what theirs says otherwise or besides."""

    body: bytes
    added: tuple[str, ...] = ()
    theirs: Mapping[str, object] = {}


def limit(symbol: str, side: Side, size: str, price: str) -> bytes:
    return requests.submit(
        NewOrder(
            client_order_id=OUR_ID,
            symbol=Symbol(symbol),
            side=side,
            type=OrderType.LIMIT,
            quantity=Decimal(size),
            price=Decimal(price),
        )
    )


def cancel(symbol: str, venue_order_id: str) -> bytes:
    return requests.cancel(
        OrderRef(client_order_id=OUR_ID, symbol=Symbol(symbol), venue_order_id=VenueOrderId(venue_order_id))
    )


MARKET_BUY = requests.submit(
    NewOrder(
        client_order_id=OUR_ID,
        symbol=Symbol("LTC/USDT"),
        side=Side.BUY,
        type=OrderType.MARKET,
        notional=Decimal(5),
    )
)
ID_AND_STP = ("client_order_id", "stpMode")  # ours always carry both
LISTED = ("orderMode", "limit", "recvWindow")
TEN_OF_ONE = {"symbol": "BTC_USDT", "limit": 10}  # we ask for all symbols and as many rows as there may be
ONE_WINDOW = requests.query_list(1682239845952, 1682239850952)

SENT = {
    "spot_v2_submit_order__bitmartnet_PlaceOrder": Ours(
        limit("BTC/USDT", Side.BUY, "10", "7000"), added=("client_order_id",)
    ),
    "spot_v2_submit_order__captured_market_buy": Ours(MARKET_BUY, added=ID_AND_STP),
    "spot_v2_submit_order__ccxt_request_spot_limit_buy": Ours(
        limit("LTC/USDT", Side.BUY, "0.1", "50"), added=ID_AND_STP
    ),
    "spot_v2_submit_order__postman": Ours(
        limit("BTC/USDT", Side.SELL, "10", "700000"), added=("client_order_id",), theirs={"stpMode": "cancel_maker"}
    ),
    "spot_v3_cancel_order__bitmartnet_CancelOrder": Ours(cancel("BTC/USDT", "112121212")),
    "spot_v3_cancel_order__ccxt_request_spot": Ours(cancel("LTC/USDT", "200683008340521505")),
    "spot_v3_cancel_order__postman": Ours(cancel("BTC/USDT", "137478201134227466")),
    "spot_v4_query_client_order__docs": Ours(
        requests.query_client_order("118100034543076010"), theirs={"queryState": "open"}
    ),
    "spot_v4_query_order__docs": Ours(requests.query_order("118100034543076010"), theirs={"queryState": "open"}),
    "spot_v4_query_order_trades__docs": Ours(requests.query_order("118100034543076010")),
    "spot_v4_query_open_orders__docs": Ours(requests.query_list(1682239652931, 1682239657931), theirs=TEN_OF_ONE),
    "spot_v4_query_open_orders__ccxt_request_spot": Ours(
        requests.query_list(), added=LISTED, theirs={"symbol": "LTC_USDT"}
    ),
    "spot_v4_query_trades__docs": Ours(ONE_WINDOW, theirs=TEN_OF_ONE),
    "spot_v4_query_trades__postman": Ours(requests.query_list(1744787545000, 1747379545000), theirs=TEN_OF_ONE),
    "spot_v4_query_trades__ccxt_request_spot": Ours(
        requests.query_list(1699457638000), added=LISTED, theirs={"symbol": "LTC_USDT", "limit": 5}
    ),
    "docs_login": Ours(login(DOCUMENTED, 1589267764859).encode()),
    "docs_balance_change": Ours(subscribe(("spot/user/balance:BALANCE_UPDATE",)).encode()),
}

FUNDS = "the OMS moves no coins between accounts, in or out"
MARGIN = "spot margin is not traded"
MARKET_DATA = "market data is read from the streams"
BATCHES = "batches answer without saying which id is whose (PROTOCOL 5.5)"
HISTORY = "history is read from the trades, which decide"
PUBLIC = "a public stream"
NEVER_SENT = {
    "account_sub_account_main_v1_main_to_sub__postman": FUNDS,
    "account_sub_account_main_v1_sub_to_main__postman": FUNDS,
    "account_sub_account_main_v1_sub_to_sub__bitmartnet_TransferSubAccountToSubAccount": FUNDS,
    "account_sub_account_main_v1_transfer_list__postman": FUNDS,
    "account_sub_account_main_v1_wallet__bitmartnet_GetSubAcccountBalance": FUNDS,
    "account_sub_account_sub_v1_sub_to_main__postman": FUNDS,
    "account_sub_account_sub_v1_sub_to_sub__postman": FUNDS,
    "account_sub_account_v1_transfer_history__bitmartnet_GetSubAccountTransferHistory": FUNDS,
    "account_sub_account_v1_transfer_history__postman": FUNDS,
    "account_v1_currencies__docs": FUNDS,
    "account_v1_currencies__postman": FUNDS,
    "account_v1_deposit_address__ccxt_static": FUNDS,
    "account_v1_deposit_address__postman": FUNDS,
    "account_v1_deposit_withdraw_detail__bitmartnet_GetDepositWithdrawal": FUNDS,
    "account_v1_wallet__docs": "balances are read from the spot wallet",
    "account_v1_wallet__postman": "balances are read from the spot wallet",
    "account_v1_withdraw_apply__postman": FUNDS,
    "account_v1_withdraw_charge__bitmartnet_GetWithdrawalQuota": FUNDS,
    "account_v2_deposit_withdraw_history__ccxt_request_all": FUNDS,
    "account_v2_deposit_withdraw_history__docs": FUNDS,
    "account_v2_deposit_withdraw_history__postman": FUNDS,
    "auth_signature_vector": "a path that does not exist; its signature is checked below",
    "spot_v1_margin_isolated_account__bitmartnet_GetIsolatedMarginAccount": MARGIN,
    "spot_v1_margin_isolated_borrow__bitmartnet_Borrow": MARGIN,
    "spot_v1_margin_isolated_borrow__postman": MARGIN,
    "spot_v1_margin_isolated_borrow_record__bitmartnet_GetBorrowHistory": MARGIN,
    "spot_v1_margin_isolated_borrow_record__postman": MARGIN,
    "spot_v1_margin_isolated_pairs__bitmartnet_GetBorrowInfo": MARGIN,
    "spot_v1_margin_isolated_repay__bitmartnet_Repay": MARGIN,
    "spot_v1_margin_isolated_repay_record__bitmartnet_GetRepayHistory": MARGIN,
    "spot_v1_margin_isolated_repay_record__postman": MARGIN,
    "spot_v1_margin_isolated_transfer__docs": MARGIN,
    "spot_v1_margin_submit_order__ccxt_request_margin_limit_buy": MARGIN,
    "spot_v1_margin_submit_order__docs": MARGIN,
    "spot_v1_margin_submit_order__postman": MARGIN,
    "spot_v1_trade_fee__bitmartnet_GetSymbolTradeFee": "one call for each pair; the account's rates are one call",
    "spot_v1_trade_fee__postman": "one call for each pair; the account's rates are one call",
    "spot_v3_books__bitmartnet_GetOrderBook": MARKET_DATA,
    "spot_v3_books__postman": MARKET_DATA,
    "spot_v3_klines__bitmartnet_GetKlineHistory": MARKET_DATA,
    "spot_v3_klines__postman": MARKET_DATA,
    "spot_v3_lite_klines__bitmartnet_GetKlines": MARKET_DATA,
    "spot_v3_lite_klines__postman": MARKET_DATA,
    "spot_v3_ticker__bitmartnet_GetTicker": MARKET_DATA,
    "spot_v3_trades__bitmartnet_GetTrades": MARKET_DATA,
    "spot_v3_trades__postman": MARKET_DATA,
    "spot_v4_batch_orders__bitmartnet_PlaceMultipleOrders": BATCHES,
    "spot_v4_batch_orders__postman": BATCHES,
    "spot_v4_cancel_all__bitmartnet_CancelAllOrder": "orders are canceled one by one, each with its evidence",
    "spot_v4_cancel_orders__bitmartnet_CancelOrders": "orders are canceled one by one, each with its evidence",
    "spot_v4_query_history_orders__ccxt_request_spot": HISTORY,
    "spot_v4_query_history_orders__docs": HISTORY,
    "bitmartnet_Balance": "its login holds placeholders; the topic is compared in docs_balance_change",
    "bitmartnet_Order": "its login holds placeholders; the topic is compared in the test of our topics",
    "bitmartnet_Concurrent": PUBLIC,
    "bitmartnet_Kline": PUBLIC,
    "bitmartnet_OrderBook": PUBLIC,
    "bitmartnet_PartialBook": PUBLIC,
    "bitmartnet_Ticker": PUBLIC,
    "bitmartnet_Trades": PUBLIC,
    "docs_control_frames": PUBLIC,
    "docs_depth_all_channel": PUBLIC,
    "docs_depth_increase_channel": PUBLIC,
    "docs_kline_channel": PUBLIC,
    "docs_order_progress": "one topic a frame there, both in one frame here; see the test of our topics",
    "docs_ticker_channel": PUBLIC,
    "docs_trade_channel": PUBLIC,
}
