"""Market data over REST (PROTOCOL 5.1 to 5.3): nothing here asks who is calling."""

import re
from typing import Final

from adapters.simulator.exchange.orders import Market
from adapters.simulator.wire.codes import WireError
from adapters.simulator.wire.figures import places, text
from adapters.simulator.wire.gateway import Call
from adapters.simulator.wire.house import DAY_MS
from adapters.simulator.wire.tape import Candle, Day
from adapters.simulator.wire.venue import Venue

STEPS: Final = (1, 5, 15, 30, 60, 120, 240, 1440, 10080, 43200)  # minutes
LEVELS_MAX: Final = 50
LEVELS_DEFAULT: Final = 35
TRADES_MAX: Final = 50
WHOLE: Final = re.compile(r"[0-9]{1,15}")
KLINES_MAX: Final = 200
KLINES_DEFAULT: Final = 100


class Public:
    """The public endpoints of one venue; each method answers with the envelope's `data`."""

    def __init__(self, venue: Venue) -> None:
        self._venue = venue

    def time(self, call: Call) -> object:
        return {"server_time": call.now_ms}

    def service(self, call: Call) -> object:
        return maintained(call.now_ms)

    def currencies(self, _call: Call) -> object:
        coins = dict.fromkeys(
            coin for market in self._venue.exchange.markets.values() for coin in (market.base, market.quote)
        )
        return {
            "currencies": [
                {"id": coin, "name": coin, "withdraw_enabled": False, "deposit_enabled": False} for coin in coins
            ]
        }

    def account_currencies(self, call: Call) -> object:
        """`GET /account/v1/currencies`: what could be moved in and out, of which nothing can."""
        wanted = call.query.get("currencies", "")
        coins = dict.fromkeys(
            coin for market in self._venue.exchange.markets.values() for coin in (market.base, market.quote)
        )
        return {
            "currencies": [
                {
                    "currency": coin,
                    "name": coin,
                    "contract_address": None,
                    "network": coin,
                    "withdraw_enabled": False,
                    "deposit_enabled": False,
                    "withdraw_minsize": "0",
                    "withdraw_minfee": "0",
                    "withdraw_fee": "0",
                    "withdraw_fee_estimate": "0",
                }
                for coin in coins
                if not wanted or coin in wanted.split(",")
            ]
        }

    def symbols(self, _call: Call) -> object:
        return {"symbols": list(self._venue.exchange.markets)}

    def details(self, _call: Call) -> object:
        return {"symbols": [_details(market) for market in self._venue.exchange.markets.values()]}

    def tickers(self, call: Call) -> object:
        """Positional rows, of markets that traded only."""
        rows = []
        for market in self._venue.exchange.markets.values():
            day = self._venue.tape.day(market.symbol)
            if day is not None:
                rows.append(list(self._ticker(market, day, call.now_ms).values()))
        return rows

    def ticker(self, call: Call) -> object:
        market = self._market(call)
        day = self._venue.tape.day(market.symbol)
        if day is None:
            raise WireError(70000)
        return self._ticker(market, day, call.now_ms)

    def books(self, call: Call) -> object:
        market = self._market(call)
        limit = _number(call, "limit", LEVELS_DEFAULT, LEVELS_MAX)
        book = self._venue.exchange.book(market.symbol)
        return {
            "ts": str(call.now_ms),
            "symbol": market.symbol,
            "asks": [[text(price), text(size)] for price, size in book.asks.depth(limit)],
            "bids": [[text(price), text(size)] for price, size in book.bids.depth(limit)],
        }

    def trades(self, call: Call) -> object:
        """Newest first; the venue does not say in which order."""
        market = self._market(call)
        limit = _number(call, "limit", TRADES_MAX, TRADES_MAX)
        newest_first = self._venue.tape.trades(market.symbol)[::-1]
        return [
            [trade.symbol, str(trade.at_ms), text(trade.price), text(trade.size), trade.side.value]
            for trade in newest_first[:limit]
        ]

    def klines(self, call: Call) -> object:
        """Bars whose open time lies in [after, before], newest first."""
        market = self._market(call)
        step = _number(call, "step", 1, STEPS[-1], code=71005)
        if step not in STEPS:
            raise WireError(71005)
        limit = _number(call, "limit", KLINES_DEFAULT, KLINES_MAX, code=71004)
        after, before = _second(call, "after", 71001), _second(call, "before", 71002)
        if after is not None and before is not None and after > before:
            raise WireError(71003)
        bars = [
            bar
            for bar in reversed(self._venue.tape.candles(market.symbol, step))
            if (after is None or bar.open_s >= after) and (before is None or bar.open_s <= before)
        ]
        if not bars:
            raise WireError(70000)
        return [kline(bar) for bar in bars[:limit]]

    def _market(self, call: Call) -> Market:
        symbol = call.query.get("symbol")
        if not symbol:
            raise WireError(70001)
        market = self._venue.exchange.markets.get(symbol)
        if market is None:
            raise WireError(70002)
        return market

    def _ticker(self, market: Market, day: Day, now_ms: int) -> dict[str, str]:
        """In the order of the positional rows."""
        book = self._venue.exchange.book(market.symbol)
        bid, bid_size = next(iter(book.bids.depth(1)), (None, None))
        ask, ask_size = next(iter(book.asks.depth(1)), (None, None))
        return {
            "symbol": market.symbol,
            "last": text(day.last),
            "v_24h": text(day.volume),
            "qv_24h": text(day.turnover),
            "open_24h": text(day.open),
            "high_24h": text(day.high),
            "low_24h": text(day.low),
            "fluctuation": text(day.fluctuation),
            "bid_px": "" if bid is None else text(bid),
            "bid_sz": "" if bid_size is None else text(bid_size),
            "ask_px": "" if ask is None else text(ask),
            "ask_sz": "" if ask_size is None else text(ask_size),
            "ts": str(now_ms),
        }


def maintained(now_ms: int) -> object:
    """Return one window of maintenance that is over, so that a reader has to look at its status."""
    over_ms = now_ms - 7 * DAY_MS
    return {
        "service": [
            {
                "title": "Spot API Upgrade",
                "service_type": "spot",
                "status": "2",
                "start_time": over_ms - 3_600_000,
                "end_time": over_ms,
            }
        ]
    }


def kline(bar: Candle) -> list[str]:
    """Spell one bar as REST does: seven strings, the time in seconds."""
    numbers = (bar.open, bar.high, bar.low, bar.close, bar.volume, bar.turnover)
    return [str(bar.open_s), *(text(number) for number in numbers)]


def _details(market: Market) -> dict[str, object]:
    least = text(market.notional_min, 8)
    decimals = max(places(market.size_step), 8)
    return {
        "symbol": market.symbol,
        "symbol_id": market.symbol_id,
        "base_currency": market.base,
        "quote_currency": market.quote,
        "quote_increment": text(market.size_step, decimals),  # misnamed by the venue: a step of the base size
        "base_min_size": text(market.size_min, decimals),
        "price_min_precision": max(market.price_places - 2, 0),
        "price_max_precision": market.price_places,
        "expiration": "NA",
        "min_buy_amount": least,
        "min_sell_amount": least,
        "trade_status": "trading",
    }


def _number(call: Call, name: str, default: int, most: int, code: int = 70001) -> int:
    given = call.query.get(name)
    if given is None:
        return default
    return min(_whole(given, code) or 1, most)


def _second(call: Call, name: str, code: int) -> int | None:
    given = call.query.get(name)
    return None if given is None else _whole(given, code)


def _whole(given: str, code: int) -> int:
    if not WHOLE.fullmatch(given):
        raise WireError(code)
    return int(given)
