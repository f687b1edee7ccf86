"""Where BitMart spot's spelling ends: its messages become reports. Pure; raises ValueError for what makes no sense.

Three of its habits are undone here, and nowhere else:
- a market buy that succeeded ends as `partially_canceled` (its unspendable rest is released): FILLED (PROTOCOL 9.2),
  but for one that says that it was ended to not trade with its own account, which pushes never say (5.4, 7.4);
- an order sent without a client id shows its own order id as one, or "": None (9.14);
- zero stands for "none" in prices, sizes of market buys and times.
"""

from collections.abc import Iterable
from decimal import Decimal
from functools import lru_cache
from typing import Final

from adapters.bitmart.scalars import (
    NAME_MAX,
    Wire,
    above_zero,
    amount,
    identity,
    instant,
    millis,
    order_id,
    positive,
    required,
    required_id,
    required_order_id,
    text,
    unsigned,
    whole,
    word,
)
from adapters.bitmart.spot import messages as wire
from oms.errors import UnknownSymbolError
from oms.reports import (
    BalanceReport,
    BookReport,
    CandleReport,
    InstrumentReport,
    OrderReport,
    PublicTradeReport,
    TickerReport,
    TradeReport,
    VenueOrderStatus,
)
from oms.values import ZERO, ClientOrderId, Currency, ExecId, Liquidity, OrderType, Side, Symbol, VenueOrderId, cost

PENDING_NEW = VenueOrderStatus.PENDING_NEW
NEW = VenueOrderStatus.NEW
PARTIALLY_FILLED = VenueOrderStatus.PARTIALLY_FILLED
FILLED = VenueOrderStatus.FILLED
CANCELED = VenueOrderStatus.CANCELED
REJECTED = VenueOrderStatus.REJECTED

# PROTOCOL 5.9. The words of REST and `order_state`, the numbers of the deprecated `state`.
STATES: Final = {
    "new": NEW,
    "4": NEW,
    "2": PENDING_NEW,
    "partially_filled": PARTIALLY_FILLED,
    "5": PARTIALLY_FILLED,
    "filled": FILLED,
    "6": FILLED,
    "canceled": CANCELED,
    "8": CANCELED,
    "partially_canceled": CANCELED,
    "12": CANCELED,
    "11": CANCELED,  # of a market buy: FILLED
    "failed": REJECTED,
    "1": REJECTED,
    "3": REJECTED,
}  # fmt: skip -- one state a line, in the protocol's order
PARTIALLY_CANCELED: Final = ("partially_canceled", "12", "11")
ISOLATED: Final = "iso_margin"  # an order of a margin account, which has money of its own
SELF_TRADE: Final = "stp"  # the only source of a cancel that surely is no release of a market buy's rest
CANCELING: Final = "7"  # still working: what it is follows from what it filled

SIDES: Final = {"buy": Side.BUY, "sell": Side.SELL}
LIQUIDITIES: Final = {"m": Liquidity.MAKER, "maker": Liquidity.MAKER, "t": Liquidity.TAKER, "taker": Liquidity.TAKER}
ENTRUSTED: Final = ("limit_maker", "ioc")  # the kinds of limit order that a push tells apart only by `entrust_type`
PRECISION_MAX: Final = 40


# ------------------------------------------------------------------------------------------------ names


@lru_cache(maxsize=8192)
def symbol(venue_symbol: str) -> Symbol:
    """Return ours for the venue's: ``BTC_USDT`` is ``BTC/USDT``."""
    base, _, quote = venue_symbol.rpartition("_")
    if not (base and quote) or len(venue_symbol) > NAME_MAX:
        raise ValueError(f"symbol {venue_symbol!r:.80} is not BASE_QUOTE")
    return Symbol(f"{base}/{quote}")


@lru_cache(maxsize=8192)
def venue_symbol(symbol: Symbol) -> str:
    """Return the venue's for ours.

    Raises:
        UnknownSymbolError: it is not the name of a spot market.
    """
    base, _, quote = symbol.partition("/")
    if not (base and quote) or ":" in quote:
        raise UnknownSymbolError(f"{symbol} is not a spot market")
    return f"{base}_{quote}"


def client_order_id(value: Wire, venue_order_id: str | None) -> ClientOrderId | None:
    """Return the sender's id, or None where the venue put its own in the place."""
    name = text(value)
    return None if name is None or name == venue_order_id else ClientOrderId(name)


def status(raw: str | None, cum_quantity: Decimal | None, *, market_buy: bool) -> VenueOrderStatus | None:
    """Return what a state means, None if it is a new one."""
    if raw is None:
        return None
    raw = raw.lower()
    if raw in PARTIALLY_CANCELED and market_buy:
        return FILLED
    if raw == CANCELING:
        return PARTIALLY_FILLED if cum_quantity else NEW
    return STATES.get(raw)


# ------------------------------------------------------------------------------------------------ orders and trades


def order(message: wire.Order) -> tuple[OrderReport]:
    """Return the state of an order that was asked for."""
    venue_order_id = _order_id(message.orderId)
    side, kind = _side(message.side), word(message.type)
    raw, cum_quantity = text(message.state), unsigned(message.filledSize)
    market_buy = kind == OrderType.MARKET and side is Side.BUY
    now = status(raw, cum_quantity, market_buy=market_buy and word(message.cancelSource) != SELF_TRADE)
    return (
        OrderReport(
            symbol=symbol(message.symbol),
            status=now,
            raw_status=None if raw == now else raw,
            venue_order_id=venue_order_id,
            client_order_id=client_order_id(message.clientOrderId, venue_order_id),
            side=side,
            order_type=kind,
            quantity=positive(message.size),
            notional=positive(message.notional) if market_buy else None,
            cum_quantity=cum_quantity,
            cum_notional=unsigned(message.filledNotional),
            price=positive(message.price),
            average_price=positive(message.priceAvg),
            cancel_reason=text(message.cancelSource),
            trigger_price=positive(message.triggerPrice),
            created_ms=millis(message.createTime),
            updated_ms=millis(message.updateTime),
        ),
    )


def trade(message: wire.Trade) -> tuple[TradeReport]:
    """Return a fill with what it cost: the authority on commissions."""
    venue_order_id = order_id(message.orderId)
    commission, currency = cost(amount(message.fee), _currency(message.feeCoinName))
    return (
        TradeReport(
            exec_id=ExecId(required_id(message.tradeId, "tradeId")),
            symbol=symbol(message.symbol),
            price=above_zero(message.price, "price"),
            quantity=above_zero(message.size, "size"),
            venue_order_id=None if venue_order_id is None else VenueOrderId(venue_order_id),
            client_order_id=client_order_id(message.clientOrderId, venue_order_id),
            side=_side(message.side),
            commission=commission,
            commission_currency=currency,
            liquidity=_liquidity(message.tradeRole),
            at_ms=millis(message.createTime),
        ),
    )


def order_push(message: wire.OrderPush) -> tuple[()] | tuple[OrderReport] | tuple[OrderReport, TradeReport]:
    """Return the order's state and, where the push shows one, its last trade; nothing of an order of isolated margin,
    which moves money of an account of its own. Lists are asked without those.

    The trade carries no commission: whether `dealFee` is the last trade's or the order's is unverified (PROTOCOL 7.4).
    """
    if text(message.order_mode) == ISOLATED:
        return ()
    venue_order_id = _order_id(message.order_id)
    client_id = client_order_id(message.client_order_id, venue_order_id)
    market, side, kind = symbol(message.symbol), _side(message.side), _pushed_type(message)
    raw, cum_quantity = text(message.order_state) or text(message.state), unsigned(message.filled_size)
    market_buy = kind == OrderType.MARKET and side is Side.BUY
    now = status(raw, cum_quantity, market_buy=market_buy)
    updated_ms = millis(message.update_time)
    report = OrderReport(
        symbol=market,
        status=now,
        raw_status=None if raw == now else raw,
        venue_order_id=venue_order_id,
        client_order_id=client_id,
        side=side,
        order_type=kind,
        quantity=positive(message.size),
        notional=positive(message.notional) if market_buy else None,
        cum_quantity=cum_quantity,
        cum_notional=unsigned(message.filled_notional),
        price=positive(message.price),
        created_ms=millis(message.create_time) or millis(message.ms_t),
        updated_ms=updated_ms,
    )
    exec_id, quantity = identity(message.detail_id), positive(message.last_fill_count)
    price = positive(message.last_fill_price)
    if exec_id is None or quantity is None or price is None or not cum_quantity:
        return (report,)
    last = TradeReport(
        exec_id=ExecId(exec_id),
        symbol=market,
        price=price,
        quantity=quantity,
        venue_order_id=venue_order_id,
        client_order_id=client_id,
        side=side,
        liquidity=_liquidity(message.exec_type),
        at_ms=millis(message.last_fill_time) or updated_ms,
    )
    return (report, last)


def _pushed_type(message: wire.OrderPush) -> str | None:
    entrusted = word(message.entrust_type)
    return entrusted if entrusted in ENTRUSTED else word(message.type)


# ------------------------------------------------------------------------------------------------ balances


def wallet_entry(message: wire.WalletEntry) -> tuple[BalanceReport]:
    """Return one coin of a wallet."""
    currency = _currency(message.id) or _currency(message.currency)
    if currency is None:
        raise ValueError("a wallet entry without its coin")
    return (
        BalanceReport(
            currency=currency,
            available=amount(message.available),
            held=amount(message.frozen),
            total=amount(message.total),
        ),
    )


def balance_detail(message: wire.BalanceDetail) -> tuple[BalanceReport]:
    """Return one coin after a change."""
    return (
        BalanceReport(currency=Currency(message.ccy), available=amount(message.av_bal), held=amount(message.fz_bal)),
    )


def margin_account(message: wire.MarginAccount) -> tuple[BalanceReport, BalanceReport]:
    """Return both coins of an isolated pair; equity is what is left after the loan."""
    return _margin_coin(message.base), _margin_coin(message.quote)


def _margin_coin(coin: wire.MarginCoin) -> BalanceReport:
    return BalanceReport(
        currency=Currency(coin.currency),
        available=amount(coin.available),
        held=amount(coin.frozen),
        total=amount(coin.total_asset),
        equity=amount(coin.net_asset),
    )


# ------------------------------------------------------------------------------------------------ markets


def instrument(message: wire.SymbolDetails) -> tuple[InstrumentReport]:
    """Return one market of the catalogue. Buys and sells may differ in their minimum: the larger holds for both."""
    precision = whole(message.price_max_precision, "price_max_precision")
    if not 0 <= precision <= PRECISION_MAX:
        raise ValueError(f"price_max_precision of {precision}")
    return (
        InstrumentReport(
            symbol=symbol(message.symbol),
            venue_symbol=message.symbol,
            base=Currency(message.base_currency),
            quote=Currency(message.quote_currency),
            price_step=Decimal(1).scaleb(-precision),
            quantity_step=above_zero(message.quote_increment, "quote_increment"),
            quantity_min=required(message.base_min_size, "base_min_size"),
            notional_min=max(amount(message.min_buy_amount) or ZERO, amount(message.min_sell_amount) or ZERO),
            tradable=word(message.trade_status) == "trading",
        ),
    )


def ticker(message: wire.Ticker | wire.TickerRow) -> tuple[TickerReport]:
    """Return the best prices of one market; zero means that a side is empty."""
    return (
        TickerReport(
            symbol=symbol(message.symbol),
            bid=positive(message.bid_px),
            ask=positive(message.ask_px),
            last=positive(message.last),
            at_ms=millis(message.ts),
        ),
    )


def ticker_push(message: wire.TickerPush) -> tuple[TickerReport]:
    """Return the best prices of one market, pushed."""
    return (
        TickerReport(
            symbol=symbol(message.symbol),
            bid=positive(message.bid_px),
            ask=positive(message.ask_px),
            last=positive(message.last_price),
            at_ms=millis(message.ms_t),
        ),
    )


def candle(row: wire.KlineRow | wire.Candle, market: Symbol | None = None, interval: str | None = None) -> CandleReport:
    """Return one bar; the venue gives the start of its interval in seconds."""
    open_ms = instant(row.t)
    if open_ms is None:
        raise ValueError("a bar without its time")
    return CandleReport(
        symbol=market,
        interval=interval,
        open_ms=open_ms,
        open=required(row.o, "open"),
        high=required(row.h, "high"),
        low=required(row.l, "low"),
        close=required(row.c, "close"),
        volume=required(row.v, "volume"),
    )


def public_trade(row: wire.PublicTradeRow) -> tuple[PublicTradeReport]:
    """Return one trade of the market."""
    return (
        PublicTradeReport(
            symbol=symbol(row.symbol),
            price=above_zero(row.price, "price"),
            quantity=above_zero(row.size, "size"),
            side=_side(row.side),
            at_ms=millis(row.ts),
        ),
    )


def trade_push(message: wire.TradePush) -> tuple[PublicTradeReport]:
    """Return one trade of the market, pushed; before 2024 only the time in seconds was sent."""
    return (
        PublicTradeReport(
            symbol=symbol(message.symbol),
            price=above_zero(message.price, "price"),
            quantity=above_zero(message.size, "size"),
            side=_side(message.side),
            at_ms=millis(message.ms_t) or instant(message.s_t),
        ),
    )


def book(message: wire.Book) -> tuple[BookReport]:
    """Return a whole book."""
    return (
        BookReport(
            symbol=symbol(message.symbol),
            bids=_levels(message.bids),
            asks=_levels(message.asks),
            at_ms=millis(message.ts),
        ),
    )


def depth_push(message: wire.DepthPush) -> tuple[BookReport]:
    """Return a whole book, or an update to one."""
    version = amount(message.version)
    return (
        BookReport(
            symbol=symbol(message.symbol),
            bids=_levels(message.bids),
            asks=_levels(message.asks),
            update=word(message.type) == "update",
            version=None if version is None else int(version),
            at_ms=millis(message.ms_t),
        ),
    )


def _levels(levels: Iterable[wire.Level] | None) -> tuple[tuple[Decimal, Decimal], ...]:
    return tuple((required(level.price, "price"), required(level.amount, "amount")) for level in levels or ())


# ------------------------------------------------------------------------------------------------ scalars


def _order_id(value: Wire) -> VenueOrderId:
    return VenueOrderId(required_order_id(value))


def _side(value: Wire) -> Side | None:
    return SIDES.get(word(value) or "")


def _liquidity(value: Wire) -> Liquidity | None:
    return LIQUIDITIES.get(word(value) or "")


def _currency(value: Wire) -> Currency | None:
    name = text(value)
    return None if name is None else Currency(name)
