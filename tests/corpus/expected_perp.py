"""What every futures payload of the corpus means, read by hand from the payload: file by file, value by value.

Payloads without `position_mode` are read in hedge mode, as `oms decode` does. The documentation's own order examples
are impossible in places (open orders in state 4, leverage 0, a trade of an order that has none): what is read from them
is what their fields say by PROTOCOL 6.9, and is no evidence of what the venue does.
"""

from decimal import Decimal

from oms.reports import (
    Ack,
    BalanceReport,
    BookReport,
    CandleReport,
    Control,
    FundingReport,
    InstrumentReport,
    LedgerReport,
    LeverageReport,
    OrderReport,
    PositionModeReport,
    PositionReport,
    PublicTradeReport,
    Refusal,
    RefusalClass,
    Report,
    TickerReport,
    TradeReport,
    VenueOrderStatus,
)
from oms.values import (
    ZERO,
    ClientOrderId,
    Currency,
    ExecId,
    Liquidity,
    MarginMode,
    PositionEffect,
    PositionLeg,
    PositionMode,
    PriceSource,
    Protection,
    Side,
    Symbol,
    VenueOrderId,
    Wallet,
)

BTC = Symbol("BTC/USDT:USDT")
ETH = Symbol("ETH/USDT:USDT")
LTC = Symbol("LTC/USDT:USDT")
LONG, SHORT, NET = PositionLeg.LONG, PositionLeg.SHORT, PositionLeg.NET
OPEN, CLOSE = PositionEffect.OPEN, PositionEffect.CLOSE
CROSS, ISOLATED = MarginMode.CROSS, MarginMode.ISOLATED
MARK = PriceSource.MARK


def decimal(value: str | None) -> Decimal | None:
    return None if value is None else Decimal(value)


def ack(venue_order_id: str, client_order_id: str | None = None) -> Ack:
    return Ack(
        venue_order_id=VenueOrderId(venue_order_id),
        client_order_id=None if client_order_id is None else ClientOrderId(client_order_id),
    )


def balance(
    currency: str, available: str | None, held: str | None, *, total: str | None = None, equity: str | None = None
) -> BalanceReport:
    return BalanceReport(
        currency=Currency(currency),
        wallet=Wallet.FUTURES,
        available=decimal(available),
        held=decimal(held),
        total=decimal(total),
        equity=decimal(equity),
    )


def position(
    symbol: Symbol,
    leg: PositionLeg,
    quantity: str,
    at_ms: int,
    *,
    average: str | None = None,
    mark: str | None = None,
    margin: MarginMode | None = None,
    leverage: str | None = None,
    liquidation: str | None = None,
) -> PositionReport:
    return PositionReport(
        symbol=symbol,
        leg=leg,
        quantity=Decimal(quantity),
        average_price=decimal(average),
        mark_price=decimal(mark),
        margin_mode=margin,
        leverage=decimal(leverage),
        liquidation_price=decimal(liquidation),
        at_ms=at_ms,
    )


def contract(symbol: Symbol, size: str, step: str, most: str, leverage: str, *, tradable: bool) -> InstrumentReport:
    """A linear contract of which one is the least and the step, as all of the corpus are."""
    base = symbol.partition("/")[0]
    return InstrumentReport(
        symbol=symbol,
        venue_symbol=f"{base}USDT",
        base=Currency(base),
        quote=Currency("USDT"),
        settle=Currency("USDT"),
        contract_size=Decimal(size),
        price_step=Decimal(step),
        quantity_step=Decimal(1),
        quantity_min=Decimal(1),
        quantity_max=Decimal(most),
        notional_min=ZERO,
        leverage_max=Decimal(leverage),
        tradable=tradable,
    )


def funding(symbol: str, rate: str, expected: str | None, next_ms: int | None, at_ms: int) -> FundingReport:
    return FundingReport(
        symbol=Symbol(f"{symbol}/USDT:USDT"),
        rate=Decimal(rate),
        expected_rate=decimal(expected),
        next_ms=next_ms,
        at_ms=at_ms,
    )


def candle(
    open_ms: int,
    figures: str,
    symbol: Symbol | None = None,
    interval: str | None = None,
    of: PriceSource = PriceSource.LAST,
) -> CandleReport:
    """`figures`: open, high, low, close, volume."""
    opened, high, low, close, volume = map(Decimal, figures.split())
    return CandleReport(
        symbol=symbol, interval=interval, of=of, open_ms=open_ms, open=opened, high=high, low=low, close=close,
        volume=volume,
    )  # fmt: skip


def levels(side: str) -> tuple[tuple[Decimal, Decimal], ...]:
    """`side`: price@quantity, best first."""
    return tuple((Decimal(price), Decimal(size)) for price, size in (level.split("@") for level in side.split()))


def ticker(
    symbol: str, bid: str, ask: str, last: str | None, mark: str | None, *, at_ms: int | None = None
) -> TickerReport:
    return TickerReport(
        symbol=Symbol(f"{symbol}/USDT:USDT"),
        bid=Decimal(bid),
        ask=Decimal(ask),
        last=decimal(last),
        mark=decimal(mark),
        at_ms=at_ms,
    )


# The plan order of the docs. It is said to be finished (4), which says neither how, nor why it is in this list.
PLAN = OrderReport(
    symbol=BTC,
    raw_status="4",
    venue_order_id=VenueOrderId("220908185908509"),
    client_order_id=ClientOrderId("BM123"),
    side=Side.SELL,
    position_leg=LONG,
    effect=CLOSE,
    order_type="stop_loss",
    quantity=Decimal(7216),
    price=Decimal(14277),
    margin_mode=ISOLATED,  # and a leverage of "0", which is none
    trigger_price=Decimal(14277),
    created_ms=1662368173000,
    updated_ms=1662368173000,
)
# The open order of the docs, which is filled.
FILLED = OrderReport(
    symbol=BTC,
    status=VenueOrderStatus.FILLED,
    venue_order_id=VenueOrderId("220908185908509"),
    client_order_id=ClientOrderId("BM123"),
    side=Side.SELL,
    position_leg=LONG,
    effect=CLOSE,
    order_type="limit",
    quantity=Decimal(7216),
    cum_quantity=Decimal(7216),
    price=Decimal(14277),
    average_price=Decimal(14277),
    margin_mode=ISOLATED,
    take_profit=Protection(price=Decimal(68000)),
    stop_loss=Protection(price=Decimal(60000), by=PriceSource.MARK),
    created_ms=1662368173000,
    updated_ms=1662368173000,
)


def working(
    client_order_id: str, cum_quantity: str, status: VenueOrderStatus, triggered_by: str | None = None
) -> OrderReport:
    """The order of the docs that is working: filled to its size or not at all, and never finished."""
    return OrderReport(
        symbol=BTC,
        status=status,
        venue_order_id=VenueOrderId("220906179895578"),
        client_order_id=ClientOrderId(client_order_id),
        side=Side.BUY,
        position_leg=LONG,
        effect=OPEN,
        order_type="limit",
        quantity=Decimal(1000),
        cum_quantity=Decimal(cum_quantity),
        price=Decimal(1),
        leverage=Decimal(5),
        margin_mode=ISOLATED,
        triggered_by=None if triggered_by is None else VenueOrderId(triggered_by),
        created_ms=1662368173000,
        updated_ms=1662368173000,
    )


PLANNED = OrderReport(  # a market order that a plan order has sent
    symbol=BTC,
    status=VenueOrderStatus.FILLED,
    venue_order_id=VenueOrderId("3000101684062644"),
    client_order_id=ClientOrderId("PLAN_3000097492004577"),
    triggered_by=VenueOrderId("3000097492004577"),
    side=Side.BUY,
    position_leg=SHORT,
    effect=CLOSE,
    order_type="market",
    quantity=Decimal(1),
    cum_quantity=Decimal(1),
    average_price=Decimal(84802),
    leverage=Decimal(20),
    margin_mode=CROSS,
    created_ms=1743160485193,
    updated_ms=1743160485258,
)
TAKEN = TradeReport(
    exec_id=ExecId("1141853921"),
    symbol=BTC,
    price=Decimal("19313.3"),
    quantity=Decimal(108),
    venue_order_id=VenueOrderId("220921197409432"),
    side=Side.BUY,
    position_leg=LONG,
    effect=OPEN,
    commission=ZERO,
    commission_currency=Currency("USDT"),
    liquidity=Liquidity.MAKER,
    realized_pnl=Decimal("-0.00832"),
    at_ms=1663663818589,
)
LAST_TRADE = TradeReport(  # of the order push of the docs: a fee of -0.00027 is a cost
    exec_id=ExecId("1247592391"),
    symbol=BTC,
    price=Decimal("25667.2"),
    quantity=Decimal(1),
    venue_order_id=VenueOrderId("220906179895578"),
    client_order_id=ClientOrderId("BM1234"),
    side=Side.BUY,
    position_leg=LONG,
    effect=OPEN,
    commission=Decimal("0.00027"),
    commission_currency=Currency("USDT"),
    at_ms=1662368173000,
)
RISK = position(BTC, LONG, "1", 1712390438000, mark="67957.7", margin=ISOLATED, leverage="20", liquidation="64245")


def flat(leg: PositionLeg, at_ms: int, mark: str) -> PositionReport:
    """Nothing is held (current_amount "0"), whatever position_amount says in the docs."""
    return position(BTC, leg, "0", at_ms, mark=mark, margin=ISOLATED, leverage="51")


# The second bar begins a second late; which symbol's bars they are, and how long, the payload does not say.
PROBED = (candle(1662518160000, "100 130 90 120 941008"), candle(1662518160000, "100 130 90 120 941008"))
MARKED = (
    candle(1662518160000, "100 130 90 120 941008", of=MARK),
    candle(1662518160000, "100 130 90 120 941008", of=MARK),
)
ORDER_ACK = (ack("220609666322019"),)
TAKEN_NO_MORE = (Ack(),)

ANSWERS: dict[str, tuple[Report, ...]] = {
    "account_contract_sub_account_main_v1_main_to_sub__bitmartnet_TransferMainToSubForMain": TAKEN_NO_MORE,
    "account_contract_sub_account_main_v1_sub_to_main__bitmartnet_TransferSubToMainForMain": TAKEN_NO_MORE,
    "account_contract_sub_account_main_v1_wallet__bitmartnet_GetSubAcccountBalance": (
        balance("USDT", "204.15216696", "0.00000000"),
    ),
    "account_contract_sub_account_sub_v1_sub_to_main__bitmartnet_TransferSubToMainForSub": TAKEN_NO_MORE,
    "account_v1_transfer_contract__bitmartnet_Transfer": TAKEN_NO_MORE,  # the answer does not say which way
    "account_v1_transfer_contract_list__bitmartnet_GetTransferHistory": (
        LedgerReport(
            currency=Currency("USDT"),
            amount=Decimal("-0.1"),  # contract_to_spot: it left the futures wallet
            flow="transfer",
            ledger_id="664651258694168576",
            at_ms=1638631674326,
        ),
    ),
    "assets_detail__bitmartnet_GetBalances": (  # all "100": equity is not what it is made of, as the protocol says
        balance("USDT", "100", "200", total="0", equity="100"),
        balance("BTC", "0", "0", total="0", equity="0"),
        balance("ETH", "0", "0", total="0", equity="0"),
    ),
    "cancel_all_after__bitmartnet_CancelAllAfter": TAKEN_NO_MORE,
    "cancel_order__bitmartnet_CancelOrder": TAKEN_NO_MORE,
    "cancel_orders__bitmartnet_CancelOrders": TAKEN_NO_MORE,
    "cancel_plan_order__bitmartnet_CancelTriggerOrder": TAKEN_NO_MORE,
    "cancel_trail_order__docs": TAKEN_NO_MORE,
    "claim__docs": (balance("USDT", None, None, total="10"),),
    "current_plan_order__bitmartnet_GetTriggerOrders": (PLAN,),
    "current_plan_order__docs": (PLAN,),
    "error_30030_v1_deprecated": (
        Refusal(
            klass=RefusalClass.CERTAIN,
            reason="retired",
            code="30030",
            text="Futures V1 API has been deprecated. Please use the V2 API",
        ),
    ),
    "error_40034_symbol_not_exist": (
        Refusal(klass=RefusalClass.CERTAIN, reason="bad_symbol", code="40034", text="Symbol Not Exist"),
    ),
    "get_open_orders__bitmartnet_GetOpenOrders": (FILLED,),
    "get_open_orders__docs": (FILLED,),
    "get_position_mode__bitmartnet_GetPositionMode": (PositionModeReport(mode=PositionMode.ONE_WAY),),
    "modify_limit_order__bitmartnet_EditOrder": (ack("220609666322019", "123456"),),
    "modify_plan_order__bitmartnet_EditPlanOrder": ORDER_ACK,
    "modify_preset_plan_order__bitmartnet_EditPresetPlanOrder": ORDER_ACK,
    "modify_tp_sl_order__bitmartnet_EditTpSlOrder": ORDER_ACK,
    "order__bitmartnet_GetOrder": (working("BM123", "1000", VenueOrderStatus.PARTIALLY_FILLED),),
    "order__docs": (working("BM123", "1000", VenueOrderStatus.PARTIALLY_FILLED),),
    "order_history__bitmartnet_GetClosedOrders": (FILLED,),
    "order_history__docs": (PLANNED,),
    "position__bitmartnet_GetPositions": (  # its mark_price is a value, near position_value 18584, not entry 20201
        position(BTC, SHORT, "899", 1663814313531, average="20201", leverage="5"),
    ),
    "position__captured": (position(LTC, LONG, "77", 1696418200021, average="64.44", leverage="5"),),
    "position__docs": (
        position(BTC, SHORT, "899", 1663814313531, average="20201", mark="93000.50", margin=ISOLATED, leverage="5"),
    ),
    "position_risk__bitmartnet_GetPositionRisk": (RISK,),
    "position_risk__docs": (RISK,),
    "position_v2__docs_1": (flat(NET, 1746687390815, "98952"),),
    "position_v2__docs_2": (
        flat(LONG, 1746687096451, "98911.62032609"),
        flat(SHORT, 1746687096451, "98911.62032609"),
    ),
    "public_depth__bitmartnet_GetOrderBook": (
        BookReport(symbol=BTC, bids=levels("23935.4@65"), asks=levels("23935.4@65"), at_ms=1660285421287),
    ),
    # Until 2025 contracts had no status: none that says "Trading" is none that is known to trade.
    "public_details__bitmartnet_GetContracts": (contract(BTC, "0.001", "0.1", "500000", "100", tradable=False),),
    "public_details__captured": (
        contract(BTC, "0.001", "0.1", "1000000", "200", tradable=True),
        contract(Symbol("CKB/USDT:USDT"), "1", "0.000001", "400000000", "50", tradable=False),
    ),
    "public_details__ccxt": (contract(BTC, "0.001", "0.1", "1000000", "100", tradable=False),),
    "public_details__ccxt_static": (
        contract(BTC, "0.001", "0.1", "1000000", "200", tradable=True),
        contract(ETH, "0.001", "0.01", "10000000", "200", tradable=True),
    ),
    "public_details__docs": (contract(BTC, "0.001", "0.1", "500000", "100", tradable=False),),
    "public_funding_rate__bitmartnet_GetCurrentFundingRate": (
        funding("BTC", "0.000164", "0.000164", 1709971200000, 1662518172178),
    ),
    "public_funding_rate_history__docs": (funding("BTC", "0.000090600584", None, None, 1733979600000),),
    "public_funding_rate_v2__captured": (
        funding("APT", "0.0001", "-0.0000885", 1787875200000, 1787857405999),
        funding("BTC", "0.000060102133", "0.0000944", 1787875200000, 1787857405999),
        funding("ETH", "0.000009499821", "0.0000298", 1787875200000, 1787857405999),
    ),
    "public_kline__bitmartnet_GetKlines": PROBED,
    "public_market_trade__bitmartnet_GetRecentTrades": tuple(
        PublicTradeReport(
            symbol=BTC, price=Decimal(price), quantity=Decimal(coins), in_base=True, side=Side.SELL, at_ms=at_ms
        )
        for price, coins, at_ms in (("104146.5", "0.037", 1750347973000), ("104146.6", "0.023", 1750347972000))
    ),
    "public_markprice_kline__captured": (
        candle(1787857260000, "80132.15796377 80138.30100725 80089.7185942 80092.9 119", of=MARK),
        candle(1787857320000, "80092.9 80120.4 80083.5 80120.4 117", of=MARK),
        candle(1787857380000, "80120.4 80120.4 80101.94350725 80112.99636957 53", of=MARK),
    ),
    "public_markprice_kline__docs": MARKED,
    "set_position_mode__bitmartnet_SetPositionMode": TAKEN_NO_MORE,
    "submit_leverage__bitmartnet_SetLeverage": (
        Ack(),
        LeverageReport(symbol=ETH, leverage=Decimal(5), margin_mode=ISOLATED),
    ),
    "submit_order__bitmartnet_PlaceOrder": ORDER_ACK,
    "submit_plan_order__bitmartnet_PlaceTriggerOrder": ORDER_ACK,
    "submit_tp_sl_order__bitmartnet_PlaceTpSlOrder": (ack("220609666322019", "123456789"),),
    "submit_trail_order__docs": ORDER_ACK,
    "trades__bitmartnet_GetUserTrades": (TAKEN,),
    "trades__docs": (TAKEN,),
    "transaction_history__docs": (
        LedgerReport(
            currency=Currency("USDT"),
            amount=Decimal("-0.37500000"),
            flow="transfer",
            ledger_id="9689322392",
            at_ms=1570608000000,
        ),
        LedgerReport(
            currency=Currency("USDT"),
            amount=Decimal("-0.01000000"),
            flow="commission",
            symbol=BTC,
            ledger_id="9689322392",
            at_ms=1570636800000,
        ),
    ),
}
NO_REPORTS = {
    "account_contract_sub_account_main_v1_transfer_list__bitmartnet_GetSubAccountTransferHistoryForMain": (
        "moved between two accounts, of which the payload does not say which is ours"
    ),
    "account_contract_sub_account_v1_transfer_history__bitmartnet_GetSubAccountTransferHistory": "the same",
    "affiliate_rebate_list__skills": "rebates for others' trading",
    "affiliate_trade_list__skills": "others' trades",
    "public_leverage_bracket__docs": "margin tiers: read as their own message",
    "public_open_interest__bitmartnet_GetOpenInterest": "open interest: nothing of ours depends on it",
    "trade_fee_rate__docs": "the account's fees: read as their own message",
}


def subscribed(*topics: str) -> tuple[tuple[Report, ...], ...]:
    return tuple((Control(event="subscribed", text=topic),) for topic in topics)


def refused(text: str) -> tuple[Report, ...]:
    return (Control(event="error", text=text),)


LOGIN: tuple[Report, ...] = (Control(event="login"),)
HELD_POSITION = position(
    BTC, LONG, "2000", 1662692862255, average="19406.2092", margin=ISOLATED, liquidation="15621.998406"
)
COIN = balance("BTC", "1000", "2000")  # what positions tie up is held, like what orders freeze
HOUR_AND_DAY = "3354.38 3371.21 3338.48 3352.2 159199176"
DAY = candle(1721001600000, HOUR_AND_DAY, ETH, "1D")  # the push says 08:00:01, no start of any day

FRAMES: dict[str, tuple[tuple[Report, ...], ...]] = {
    "bitmartnet_Balances": (
        LOGIN,
        *subscribed("futures/asset:USDT", "futures/asset:BTC", "futures/asset:ETH"),
        (COIN,),
    ),
    "bitmartnet_Concurrent": (
        *subscribed("futures/klineBin1H:ETHUSDT", "futures/klineBin1D:ETHUSDT"),
        (candle(1721030400000, HOUR_AND_DAY, ETH, "1H"),),
        (DAY,),
    ),
    "bitmartnet_Klines": (*subscribed("futures/klineBin1D:ETHUSDT"), (DAY,)),
    "bitmartnet_OrderBook": (
        *subscribed("futures/depth5:ETHUSDT"),
        (BookReport(symbol=ETH, bids=levels("5@97"), at_ms=1542337219120),),
    ),
    # action 3 is a cancel, state 2 says that it works and deal_size that it is filled: none of them is believed alone.
    "bitmartnet_Orders": (
        LOGIN,
        *subscribed("futures/order"),
        (working("BM1234", "1000", VenueOrderStatus.PARTIALLY_FILLED, "220901412155341"), LAST_TRADE),
    ),
    "bitmartnet_Positions": (LOGIN, *subscribed("futures/position"), (HELD_POSITION,)),
    "bitmartnet_Ticker": (*subscribed("futures/ticker"), (ticker("BTC", "142.11", "147.11", "146.24", "146.24"),)),
    "bitmartnet_TickerAlternateIdentifier": (
        *subscribed("futures/ticker:AXONUSDT"),
        (ticker("AXON", "565.22", "568.75", "566.92", "567.02"),),
    ),
    "bitmartnet_Trades": (  # neither `m` nor `way`: nobody knows who took
        *subscribed("futures/trade:ETHUSDT"),
        (
            PublicTradeReport(
                symbol=BTC,
                price=Decimal("117387.58"),
                quantity=Decimal(1445),
                trade_id="1409495322",
                at_ms=1677225251124,
            ),
        ),
    ),
    "captured_depth_increase_empty_snapshot": (
        (BookReport(symbol=Symbol("THETA/USDT:USDT"), bids=(), asks=(), version=3, at_ms=1790134745321),),
    ),
    "captured_login_ack": (LOGIN,),
    "captured_order_submitted": (
        (
            OrderReport(
                symbol=LTC,
                status=VenueOrderStatus.PENDING_NEW,
                venue_order_id=VenueOrderId("2312118452580276"),
                side=Side.BUY,
                position_leg=LONG,
                effect=OPEN,
                order_type="market",  # its price of 73.47 only protects it
                quantity=Decimal(1),
                cum_quantity=ZERO,
                leverage=Decimal(1),
                margin_mode=CROSS,
                created_ms=1702291259530,
                updated_ms=1702291259526,
            ),
        ),
    ),
    "captured_ping_pong": ((Control(event="pong"),),),
    "captured_position": ((position(LTC, SHORT, "7", 1701910954723, average="72.082857142857142857", margin=CROSS),),),
    "captured_subscribe_ack": subscribed("futures/depth50:BTCUSDT@100ms"),
    "captured_text_ping_refused": (refused("Invalid message: message must be JSON: ping"),),
    "captured_ticker_all": ((ticker("XAUT", "4338.93", "4339.23", "4338.94", "4338.94"),),),
    "captured_trade_2024": (
        (
            PublicTradeReport(
                symbol=Symbol("ADA/USDT:USDT"),
                price=Decimal("0.5126"),
                quantity=Decimal(8),
                side=Side.BUY,  # way 2
                trade_id="7343745136",
                at_ms=1707377346512,
            ),
        ),
    ),
    "captured_unknown_topic": (
        refused(
            "subscribe futures/depthIncrease50:NOPEUSDT@100ms: "
            "Invalid channel: not found futures/depthIncrease50:NOPEUSDT@100ms"
        ),
    ),
    "docs_assets_channel": ((COIN,),),
    "docs_control_frames": (
        refused("subscribe futures/order: futures/order need authenication"),
        refused("access: access failed: openapi auth: apiKey ... failed: openapi auth failed"),
        refused("subscribe sfutures/depth50:BTCUSDT: group [sfutures/depth50:BTCUSDT] not exist"),
        (Control(event="unsubscribed", text="futures/klineBin1m:BTCUSDT"),),
    ),
    "docs_depth_all_channel": (
        (BookReport(symbol=BTC, bids=levels("70293.9@1856"), asks=levels("70294.4@455"), at_ms=1730399750402),),
    ),
    "docs_depth_channel": ((BookReport(symbol=BTC, bids=levels("5@97"), at_ms=1542337219120),),),
    "docs_depth_increase_channel": (
        (
            BookReport(
                symbol=BTC,
                bids=levels("70391.2@1335"),
                asks=levels("70391.6@3550"),
                version=980361,
                at_ms=1730400086184,
            ),
        ),
        (
            BookReport(
                symbol=BTC,
                bids=levels("70391.2@0 70353.4@11435"),
                asks=levels("70395.3@341 70395.4@323"),
                update=True,
                version=980362,
                at_ms=1730400086194,
            ),
        ),
    ),
    "docs_funding_rate_channel": ((funding("BTC", "0.000098800809", "0.0000947", 1732550400000, 1732525864601),),),
    "docs_individual_symbol_book_ticker_channel": (
        (ticker("BTC", "97315", "97315.4", None, None, at_ms=1733891542244),),
    ),
    "docs_klinebin_channel": ((candle(1700533800000, "146.24 146.24 146.24 146.24 146", BTC, "1m"),),),
    "docs_login": (LOGIN,),
    "docs_markprice_klinebin_channel": (
        (candle(1700533800000, "146.24 146.24 146.24 146.24 146", BTC, "1m", of=MARK),),
    ),
    "docs_order_channel": (  # canceled, working, unfilled, and with a trade: the trade is not thrown away for that
        (working("BM1234", "0", VenueOrderStatus.NEW, "220901412155341"), LAST_TRADE),
    ),
    "docs_position_channel": ((HELD_POSITION,),),
    "docs_ticker_channel": ((ticker("BTC", "97153.4", "97153.9", "97153.6", "97153.7"),),),
    "docs_trade_channel": (
        (
            PublicTradeReport(
                symbol=BTC,
                price=Decimal("117387.58"),
                quantity=Decimal(1445),
                side=Side.SELL,  # the buyer was the maker
                trade_id="1409495322",
                at_ms=1677225251124,
            ),
        ),
    ),
}
