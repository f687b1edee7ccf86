"""Whatever is traded, the futures host's answers, its pushes and its history say the same."""

from decimal import Decimal
from typing import Any

from hypothesis import given as forall
from hypothesis import settings
from hypothesis import strategies as st

from tests.adapters.simulator.futures.trader import BTC, PRIVATE, SUBMIT, Listener, Trader, another, trader

START = {"main": Decimal(1_000_000), "second": Decimal(100_000)}
submits = st.fixed_dictionaries(
    {
        "who": st.integers(0, 1),
        "side": st.integers(1, 4),
        "type": st.sampled_from(["limit", "limit", "market"]),
        "mode": st.integers(1, 4),
        "size": st.integers(1, 30),
        "price": st.integers(59_900, 60_100).map(str),
        "stp_mode": st.integers(1, 3),
    }
)
others = st.one_of(
    st.tuples(st.just("cancel"), st.integers(0, 1), st.integers(0, 20)),
    st.tuples(st.just("funding"), st.integers(-30, 30), st.just(0)),
    st.tuples(st.just("wait"), st.integers(1, 12_000), st.just(0)),
)


class Told:
    """What one account's stream has said, folded."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self.orders: dict[str, dict[str, Any]] = {}
        self.fills: dict[str, list[dict[str, Any]]] = {}
        self.positions: dict[int, dict[str, Any]] = {}
        self.asset: dict[str, str] | None = None

    def listen(self) -> None:
        for frame in self._listener.heard():
            match frame["group"]:
                case "futures/order":
                    for element in frame["data"]:
                        order = element["order"]
                        self.orders[order["order_id"]] = order
                        if order["last_trade"] is not None:
                            self.fills.setdefault(order["order_id"], []).append(order["last_trade"])
                case "futures/position":
                    for row in frame["data"]:
                        self.positions[row["position_type"]] = row
                case _:
                    self.asset = frame["data"]


def act(action: Any, traders: tuple[Trader, Trader]) -> None:
    one = traders[0]
    if isinstance(action, dict):
        fields = {name: value for name, value in action.items() if name != "who"}
        traders[action["who"]].post(SUBMIT, symbol=BTC, **fields)  # taken or refused
        return
    kind, number, index = action
    if kind == "cancel":
        live = traders[number].open()
        if live:
            order_id = live[index % len(live)]["order_id"]
            traders[number].post(f"{PRIVATE}/cancel-order", symbol=BTC, order_id=order_id)
    elif kind == "funding":
        one.simulator.settle_funding(BTC, Decimal(number).scaleb(-4), one.now)
    else:
        one.step(number)
        traders[1].now = one.now


@settings(deadline=None, max_examples=60)
@forall(actions=st.lists(st.one_of(submits, submits, submits, others), max_size=30))
def test_rest_streams_and_the_transaction_history_tell_one_story(actions: list[Any]) -> None:
    one = trader(rate_limits=False)
    traders = one, another(one)
    told = [Told(each.reader("futures/order", "futures/position", "futures/asset:USDT")) for each in traders]
    for action in actions:
        act(action, traders)
        for heard in told:
            heard.listen()
    one.step(100)  # cancels that were acknowledged have happened
    traders[1].now = one.now
    for each, heard, start in zip(traders, told, START.values(), strict=True):
        heard.listen()
        check_orders(each, heard)
        check_money(each, heard, start)
        check_positions(each, heard)
    exchange = one.simulator.futures.exchange
    held = sum((account.wallet("USDT").total for account in exchange.accounts.values() if account.watched), Decimal(0))
    assert held + exchange.fees.get("USDT", Decimal(0)) == sum(START.values())


def check_orders(one: Trader, told: Told) -> None:
    rows = {row["order_id"]: row for row in [*one.open(), *one.get(f"{PRIVATE}/order-history?symbol={BTC}")]}
    assert set(rows) == set(told.orders)
    for order_id, row in rows.items():
        pushed = told.orders[order_id]
        shown = ("state", "deal_size", "deal_avg_price", "size", "side", "type", "leverage", "open_type", "symbol")
        assert {name: pushed[name] for name in shown} == {name: row[name] for name in shown}
        fills = told.fills.get(order_id, [])
        assert sum(int(fill["fillQty"]) for fill in fills) == int(row["deal_size"])
        trades = one.trades(f"order_id={order_id}")
        assert {str(fill["lastTradeID"]) for fill in fills} == {trade["trade_id"] for trade in trades}
        assert sum(Decimal(fill["fee"]) for fill in fills) == -sum(Decimal(trade["paid_fees"]) for trade in trades)


def check_money(one: Trader, told: Told, start: Decimal) -> None:
    asset = one.asset()
    total = asset["available_balance"] + asset["frozen_balance"] + asset["position_deposit"]
    flows = one.get(f"{PRIVATE}/transaction-history?page_size=1000")
    assert sum((Decimal(flow["amount"]) for flow in flows), start) == total
    assert asset["equity"] == total + asset["unrealized"]
    if told.asset is not None:
        for name in ("available_balance", "frozen_balance", "position_deposit"):
            assert Decimal(told.asset[name]) == asset[name]


def check_positions(one: Trader, told: Told) -> None:
    for kind, row in enumerate(one.get(f"{PRIVATE}/position-v2?symbol={BTC}"), start=1):
        size = sum(
            int(trade["vol"]) * {1: (1, 0), 2: (0, -1), 3: (-1, 0), 4: (0, 1)}[trade["side"]][kind - 1]
            for trade in one.trades()
        )
        assert int(row["current_amount"]) == size
        pushed = told.positions.get(kind)
        assert int("0" if pushed is None else pushed["hold_volume"]) == size
