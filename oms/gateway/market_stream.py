"""Markets on the stream: which channels name what of which market, and how its frames look. No part of the log."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final

from msgspec import Struct

from oms.gateway.auth import Accounts, Caller
from oms.gateway.problems import ForbiddenError, InvalidBodyError, UnsupportedError
from oms.gateway.sight import Channel
from oms.gateway.views import View, moment
from oms.market_data import BookState, Kind, MarketData, News, Subscription, Topic
from oms.reports import CandleReport, FundingReport, PublicTradeReport, TickerReport
from oms.values import AccountId, Side, Symbol

TOPICS_MAX: Final = 64  # of one stream
NS_PER_MS: Final = 1_000_000
FRAMES: Final = frozenset(Kind)  # the types of frames that are about a market


class Level(View, frozen=True, kw_only=True):
    """One price of a book, and how much stands there."""

    price: Decimal
    quantity: Decimal


class BookFrame(View, frozen=True, kw_only=True):
    """A market's best levels. While `valid` is false the book is not whole, and nothing of it is shown."""

    symbol: str
    valid: bool
    bids: Sequence[Level]
    asks: Sequence[Level]
    version: int | None = None
    occurred_at: datetime | None = None


class PublicTrade(View, frozen=True, kw_only=True):
    """One trade of anybody's; `side` is the taker's."""

    price: Decimal
    quantity: Decimal
    side: Side | None = None
    trade_id: str | None = None
    occurred_at: datetime | None = None


class TradesFrame(View, frozen=True, kw_only=True):
    """Trades since the last such frame. `missed` of them were not taken in time and are gone."""

    symbol: str
    items: Sequence[PublicTrade]
    missed: int = 0


class TickerFrame(View, frozen=True, kw_only=True):
    """The best prices, the last trade and, of a perpetual, the mark price, each as it was told last."""

    symbol: str
    bid: Decimal | None = None
    ask: Decimal | None = None
    last: Decimal | None = None
    mark: Decimal | None = None
    occurred_at: datetime | None = None


class FundingFrame(View, frozen=True, kw_only=True):
    """A perpetual's funding: the rate that was settled last, and what is expected at `next_at`."""

    symbol: str
    rate: Decimal | None = None
    expected_rate: Decimal | None = None
    next_at: datetime | None = None


class CandleFrame(View, frozen=True, kw_only=True):
    """The open bar as it stands. What is final, `/v1/candles` says: a push never closes a bar."""

    symbol: str
    interval: str
    open_at: datetime | None
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal


Frame = BookFrame | TradesFrame | TickerFrame | FundingFrame | CandleFrame


class Chosen(Struct, frozen=True):
    """What a stream was asked for: events of the log, and markets."""

    channels: frozenset[Channel]
    topics: frozenset[Topic]


def chosen(names: Sequence[str]) -> Chosen:
    """Read the names of channels: ``orders``, ``book:BTC/USDT``, ``candles:1m:BTC/USDT:USDT``.

    Raises:
        InvalidBodyError: one is no channel's, or there are too many.
    """
    events, topics = set[Channel](), set[Topic]()
    for name in names:
        kind, _, rest = name.partition(":")
        if name in set(Channel):
            events.add(Channel(name))
            continue
        interval, _, symbol = rest.partition(":") if kind == Kind.CANDLES else (None, "", rest)
        if kind not in FRAMES or not symbol:
            raise InvalidBodyError(
                f"{name[:64]!r} is no channel: there are {', '.join(Channel)}, and of a market"
                f" {', '.join(f'{each}:SYMBOL' for each in Kind if each is not Kind.CANDLES)}, candles:INTERVAL:SYMBOL"
            )
        topics.add(Topic(kind=Kind(kind), symbol=Symbol(symbol), interval=interval))
    if len(topics) > TOPICS_MAX:
        raise InvalidBodyError(f"{len(topics)} channels of markets are more than the {TOPICS_MAX} of one stream")
    return Chosen(frozenset(events), frozenset(topics))


class Subscribed(Struct, frozen=True):
    """A subscription, and whose it is."""

    markets: MarketData
    subscription: Subscription

    def end(self) -> None:
        self.markets.unsubscribe(self.subscription)


class MarketChannels:
    """Subscribes callers to the markets of their accounts' venues."""

    def __init__(self, accounts: Accounts, markets: Mapping[AccountId, MarketData]) -> None:
        self._accounts = accounts
        self._markets = markets

    def subscribe(self, caller: Caller, account: str | None, topics: frozenset[Topic]) -> Subscribed:
        """Return a subscription to `topics`, which is to be ended.

        Raises:
            ForbiddenError: the token is not for one of the markets.
            UnsupportedError: nobody here follows markets, or not that one.
            UnknownSymbolError, TooManyMarketsError: as `oms.market_data.MarketData.subscribe`.
        """
        engine = self._accounts.one(caller, account)
        markets = self._markets.get(engine.account)
        for topic in topics:
            if not caller.trades(topic.symbol):
                raise ForbiddenError(f"the token is not for the symbol {topic.symbol[:64]!r}")
            if markets is None or topic.symbol not in engine.decider.instruments:
                raise UnsupportedError(
                    f"account {engine.account} has no market {topic.symbol[:64]!r} to follow",
                    next_step="see /v1/instruments for those it has",
                )
        assert markets is not None
        return Subscribed(markets, markets.subscribe(topics))


def framed(news: News) -> Frame:
    """Return what a frame says of `news`."""
    match news.told:
        case BookState() as book:
            return BookFrame(
                symbol=book.symbol,
                valid=book.valid,
                bids=_levels(book.bids),
                asks=_levels(book.asks),
                version=book.version,
                occurred_at=_at(book.at_ms),
            )
        case TickerReport() as ticker:
            return TickerFrame(
                symbol=ticker.symbol,
                bid=ticker.bid,
                ask=ticker.ask,
                last=ticker.last,
                mark=ticker.mark,
                occurred_at=_at(ticker.at_ms),
            )
        case FundingReport() as funding:
            return FundingFrame(
                symbol=funding.symbol,
                rate=funding.rate,
                expected_rate=funding.expected_rate,
                next_at=_at(funding.next_ms),
            )
        case CandleReport() as bar:
            return CandleFrame(
                symbol=news.topic.symbol,
                interval=news.topic.interval or "",
                open_at=_at(bar.open_ms),
                open=bar.open,
                high=bar.high,
                low=bar.low,
                close=bar.close,
                volume=bar.volume,
            )
        case tuple() as trades:
            return TradesFrame(symbol=news.topic.symbol, items=[_trade(each) for each in trades], missed=news.missed)


def _trade(trade: PublicTradeReport) -> PublicTrade:
    return PublicTrade(
        price=trade.price,
        quantity=trade.quantity,
        side=trade.side,
        trade_id=trade.trade_id,
        occurred_at=_at(trade.at_ms),
    )


def _levels(levels: Iterable[tuple[Decimal, Decimal]]) -> list[Level]:
    return [Level(price=price, quantity=quantity) for price, quantity in levels]


def _at(ms: int | None) -> datetime | None:
    return None if ms is None else moment(ms * NS_PER_MS)
