"""The futures host: exchange, background traders, REST and streams."""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from decimal import Decimal
from itertools import islice
from typing import Final

from adapters.simulator.chance import chance
from adapters.simulator.exchange.futures.accounts import Wallet
from adapters.simulator.exchange.futures.contracts import Contract, Status
from adapters.simulator.exchange.futures.events import Event, FundingSettled, PlanChanged, Printed, WalletChanged
from adapters.simulator.exchange.futures.exchange import FuturesExchange
from adapters.simulator.exchange.futures.orders import CancelSource, RefusedError
from adapters.simulator.exchange.futures.plans import Plan, PlanState
from adapters.simulator.exchange.futures.state import Rules
from adapters.simulator.futures_traders import FuturesTraders
from adapters.simulator.host import BUSTABLE_MAX
from adapters.simulator.spot import SpotHost
from adapters.simulator.wire.codes import WireError
from adapters.simulator.wire.futures.feeds import Feeds, Quote
from adapters.simulator.wire.futures.publisher import Publisher
from adapters.simulator.wire.futures.rest import futures_rest
from adapters.simulator.wire.futures.stream import FuturesStream
from adapters.simulator.wire.futures.venue import Venue
from adapters.simulator.wire.gateway import Reply, Request
from adapters.simulator.wire.house import House
from adapters.simulator.wire.lag import Lagging
from adapters.simulator.wire.line import Stream
from adapters.simulator.wire.tape import Tape

CONNECTIONS_MAX: Final = 500  # per address (PROTOCOL 3.4)
TRADES_MAX: Final = 100  # what GET market-trade gives at most
RATES_MAX: Final = 1_000  # settled funding rates remembered per contract
MARK_MS: Final = 1_000  # between two marks on the tape


class FuturesHost:
    """BitMart futures V2. See `host.Host` for what each method promises."""

    def __init__(
        self,
        house: House,
        contracts: Sequence[Contract],
        spot: SpotHost,
        *,
        seed: int,
        traders: bool,
        rules: Rules | None,
    ) -> None:
        self._house = house
        symbols = [contract.symbol for contract in contracts]
        units = {contract.symbol: contract.contract_size for contract in contracts}
        tape: Tape[Printed] = Tape(symbols, trades_max=TRADES_MAX, units=units)
        self._marks: Tape[Quote] = Tape(symbols, trades_max=1)
        self._marked_ms = 0
        self._begun = False
        self._delisted_s: dict[str, int] = {}
        self._funding: Mapping[str, deque[FundingSettled]] = {symbol: deque(maxlen=RATES_MAX) for symbol in symbols}
        self._publisher = Publisher(tape, house)
        self._shown: Lagging[Wallet] = Lagging(house)
        self.exchange = FuturesExchange(contracts, self._collect, rules=rules, portion=house.portion)
        self.traders = FuturesTraders(self.exchange, chance(seed, "futures traders"), spot.traders.mid, active=traders)
        self._feeds = Feeds(self.exchange, tape, self._marks, house)
        self._rest = futures_rest(
            Venue(
                exchange=self.exchange,
                spot=spot.exchange,
                tape=tape,
                marks=self._marks,
                funding=self._funding,
                delisted_s=self._delisted_s,
                house=house,
                shown=self._shown,
            )
        )

    def handle(self, request: Request, venue_ms: int) -> Reply:
        self._begin(venue_ms)
        return self._rest.handle(request, venue_ms)

    def refuse(self, error: WireError) -> Reply:
        return self._rest.refuse(error)

    def open_stream(self, *, private: bool, venue_ms: int) -> Stream:
        self._begin(venue_ms)
        return FuturesStream(self._house, self._feeds, private=private, now_ms=venue_ms)

    def connections_max(self, *, private: bool) -> int:  # noqa: ARG002 -- both kinds alike
        return CONNECTIONS_MAX

    @property
    def arrivals_max(self) -> int | None:
        return None  # none is documented

    def step(self, elapsed_ms: int, venue_ms: int) -> None:
        if not self.exchange.contracts:
            return  # a venue of spot alone
        self.traders.step(elapsed_ms, venue_ms)
        self.exchange.rules.funding_by_hours = self._house.settings.funding
        self.exchange.step(venue_ms)
        if not 0 <= elapsed_ms - self._marked_ms < MARK_MS:
            self._marked_ms = elapsed_ms
            for symbol in self.exchange.contracts:
                self._marks.record(Quote(symbol, self.exchange.prices(symbol).mark, venue_ms))

    def flush(self, streams: Sequence[Stream], venue_ms: int) -> None:
        if not self.exchange.contracts:
            return
        self._publisher.flush(streams, self._feeds, self.exchange, venue_ms)

    def open_account(self, name: str, deposits: Mapping[str, Decimal]) -> None:
        self.exchange.open_account(name, deposits)
        self._shown.opened(name, {coin: Wallet(available=amount) for coin, amount in deposits.items()})

    def fund(self, name: str, coins: Mapping[str, Decimal]) -> None:
        owner = self.exchange.accounts[name]
        owner.wallets.update({coin: Wallet(available=amount) for coin, amount in coins.items()})
        self._shown.opened(name, {coin: Wallet(available=amount) for coin, amount in coins.items()})

    def trades(self, symbol: str) -> bool:
        return symbol in self.exchange.contracts

    def move(self, symbol: str, price: Decimal, venue_ms: int) -> None:
        self.traders.move(symbol, price, venue_ms)

    def settle_funding(self, symbol: str, rate: Decimal, venue_ms: int) -> None:
        """Settle funding now. Raises ValueError for a symbol that is no contract, or a rate beyond the cap."""
        if symbol not in self.exchange.contracts:
            raise ValueError(f"{symbol} is no contract: it settles no funding")
        if not rate.is_finite():
            raise ValueError(f"{rate} is no rate")
        self.exchange.settle_funding(symbol, venue_ms, rate)

    def set_status(self, symbol: str, status: Status, venue_ms: int) -> None:
        """Pause, resume or delist a contract. Raises ValueError for a symbol that is no contract, or is delisted."""
        self.exchange.set_status(symbol, status, venue_ms)
        if status is Status.DELISTED:
            self._delisted_s[symbol] = venue_ms // 1000

    def strike(self, customers: Iterable[str], venue_ms: int) -> None:
        """Roll the faults that befall whoever holds a position."""
        held = [one for name in customers for one in self.exchange.accounts[name].held_positions()]
        if not held:
            return
        faults = self._house.faults
        for fault, befall in (("liquidation", self.exchange.liquidate), ("adl", self.exchange.deleverage)):
            if faults.fires(fault):
                victim = held[faults.between(0, len(held) - 1)]
                with suppress(RefusedError):  # the first has closed what the second would
                    befall(victim.account, victim.symbol, victim.leg, venue_ms)
        if faults.fires("funding"):
            symbol = held[faults.between(0, len(held) - 1)].symbol
            self.exchange.settle_funding(symbol, venue_ms, Decimal(faults.between(-100, 100)).scaleb(-5))

    def live(self, accounts: Iterable[str]) -> list[tuple[str, str]]:
        return [(name, order_id) for name in accounts for order_id in self.exchange.accounts[name].open]

    def traded(self, accounts: Iterable[str]) -> list[str]:
        last = (islice(reversed(self.exchange.accounts[name].fills), BUSTABLE_MAX) for name in accounts)
        return [fill.trade_id for fills in last for fill in fills]

    def bust(self, trade_id: str, venue_ms: int) -> None:
        self.exchange.busts.undo(trade_id, venue_ms)

    def cancel(self, account: str, order_id: str, venue_ms: int) -> None:
        self.exchange.cancel(account, order_id, venue_ms, CancelSource.SYSTEM)

    def end_trading(self, accounts: Iterable[str], venue_ms: int) -> None:
        for name in accounts:
            for order_id in list(self.exchange.accounts[name].open):
                self.cancel(name, order_id, venue_ms)
            for plan_id in list(self.exchange.accounts[name].plans):
                self.exchange.cancel_plan(name, plan_id, venue_ms)

    def _begin(self, venue_ms: int) -> None:
        """Let the first visitor bring the time, from which the hours of funding follow."""
        if not self._begun:
            self._begun = True
            self.exchange.step(venue_ms)

    def _collect(self, event: Event) -> None:
        match event:
            case FundingSettled():
                self._funding[event.symbol].append(event)
            case WalletChanged():
                now = Wallet(available=event.available, frozen=event.frozen, deposit=event.deposit)
                self._shown.changed(event.account, event.coin, now, Wallet())
            case PlanChanged(plan=plan, new=True):
                self._house.accepted(plan.plan_id)
            case PlanChanged(plan=Plan(state=PlanState.TRIGGERED, child_order_id=child)):
                self._house.accepted(child)
            case _:
                pass
        self._publisher.collect(event)
