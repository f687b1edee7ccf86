"""Where the spelling of BitMart futures' market data ends: its messages become reports. Pure; raises ValueError for
what makes no sense.

Volumes are contracts, except in one REST call that counts coins; times are in seconds or milliseconds, or written.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

from adapters.bitmart.perp import messages as wire
from adapters.bitmart.perp.spelling import DOLLAR, symbol
from adapters.bitmart.scalars import (
    SECOND_MS,
    Wire,
    above_zero,
    amount,
    flag,
    identity,
    instant,
    positive,
    required,
    text,
    whole,
    word,
)
from oms.instrument import Bracket
from oms.reports import (
    BookReport,
    CandleReport,
    FundingReport,
    InstrumentReport,
    PublicTradeReport,
    TickerReport,
)
from oms.values import ZERO, Currency, PriceSource, Side, Symbol

PERPETUAL: Final = "1"
BIDS, ASKS = "1", "2"  # `way` of a book's side
SELLING_WAY: Final = 5  # `way` of a public trade: sells from here on
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND: Final = timedelta(milliseconds=1)
MINUTE_MS: Final = 60 * SECOND_MS
MONDAY_MS: Final = 4 * 24 * 60 * MINUTE_MS  # 1970-01-05, from which weeks are counted


def instrument(message: wire.Contract) -> InstrumentReport:
    """Return one contract of the catalogue; a dated one by its day (``BTC/USDT:USDT-261225``), never tradable."""
    market, perpetual = _market(message)
    inverse = message.quote_currency == DOLLAR
    return InstrumentReport(
        symbol=market,
        venue_symbol=message.symbol,
        base=Currency(message.base_currency),
        quote=Currency(message.quote_currency),
        settle=Currency(message.base_currency if inverse else message.quote_currency),
        inverse=inverse,
        contract_size=above_zero(message.contract_size, "contract_size"),
        price_step=above_zero(message.price_precision, "price_precision"),
        quantity_step=positive(message.vol_precision) or above_zero(message.volume_precision, "vol_precision"),
        quantity_min=required(message.min_volume, "min_volume"),
        quantity_max=positive(message.max_volume),
        notional_min=ZERO,
        leverage_max=positive(message.max_leverage),
        tradable=perpetual and word(message.status) == "trading",
    )


def bracket(message: wire.Bracket) -> Bracket:
    """Return one tier of what must back a position."""
    return Bracket(
        floor=amount(message.notional_floor) or ZERO,
        cap=above_zero(message.notional_cap, "notional_cap"),
        maintenance_rate=required(message.maint_margin_ratio, "maint_margin_ratio"),
        deduction=amount(message.cum) or ZERO,
    )


def _market(message: wire.Contract) -> tuple[Symbol, bool]:
    if (text(message.product_type) or PERPETUAL) == PERPETUAL:
        return symbol(message.symbol), True
    expires_ms = instant(message.expire_timestamp)
    if expires_ms is None:
        raise ValueError(f"a dated contract without its day: {message.symbol!r:.80}")
    base, quote = message.base_currency, message.quote_currency
    day = f"{EPOCH + expires_ms * MILLISECOND:%y%m%d}"
    return Symbol(f"{base}/{quote}:{base if quote == DOLLAR else quote}-{day}"), False


def ticker(message: wire.Ticker) -> TickerReport:
    """Return the best prices of one market; the push has no time. Zero means that a side is empty."""
    return TickerReport(
        symbol=symbol(message.symbol),
        bid=positive(message.bid_price),
        ask=positive(message.ask_price),
        last=positive(message.last_price),
        mark=positive(message.mark_price) or positive(message.fair_price),
    )


def book_ticker(message: wire.BookTicker) -> TickerReport:
    """Return the best prices of one market."""
    return TickerReport(
        symbol=symbol(message.symbol),
        bid=positive(message.best_bid_price),
        ask=positive(message.best_ask_price),
        at_ms=instant(message.ms_t),
    )


def depth(message: wire.Depth) -> BookReport:
    """Return a whole book."""
    return BookReport(
        symbol=symbol(message.symbol),
        bids=_levels(message.bids),
        asks=_levels(message.asks),
        at_ms=instant(message.timestamp),
    )


def depth_side(message: wire.DepthSide) -> BookReport:
    """Return one whole side of a book; of the other side this push says nothing."""
    way = text(message.way)
    if way not in (BIDS, ASKS):
        raise ValueError(f"a side of a book that is neither: {way!r:.80}")
    levels = _levels(message.depths)
    return BookReport(
        symbol=symbol(message.symbol),
        bids=levels if way == BIDS else None,
        asks=levels if way == ASKS else None,
        at_ms=instant(message.ms_t),
    )


def depth_push(message: wire.DepthPush | wire.DepthPushV2) -> BookReport:
    """Return a whole book, or an update to one."""
    version = amount(message.version)
    return BookReport(
        symbol=symbol(message.symbol),
        bids=_levels(message.bids),
        asks=_levels(message.asks),
        update=word(message.type) == "update",
        version=None if version is None else whole(message.version, "version"),
        at_ms=instant(message.ms_t),
    )


def _levels(levels: Iterable[wire.Level | wire.LevelRow] | None) -> tuple[tuple[Decimal, Decimal], ...]:
    return tuple((required(level.price, "price"), required(level.vol, "vol")) for level in levels or ())


def market_trade(message: wire.MarketTrade) -> PublicTradeReport:
    """Return one trade of the market, in coins: this call alone does not count contracts (PROTOCOL 9.24)."""
    return PublicTradeReport(
        symbol=symbol(message.symbol),
        price=above_zero(message.price, "price"),
        quantity=above_zero(message.qty, "qty"),
        in_base=True,
        side=_taker(message.is_buyer_maker),
        at_ms=instant(message.time),
    )


def public_trade(message: wire.PublicTrade) -> PublicTradeReport:
    """Return one trade of the market, pushed, in contracts."""
    side, way = _taker(message.m), amount(message.way)
    if side is None and way is not None:
        side = Side.SELL if way >= SELLING_WAY else Side.BUY
    return PublicTradeReport(
        symbol=symbol(message.symbol),
        price=above_zero(message.deal_price, "deal_price"),
        quantity=above_zero(message.deal_vol, "deal_vol"),
        side=side,
        trade_id=identity(message.trade_id),
        at_ms=_written(message.created_at) or instant(message.create_time_mill) or instant(message.create_time),
    )


def _taker(buyer_is_maker: Wire) -> Side | None:
    maker = flag(buyer_is_maker)
    return None if maker is None else Side.SELL if maker else Side.BUY


def kline(row: wire.Kline, of: PriceSource) -> CandleReport:
    """Return one bar; nobody says whose, nor how long. Every interval is of whole minutes, and some rows begin a second
    late (PROTOCOL 6.2).
    """
    return CandleReport(
        symbol=None,
        of=of,
        open_ms=_floor(row.timestamp, MINUTE_MS),
        open=required(row.open_price, "open_price"),
        high=required(row.high_price, "high_price"),
        low=required(row.low_price, "low_price"),
        close=required(row.close_price, "close_price"),
        volume=amount(row.volume) or ZERO,
    )


def candle(
    row: wire.Candle | wire.KlinePush, market: Symbol, interval: str, length_ms: int, of: PriceSource
) -> CandleReport:
    """Return one bar of a push; `ts` lies somewhere in it (PROTOCOL 8.2), so its start is where the interval began."""
    return CandleReport(
        symbol=market,
        interval=interval,
        of=of,
        open_ms=_floor(row.ts, length_ms),
        open=required(row.o, "open"),
        high=required(row.h, "high"),
        low=required(row.l, "low"),
        close=required(row.c, "close"),
        volume=amount(row.v) or ZERO,
    )


def _floor(value: Wire, length_ms: int) -> int:
    at_ms = instant(value)
    if at_ms is None:
        raise ValueError("a bar without its time")
    since = at_ms - MONDAY_MS
    return MONDAY_MS + since - since % length_ms


def funding(message: wire.FundingRate) -> FundingReport:
    """Return the rate that was last settled and the one to come."""
    return FundingReport(
        symbol=symbol(message.symbol),
        rate=amount(message.rate_value),
        expected_rate=amount(message.expected_rate),
        next_ms=instant(message.funding_time),
        at_ms=instant(message.timestamp),
    )


def settled_rate(message: wire.SettledRate) -> FundingReport:
    """Return a rate of the past, as it was settled."""
    return FundingReport(
        symbol=symbol(message.symbol),
        rate=required(message.funding_rate, "funding_rate"),
        at_ms=instant(message.funding_time),
    )


def funding_push(message: wire.FundingPush) -> FundingReport:
    """Return the rates as pushed; `fundingTime` is about now, whatever the docs say (PROTOCOL 10.16)."""
    return FundingReport(
        symbol=symbol(message.symbol),
        rate=amount(message.fundingRate),
        expected_rate=amount(message.nextFundingRate),
        next_ms=instant(message.nextFundingTime),
        at_ms=instant(message.ts),
    )


def _written(value: Wire) -> int | None:
    """Return the milliseconds of an RFC 3339 time, whose nanoseconds are cut; the docs announce milliseconds there."""
    if type(value) is not str or "T" not in value:
        return instant(value)
    at = datetime.fromisoformat(value)
    return (at.replace(tzinfo=at.tzinfo or UTC) - EPOCH) // MILLISECOND
