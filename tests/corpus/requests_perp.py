"""The commands of the futures corpus beside ours: what we would send for the same purpose, and what we never send."""

from decimal import Decimal

from adapters.bitmart.perp import requests, rewaits
from oms.values import (
    ClientOrderId,
    Crossing,
    MarginMode,
    OrderType,
    PositionLeg,
    PositionMode,
    Protection,
    Side,
    Symbol,
    VenueOrderId,
)
from oms.venue import Amendment, NewOrder, OrderRef, Trigger
from tests.corpus.requests_spot import OUR_ID, Ours

BTC, ETH, LTC = (Symbol(f"{base}/USDT:USDT") for base in ("BTC", "ETH", "LTC"))
HEDGE = PositionMode.HEDGE
RISES = Crossing.RISES_TO
CROSS, ISOLATED = MarginMode.CROSS, MarginMode.ISOLATED


def order(
    symbol: Symbol,
    side: Side,
    leg: PositionLeg,
    size: int,
    price: str | None,
    *,
    margin: MarginMode | None = ISOLATED,
    leverage: str | None = "1",
    name: str = OUR_ID,
    closes: bool = False,
) -> NewOrder:
    """A limit order that is backed as the recorded one; a market order where `price` is None."""
    return NewOrder(
        client_order_id=ClientOrderId(name),
        symbol=symbol,
        side=side,
        position_leg=leg,
        reduce_only=closes,
        type=OrderType.MARKET if price is None else OrderType.LIMIT,
        quantity=Decimal(size),
        price=None if price is None else Decimal(price),
        margin_mode=margin,
        leverage=None if leverage is None else Decimal(leverage),
    )


def short(symbol: Symbol, size: int, price: str | None, name: str = OUR_ID) -> NewOrder:
    return order(symbol, Side.SELL, PositionLeg.SHORT, size, price, name=name)


def long(symbol: Symbol, size: int, price: str | None, margin: MarginMode, leverage: str = "1") -> NewOrder:
    return order(symbol, Side.BUY, PositionLeg.LONG, size, price, margin=margin, leverage=leverage)


def at(price: str, when: Crossing = RISES, rate: str | None = None) -> Trigger:
    return Trigger(price=Decimal(price), when=when, callback_rate=None if rate is None else Decimal(rate))


def ref(symbol: Symbol, venue_order_id: str) -> OrderRef:
    return OrderRef(client_order_id=OUR_ID, symbol=symbol, venue_order_id=VenueOrderId(venue_order_id))


def closing(symbol: Symbol, side: Side, size: int, price: str, name: str = OUR_ID) -> NewOrder:
    leg = PositionLeg.SHORT if side is Side.BUY else PositionLeg.LONG
    return order(symbol, side, leg, size, price, margin=None, leverage=None, name=name, closes=True)


NAMED = ("client_order_id",)  # ours always have one
TAKE_PROFIT = requests.submit_tp_sl(
    closing(ETH, Side.BUY, 10, "1450", "123456789"), at("2000", Crossing.FALLS_TO), HEDGE
)
STOP_LOSS = requests.submit_tp_sl(closing(BTC, Side.SELL, 1, "50000"), at("51000", Crossing.FALLS_TO), HEDGE)
CHANGE = requests.modify(Amendment(order=ref(ETH, "220906179559421"), price=Decimal(1450), quantity=Decimal(1)))
PLAN = rewaits.modify_plan(ref(ETH, "220906179559421"), long(ETH, 10, "1450", ISOLATED), at("2000"))

SENT = {
    "submit_order__bitmartnet_PlaceOrder": Ours(requests.submit(short(ETH, 10, "2000", "BM1234"), HEDGE)),
    "submit_order__ccxt_request_swap_limit_sell_open": Ours(
        requests.submit(order(LTC, Side.SELL, PositionLeg.SHORT, 1, "100", margin=CROSS, leverage=None), HEDGE),
        added=(*NAMED, "mode"),
    ),
    "submit_order__postman": Ours(requests.submit(short(BTC, 10, "2000000"), HEDGE), added=NAMED),
    "submit_plan_order__bitmartnet_PlaceTriggerOrder": Ours(
        requests.submit_plan(short(ETH, 10, "1450"), at("2000"), HEDGE), added=NAMED
    ),
    "submit_plan_order__ccxt_request_swap_trigger_limit": Ours(
        requests.submit_plan(long(BTC, 1, "30000", CROSS), at("31000"), HEDGE),
        added=(*NAMED, "mode"),
        theirs={"price": "30000"},  # a field that the venue does not define
    ),
    "submit_plan_order__ccxt_request_swap_trigger_limit_2": Ours(
        requests.submit_plan(long(LTC, 1, "50", CROSS), at("55"), HEDGE),
        added=(*NAMED, "mode"),
        theirs={"price": "50"},
    ),
    "submit_plan_order__postman": Ours(
        requests.submit_plan(long(BTC, 10, "14500", ISOLATED), at("20000"), HEDGE), added=NAMED
    ),
    "submit_tp_sl_order__bitmartnet_PlaceTpSlOrder": Ours(TAKE_PROFIT),
    "submit_tp_sl_order__ccxt_request_swap_stop_loss": Ours(STOP_LOSS, added=(*NAMED, "plan_category", "category")),
    "submit_trail_order__docs": Ours(
        requests.submit_trail(short(ETH, 10, None), at("2000", rate="0.01"), HEDGE), added=NAMED
    ),
    "submit_trail_order__postman": Ours(
        requests.submit_trail(long(BTC, 10, None, ISOLATED, "10"), at("2000", rate="0.01"), HEDGE), added=NAMED
    ),
    "cancel_order__bitmartnet_CancelOrder": Ours(requests.cancel(ref(ETH, "220906179559421"))),
    "cancel_plan_order__bitmartnet_CancelTriggerOrder": Ours(  # by two ids at once; ours are by one
        requests.cancel(ref(ETH, "220906179559421")), theirs={"client_order_id": "123456789"}
    ),
    "cancel_plan_order__postman": Ours(requests.cancel(ref(ETH, "220906179559421"))),
    "cancel_trail_order__docs": Ours(requests.cancel_trail(ref(ETH, "220906179559421"))),
    "cancel_trail_order__postman": Ours(requests.cancel_trail(ref(BTC, "220906179559421"))),
    "cancel_all_after__bitmartnet_CancelAllAfter": Ours(requests.cancel_all_after(BTC, 10)),
    "cancel_all_after__postman": Ours(requests.cancel_all_after(ETH, 10)),
    "modify_limit_order__bitmartnet_EditOrder": Ours(CHANGE, theirs={"client_order_id": "123456"}),
    "modify_limit_order__postman": Ours(CHANGE),
    "modify_plan_order__bitmartnet_EditPlanOrder": Ours(PLAN),
    "modify_plan_order__postman": Ours(PLAN, theirs={"client_order_id": "123456789"}),  # by two ids at once
    "modify_preset_plan_order__bitmartnet_EditPresetPlanOrder": Ours(
        rewaits.modify_presets(
            Amendment(
                order=ref(ETH, "220609666322019"),
                take_profit=Protection(price=Decimal(2000)),
                stop_loss=Protection(price=Decimal(1900)),
            )
        )
    ),
    "modify_tp_sl_order__ccxt_request_tp_sl": Ours(
        rewaits.modify_tp_sl(ref(BTC, "3000023150003480"), closing(BTC, Side.SELL, 1, "50000"), at("52000")),
        added=("plan_category",),
    ),
    "set_position_mode__bitmartnet_SetPositionMode": Ours(requests.set_position_mode(PositionMode.ONE_WAY)),
    "set_position_mode__postman": Ours(requests.set_position_mode(HEDGE)),
    "submit_leverage__bitmartnet_SetLeverage": Ours(requests.submit_leverage(ETH, Decimal(5), ISOLATED)),
}

FUNDS = "the OMS moves no coins between accounts, in or out"
WHOLE = "what stands for a whole position is not placed, so never changed"
NEVER_SENT = {
    "account_contract_sub_account_main_v1_main_to_sub__bitmartnet_TransferMainToSubForMain": FUNDS,
    "account_contract_sub_account_main_v1_main_to_sub__postman": FUNDS,
    "account_contract_sub_account_main_v1_sub_to_main__bitmartnet_TransferSubToMainForMain": FUNDS,
    "account_contract_sub_account_main_v1_sub_to_main__postman": FUNDS,
    "account_contract_sub_account_sub_v1_sub_to_main__bitmartnet_TransferSubToMainForSub": FUNDS,
    "account_v1_transfer_contract__bitmartnet_Transfer": FUNDS,
    "account_v1_transfer_contract__ccxt_request_spot_to_swap": FUNDS,
    "account_v1_transfer_contract_list__bitmartnet_GetTransferHistory": "a query, though it is posted",
    "cancel_orders__bitmartnet_CancelOrders": "orders are canceled one by one, each with its evidence",
    "modify_tp_sl_order__bitmartnet_EditTpSlOrder": WHOLE,
}
