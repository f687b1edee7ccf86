"""The spot host: exchange, background traders, REST and streams."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from itertools import islice
from typing import Final

from adapters.simulator.chance import chance
from adapters.simulator.exchange.accounts import Balance
from adapters.simulator.exchange.algo import Algo
from adapters.simulator.exchange.matching import Exchange, Rules
from adapters.simulator.exchange.orders import BalanceChanged, CancelSource, Event, Market, Printed
from adapters.simulator.host import BUSTABLE_MAX
from adapters.simulator.traders import Traders
from adapters.simulator.wire.codes import WireError
from adapters.simulator.wire.feeds import Feeds
from adapters.simulator.wire.gateway import Reply, Request
from adapters.simulator.wire.house import House
from adapters.simulator.wire.lag import Lagging
from adapters.simulator.wire.line import Stream
from adapters.simulator.wire.publisher import Publisher
from adapters.simulator.wire.rest import spot_rest
from adapters.simulator.wire.stream import SpotStream
from adapters.simulator.wire.tape import Tape
from adapters.simulator.wire.venue import Venue

MARKETS: Final = (
    Market(
        symbol="BTC_USDT",
        symbol_id=53,
        base="BTC",
        quote="USDT",
        price_places=2,
        size_step=Decimal("0.00001"),
        size_min=Decimal("0.00001"),
        notional_min=Decimal(5),
        opening=Decimal(60_000),
    ),
    Market(
        symbol="ETH_USDT",
        symbol_id=55,
        base="ETH",
        quote="USDT",
        price_places=2,
        size_step=Decimal("0.0001"),
        size_min=Decimal("0.0001"),
        notional_min=Decimal(5),
        opening=Decimal(3_000),
    ),
    Market(
        symbol="BMX_USDT",
        symbol_id=1020,
        base="BMX",
        quote="USDT",
        price_places=5,
        size_step=Decimal("0.01"),
        size_min=Decimal("0.01"),
        notional_min=Decimal(5),
        opening=Decimal("0.35"),
    ),
)
PUBLIC_CONNECTIONS_MAX: Final = 20  # per address (PROTOCOL 3.4)
PRIVATE_CONNECTIONS_MAX: Final = 10
NEW_CONNECTIONS_MAX: Final = 30  # per minute and address


class SpotHost:
    """BitMart spot. See `host.Host` for what each method promises."""

    def __init__(
        self, house: House, markets: tuple[Market, ...], *, seed: int, traders: bool, rules: Rules | None
    ) -> None:
        self._house = house
        tape: Tape[Printed] = Tape([market.symbol for market in markets])
        self._publisher = Publisher(tape, house)
        self._shown: Lagging[Balance] = Lagging(house)
        self.exchange = Exchange(markets, self._happened, rules=rules, portion=house.portion)
        self._feeds = Feeds(self.exchange, tape)
        self.traders = Traders(self.exchange, chance(seed, "traders"), active=traders)
        self.algo = Algo(self.exchange, tape.last, house.accepted)
        self._rest = spot_rest(Venue(exchange=self.exchange, tape=tape, house=house, shown=self._shown), self.algo)

    def handle(self, request: Request, venue_ms: int) -> Reply:
        return self._rest.handle(request, venue_ms)

    def refuse(self, error: WireError) -> Reply:
        return self._rest.refuse(error)

    def open_stream(self, *, private: bool, venue_ms: int) -> Stream:
        markets = self.exchange.markets
        return SpotStream(private=private, keys=self._house.keys, feeds=self._feeds, symbols=markets, now_ms=venue_ms)

    def connections_max(self, *, private: bool) -> int:
        return PRIVATE_CONNECTIONS_MAX if private else PUBLIC_CONNECTIONS_MAX

    @property
    def arrivals_max(self) -> int | None:
        return NEW_CONNECTIONS_MAX

    def step(self, elapsed_ms: int, venue_ms: int) -> None:
        self.traders.step(elapsed_ms, venue_ms)

    def flush(self, streams: Sequence[Stream], venue_ms: int) -> None:
        self.algo.fire(venue_ms)
        self._publisher.flush(streams, self._feeds, venue_ms)

    def open_account(self, name: str, deposits: Mapping[str, Decimal]) -> None:
        self.exchange.open_account(name, deposits)
        self._shown.opened(name, {coin: Balance(available=amount) for coin, amount in deposits.items()})

    def fund(self, name: str, coins: Mapping[str, Decimal]) -> None:
        owner = self.exchange.accounts[name]
        owner.balances.update({coin: Balance(available=amount) for coin, amount in coins.items()})
        self._shown.opened(name, {coin: Balance(available=amount) for coin, amount in coins.items()})

    def trades(self, symbol: str) -> bool:
        return symbol in self.exchange.markets

    def move(self, symbol: str, price: Decimal, venue_ms: int) -> None:
        self.traders.move(symbol, price, venue_ms)

    def live(self, accounts: Iterable[str]) -> list[tuple[str, str]]:
        return [(name, order_id) for name in accounts for order_id in self.exchange.accounts[name].open]

    def traded(self, accounts: Iterable[str]) -> list[str]:
        last = (islice(reversed(self.exchange.accounts[name].fills), BUSTABLE_MAX) for name in accounts)
        return [fill.trade_id for fills in last for fill in fills]

    def bust(self, trade_id: str, venue_ms: int) -> None:
        self.exchange.bust(trade_id, venue_ms)

    def cancel(self, account: str, order_id: str, venue_ms: int) -> None:
        self.exchange.cancel(account, order_id, venue_ms, CancelSource.SYSTEM)

    def end_trading(self, accounts: Iterable[str], venue_ms: int) -> None:
        for name in accounts:
            for order_id in list(self.exchange.accounts[name].open):
                self.cancel(name, order_id, venue_ms)
            for waiting in [order for order in self.algo.of(name) if order.waits]:
                self.algo.cancel(waiting, venue_ms, CancelSource.SYSTEM)

    def _happened(self, event: Event) -> None:
        self._publisher.collect(event)
        match event:
            case Printed():
                self.algo.saw(event)
            case BalanceChanged():
                for coin, available, frozen in event.coins:
                    self._shown.changed(event.account, coin, Balance(available, frozen), Balance())
            case _:
                pass
