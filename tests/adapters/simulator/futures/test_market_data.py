"""Market data of the contracts over REST: units, bounds, and what is null."""

from decimal import Decimal
from itertools import pairwise

from tests.adapters.simulator.floor import NOW
from tests.adapters.simulator.futures.trader import (
    BTC,
    holding,
    trader,
)

PUBLIC = "/contract/public"


def test_the_book_has_cumulated_levels_and_null_for_an_empty_side() -> None:
    one = trader()
    for price, size in (("50000", 3), ("49999.9", 4)):
        one.order(price=price, size=size)
    book = one.get(f"{PUBLIC}/depth?symbol={BTC}&limit=1")
    assert book == {
        "bids": [["50000", "3", "3"], ["49999.9", "4", "7"]],
        "asks": None,
        "timestamp": NOW,
        "symbol": BTC,
    }


def test_public_trades_are_in_coins_and_seconds() -> None:
    one, two = holding()
    (trade,) = one.get(f"{PUBLIC}/market-trade?symbol={BTC}")
    assert trade == {
        "symbol": BTC, "price": "60000", "qty": "0.01", "quote_qty": "600", "time": NOW // 1000,
        "is_buyer_maker": False,
    }  # fmt: skip
    assert two.get(f"{PUBLIC}/open-interest?symbol={BTC}")["open_interest"] == "10"


def test_candles_are_in_contracts_and_need_their_bounds() -> None:
    one, _ = holding()
    second = NOW // 1000
    path = f"{PUBLIC}/kline?symbol={BTC}&step=5"
    (bar,) = one.get(f"{path}&start_time={second}&end_time={second + 300}")
    assert bar == {
        "timestamp": second, "open_price": "60000", "close_price": "60000", "high_price": "60000",
        "low_price": "60000", "volume": "10",
    }  # fmt: skip
    assert one.get(f"{path}&start_time={second + 1}&end_time={second + 300}") == []
    assert one.send("GET", path)[1]["code"] == 40039
    assert one.send("GET", f"{PUBLIC}/kline?symbol={BTC}&step=7")[1]["code"] == 40038
    one.step(1_000)
    (mark,) = one.get(f"{PUBLIC}/markprice-kline?symbol={BTC}&step=1")
    assert (mark["volume"], Decimal(mark["close_price"]) > 0) == ("0", True)


def test_brackets_continue_each_other() -> None:
    (rule,) = trader().get(f"{PUBLIC}/leverage-bracket?symbol={BTC}")["rules"]
    rows = rule["brackets"]
    assert [row["bracket"] for row in rows] == list(range(1, len(rows) + 1))
    for lower, upper in pairwise(rows):
        border = Decimal(upper["notional_floor"])
        assert border == Decimal(lower["notional_cap"])
        margins = [border * Decimal(row["maint_margin_ratio"]) - Decimal(row["cum"]) for row in (lower, upper)]
        assert margins[0] == margins[1]


def test_the_clock_is_told_on_this_host_too() -> None:
    assert trader().get("/system/time") == {"server_time": NOW}
