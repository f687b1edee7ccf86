"""Market data of the contracts over REST (PROTOCOL 6.1, 6.2): nothing here asks who is calling."""

from decimal import Decimal
from itertools import islice
from typing import Final

from adapters.simulator.exchange.futures.contracts import Contract, Status
from adapters.simulator.exchange.futures.prices import FUNDING_CAP, Prices
from adapters.simulator.wire.codes import WireError
from adapters.simulator.wire.futures.venue import Venue, whole
from adapters.simulator.wire.futures.words import figure, short
from adapters.simulator.wire.gateway import Call
from adapters.simulator.wire.tape import Candle
from oms.values import EXACT, Side

STEPS: Final = (1, 3, 5, 15, 30, 60, 120, 240, 360, 720, 1440, 4320, 10080)  # minutes
LEVELS_MAX: Final = 50
TRADES_MAX: Final = 100
TRADES_DEFAULT: Final = 50
KLINES_MAX: Final = 500
RATES_MAX: Final = 100
RATE_GRID: Final = Decimal("1e-7")  # of the rates in the details


class Public:
    """The public endpoints; each method answers with the envelope's `data`."""

    def __init__(self, venue: Venue) -> None:
        self._venue = venue

    def time(self, call: Call) -> object:
        return {"server_time": call.now_ms}

    def details(self, call: Call) -> object:
        """All contracts, or the one asked for: an unknown one has a code of its own here (PROTOCOL 10.22)."""
        symbol = call.query.get("symbol")
        if not symbol:
            return {"symbols": [self._details(one) for one in self._venue.exchange.contracts.values()]}
        contract = self._venue.exchange.contracts.get(symbol)
        if contract is None:
            raise WireError(40012, text="SYMBOL_NOT_EXIST")
        return {"symbols": [self._details(contract)]}

    def depth(self, call: Call) -> object:
        """At most fifty levels, whatever limit is asked for; null for an empty side."""
        contract = self._contract(call)
        book = self._venue.exchange.book(contract.symbol)
        return {
            "asks": _ladder(book.asks.depth(LEVELS_MAX)),
            "bids": _ladder(book.bids.depth(LEVELS_MAX)),
            "timestamp": call.now_ms,
            "symbol": contract.symbol,
        }

    def trades(self, call: Call) -> object:
        """Newest first; sizes in coins here, the time in seconds."""
        contract = self._contract(call)
        limit = min(whole(call, "limit") or TRADES_DEFAULT, TRADES_MAX)
        return [
            {
                "symbol": trade.symbol,
                "price": figure(trade.price),
                "qty": figure(EXACT.multiply(trade.size, contract.contract_size)),
                "quote_qty": figure(contract.value(trade.size, trade.price)),
                "time": trade.at_ms // 1000,
                "is_buyer_maker": trade.side is Side.SELL,
            }
            for trade in self._venue.tape.trades(contract.symbol)[::-1][:limit]
        ]

    def klines(self, call: Call) -> object:
        symbol, step = self._contract(call).symbol, _step(call)
        if not (call.query.get("start_time") and call.query.get("end_time")):
            raise WireError(40039)
        return _klines(call, self._venue.tape.candles(symbol, step))

    def mark_klines(self, call: Call) -> object:
        """The bounds may be left out here (captured)."""
        symbol, step = self._contract(call).symbol, _step(call)
        return _klines(call, self._venue.marks.candles(symbol, step))

    def funding_rate(self, call: Call) -> object:
        return self._rate(self._venue.exchange.prices(self._contract(call).symbol), call.now_ms)

    def funding_rates(self, call: Call) -> object:
        """Only contracts that traded."""
        asked = self._contract(call).symbol if call.query.get("symbol") else None
        symbols = [
            symbol
            for symbol in self._venue.exchange.contracts
            if asked in {None, symbol} and self._venue.tape.day(symbol) is not None
        ]
        return {"list": [self._rate(self._venue.exchange.prices(symbol), call.now_ms) for symbol in symbols]}

    def funding_history(self, call: Call) -> object:
        """What was settled, newest first; the time is a text here."""
        symbol = self._contract(call).symbol
        limit = min(whole(call, "limit") or RATES_MAX, RATES_MAX)
        return {
            "list": [
                {"symbol": symbol, "funding_rate": figure(one.rate), "funding_time": str(one.at_ms)}
                for one in islice(reversed(self._venue.funding[symbol]), limit)
            ]
        }

    def open_interest(self, call: Call) -> object:
        contract = self._contract(call)
        interest = self._venue.exchange.open_interest(contract.symbol)
        return {
            "timestamp": call.now_ms,
            "symbol": contract.symbol,
            "open_interest": figure(interest),
            "open_interest_value": figure(contract.value(interest, self._venue.exchange.prices(contract.symbol).last)),
        }

    def brackets(self, call: Call) -> object:
        asked = self._contract(call).symbol if call.query.get("symbol") else None
        contracts = [one for one in self._venue.exchange.contracts.values() if asked in {None, one.symbol}]
        return {
            "rules": [
                {
                    "symbol": contract.symbol,
                    "brackets": [
                        {
                            "bracket": number,
                            "initial_leverage": one.leverage,
                            "notional_cap": figure(one.cap),
                            "notional_floor": figure(one.floor),
                            "maint_margin_ratio": figure(one.maintenance),
                            "cum": figure(one.cum),
                        }
                        for number, one in enumerate(contract.brackets, start=1)
                    ],
                }
                for contract in contracts
            ]
        }

    # -------------------------------------------------------------------------------------------- how

    def _contract(self, call: Call) -> Contract:
        """Return the contract asked for; to market data one that is delisted is unknown (PROTOCOL 4.7)."""
        contract = self._venue.contract(call)
        if contract.symbol in self._venue.delisted_s:
            raise WireError(40034)
        return contract

    def _details(self, contract: Contract) -> dict[str, object]:
        exchange, symbol = self._venue.exchange, contract.symbol
        prices, day = exchange.prices(symbol), self._venue.tape.day(symbol)
        interest = self._venue.exchange.open_interest(symbol)
        return {
            "symbol": symbol,
            "product_type": 1,
            "open_timestamp": contract.opened_ms,
            "expire_timestamp": 0,
            "settle_timestamp": 0,
            "base_currency": contract.base,
            "quote_currency": contract.quote,
            "last_price": figure(prices.last),
            "volume_24h": "0" if day is None else figure(day.volume),
            "turnover_24h": "0" if day is None else figure(day.turnover),
            "index_price": figure(prices.index),
            "index_name": symbol,
            "contract_size": figure(contract.contract_size),
            "min_leverage": str(contract.leverage_min),
            "max_leverage": str(contract.leverage_max),
            "price_precision": figure(contract.price_step),
            "vol_precision": "1",
            "max_volume": figure(contract.size_max),
            "market_max_volume": figure(contract.market_size_max),
            "min_volume": figure(contract.size_min),
            "funding_rate": short(prices.settled_rate, RATE_GRID),
            "expected_funding_rate": short(prices.expected_rate, RATE_GRID),
            "open_interest": figure(interest),
            "open_interest_value": figure(contract.value(interest, prices.last)),
            "high_24h": "0" if day is None else figure(day.high),
            "low_24h": "0" if day is None else figure(day.low),
            "change_24h": "0" if day is None else figure(day.fluctuation),
            "funding_interval_hours": contract.funding_hours,
            "funding_time": prices.funding_at_ms,
            "status": "Delisted" if exchange.status(symbol) is Status.DELISTED else "Trading",
            "delist_time": self._venue.delisted_s.get(symbol, 0),
            "tradfi_info": None,
        }

    @staticmethod
    def _rate(prices: Prices, now_ms: int) -> dict[str, object]:
        return {
            "timestamp": now_ms,
            "symbol": prices.contract.symbol,
            "rate_value": figure(prices.settled_rate),
            "expected_rate": figure(prices.expected_rate),
            "funding_time": prices.funding_at_ms,
            "funding_upper_limit": figure(FUNDING_CAP),
            "funding_lower_limit": figure(-FUNDING_CAP),
        }


def _ladder(depth: tuple[tuple[Decimal, Decimal], ...]) -> list[list[str]] | None:
    """Return [price, contracts, contracts up to here] of each level."""
    rows, total = [], Decimal(0)
    for price, size in depth:
        total = EXACT.add(total, size)
        rows.append([figure(price), figure(size), figure(total)])
    return rows or None


def _step(call: Call) -> int:
    step = whole(call, "step", 40038)
    step = 1 if step is None else step
    if step not in STEPS:
        raise WireError(40038)
    return step


def _klines(call: Call, bars: list[Candle]) -> list[dict[str, object]]:
    """Return the bars that open inside the bounds, in seconds, oldest first."""
    start, end = whole(call, "start_time", 40039) or 0, whole(call, "end_time", 40039)
    end = call.now_ms // 1000 if end is None else end
    if start > end:
        raise WireError(40039)
    inside = [bar for bar in bars if start <= bar.open_s <= end]
    return [
        {
            "timestamp": bar.open_s,
            "open_price": figure(bar.open),
            "close_price": figure(bar.close),
            "high_price": figure(bar.high),
            "low_price": figure(bar.low),
            "volume": figure(bar.volume),
        }
        for bar in inside[-KLINES_MAX:]
    ]
