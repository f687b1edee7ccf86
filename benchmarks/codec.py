"""How long a private order push takes from its bytes to our reports, beside ccxt's handler on the same bytes.

    python benchmarks/codec.py [--json]

Pushes of many orders, each accepted, filled in two parts and canceled or finished, as a venue sends them; CPU time of
one core. Without ccxt installed only our own figures are given.
"""

import argparse
import json
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from statistics import median
from time import process_time
from typing import Any, Final, NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1]))

from adapters.bitmart.perp import codec as perp
from adapters.bitmart.spot import codec as spot

try:
    from ccxt.pro import bitmart as ccxt_bitmart  # a yardstick for whoever has it; nothing depends on it
except ImportError:
    ccxt_bitmart = None

ORDERS: Final = 1_000
ROUNDS: Final = 9  # their median counts
ENOUGH: Final = 20_000  # pushes a second
RATIO: Final = 10  # times ccxt

Read = Callable[[bytes], object]


def perp_pushes() -> list[bytes]:
    """Return the pushes of futures orders: submitted, matched twice, finished."""
    pushes = []
    for number in range(ORDERS):
        price, size = Decimal("71.61") + Decimal(number) / 100, 10 + number % 90
        order: dict[str, Any] = {
            "order_id": str(2312045036986775 + number), "client_order_id": f"oms{number:029d}", "price": str(price),
            "size": str(size), "symbol": "LTCUSDT", "state": 2, "side": 1 + number % 4, "type": "limit",
            "leverage": "10", "open_type": "cross", "deal_avg_price": "0", "deal_size": "0",
            "create_time": 1790000000000 + number, "update_time": 1790000000000 + number, "plan_order_id": "",
            "last_trade": None, "trigger_price": "-", "trigger_price_type": "-", "execution_price": "-",
            "activation_price_type": "-", "activation_price": "-", "callback_rate": "-", "position_mode": "hedge_mode",
        }  # fmt: skip
        fee = str(-(price * Decimal("0.0006")))
        steps: tuple[tuple[int, dict[str, Any]], ...] = (
            (2, {"state": 1}),
            (1, {"deal_size": "1", "deal_avg_price": str(price), "last_trade": {
                "lastTradeID": 1247592391 + 2 * number, "fillQty": "1", "fillPrice": str(price), "fee": fee,
                "feeCcy": "USDT"}}),
            (1, {"deal_size": "3", "deal_avg_price": str(price), "last_trade": {
                "lastTradeID": 1247592392 + 2 * number, "fillQty": "2", "fillPrice": str(price), "fee": fee,
                "feeCcy": "USDT"}}),
            (3, {"state": 4, "deal_size": "3", "deal_avg_price": str(price)}),
        )  # fmt: skip
        pushes += [
            {"group": "futures/order", "data": [{"action": action, "order": order | changes}]}
            for action, changes in steps
        ]
    return [json.dumps(push, separators=(",", ":")).encode() for push in pushes]


def spot_pushes() -> list[bytes]:
    """Return the pushes of spot orders: accepted, filled twice, canceled."""
    pushes = []
    for number in range(ORDERS):
        price, size = Decimal("46100.00") + number, Decimal(1) + Decimal(number) / 1000
        order: dict[str, Any] = {
            "symbol": "BTC_USDT", "side": "buy", "type": "limit", "notional": "", "size": f"{size:.10f}",
            "ms_t": str(1790000000000 + number), "price": f"{price:.10f}", "filled_notional": f"{0:.30f}",
            "filled_size": f"{0:.30f}", "margin_trading": "0", "state": "4",
            "order_id": str(118100034543076010 + number), "order_type": "0", "last_fill_time": "0",
            "last_fill_price": "0", "last_fill_count": "0", "exec_type": "",
            "detail_id": "", "client_order_id": f"oms{number:029d}", "create_time": str(1790000000000 + number),
            "update_time": str(1790000000500 + number), "order_mode": "0", "entrust_type": "normal",
            "order_state": "new", "dealFee": "0", "deal_fee_coin_name": "USDT",
        }  # fmt: skip
        steps: list[dict[str, Any]] = [{}]
        for part, state in ((1, "partially_filled"), (2, "partially_filled"), (2, "partially_canceled")):
            filled = Decimal(part) / 10
            steps.append(
                {
                    "order_state": state, "filled_size": f"{filled:.10f}", "filled_notional": f"{filled * price:.10f}",
                    "last_fill_time": str(1790000000400 + number), "last_fill_price": f"{price:.5f}",
                    "last_fill_count": "0.10000", "exec_type": "M", "detail_id": str(256348632 + 2 * number + part),
                }
            )  # fmt: skip
        pushes += [{"data": [order | changes], "table": "spot/user/order"} for changes in steps]
    return [json.dumps(push, separators=(",", ":")).encode() for push in pushes]


class Measured(NamedTuple):
    """One market's pushes: CPU seconds of one core for one of them, and how many times as long ccxt takes (None: it is
    not installed).
    """

    seconds: float
    times_ccxt: float | None

    @property
    def pushes_per_second(self) -> float:
        return 1 / self.seconds


def measure() -> dict[str, Measured]:
    """Return the figures of each market: medians over rounds in which ours and ccxt's turns alternate, so that a core
    that is slow for a while is slow for both.
    """
    theirs = ccxt_reader()
    readers = {"perp": (perp.frame, perp_pushes()), "spot": (spot.frame, spot_pushes())}
    return {name: _paired(ours, theirs, pushes) for name, (ours, pushes) in readers.items()}


def _paired(ours: Read, theirs: Read | None, pushes: list[bytes]) -> Measured:
    taken, ratios = [], []
    for _ in range(ROUNDS):
        taken.append(_seconds(ours, pushes))
        if theirs is not None:
            ratios.append(_seconds(theirs, pushes) / taken[-1])
    return Measured(median(taken), median(ratios) if ratios else None)


def _seconds(read: Read, pushes: list[bytes]) -> float:
    """Return the CPU seconds that one push takes."""
    began = process_time()
    for push in pushes:
        read(push)
    return (process_time() - began) / len(pushes)


def show(found: dict[str, Measured]) -> None:
    """Print the figures."""
    for name, one in found.items():
        beside = "ccxt is not installed" if one.times_ccxt is None else f"{one.times_ccxt:.1f} x as fast as ccxt"
        print(f"codec, {name} pushes       {one.pushes_per_second:12,.0f} pushes/s to reports on one core, {beside}")


def missed(found: dict[str, Measured]) -> list[str]:
    """Return the bars that were missed; what could not be measured is."""
    bars = []
    for name, one in found.items():
        if one.pushes_per_second < ENOUGH:
            bars.append(f"{ENOUGH:,} {name} pushes/s through codec and translation on one core")
        if one.times_ccxt is None or one.times_ccxt < RATIO:
            bars.append(f"{RATIO} times as fast as ccxt on the same {name} pushes")
    return bars


def ccxt_reader() -> Read | None:
    """Return ccxt's handler of a push, from its bytes to its order, or None where ccxt is not installed."""
    if ccxt_bitmart is None:
        return None
    exchange = ccxt_bitmart()
    exchange.set_markets([_market("LTCUSDT", "LTC/USDT:USDT", swap=True), _market("BTC_USDT", "BTC/USDT", swap=False)])

    return lambda push: exchange.handle_orders(Nobody(), json.loads(push))


class Nobody:
    """Whom ccxt hands its orders to."""

    def resolve(self, *_: object) -> None: ...


def _market(venue_symbol: str, symbol: str, *, swap: bool) -> dict[str, Any]:
    base = symbol.partition("/")[0]
    return {
        "id": venue_symbol, "symbol": symbol, "base": base, "quote": "USDT", "settle": "USDT" if swap else None,
        "baseId": base, "quoteId": "USDT", "type": "swap" if swap else "spot", "spot": not swap, "swap": swap,
        "margin": False, "future": False, "option": False, "contract": swap, "linear": swap or None, "inverse": None,
        "contractSize": 0.001 if swap else None, "precision": {"amount": 1, "price": 0.01}, "limits": {},
        "active": True, "info": {},
    }  # fmt: skip


def main() -> int:
    """Run, print, and return 1 if a bar was missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    found = measure()
    if parser.parse_args().json:
        print(json.dumps({name: one._asdict() for name, one in found.items()}))
        return 1 if missed(found) else 0
    show(found)
    for bar in missed(found):
        print(f"MISSED: {bar}")
    return 1 if missed(found) else 0


if __name__ == "__main__":
    raise SystemExit(main())
