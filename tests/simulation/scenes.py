"""What is traded in a world, and by whom: all that differs between a world of spot and one of perpetuals."""

from collections import Counter
from collections.abc import Callable, Collection, Coroutine, Iterable, Mapping, Sequence
from decimal import Decimal
from math import exp, log
from random import Random  # noqa: TID251 - the simulation's chance comes from its seed
from typing import Any, Final, Protocol

from msgspec.structs import replace

from adapters.bitmart.sign import Credentials
from adapters.bitmart.spot.requests import SelfTrade
from adapters.bitmart.spot.venue import BitmartSpot, Endpoints, Options
from adapters.simulator.exchange.accounts import Account
from adapters.simulator.exchange.matching import Rules
from adapters.simulator.host import Product
from adapters.simulator.simulator import Simulator
from adapters.simulator.spot import MARKETS
from adapters.simulator.wire.keys import Credentials as Keys
from oms.order.messages import PlaceOrder
from oms.ports import Clock, Ids, Link, Spawn
from oms.values import AccountId, ClientOrderId, OrderType, Side, StrategyId, Symbol
from oms.venue import Capabilities, Venue
from tests.simulation import running
from tests.simulation.invariants import Say, Witness
from tests.simulation.lists import Kept
from tests.simulation.people import (
    MIDDLE,
    SYMBOL,
    Lasting,
    Strategies,
    Street,
    by_hand,
    meet,
    move_money,
    plans,
    take_back,
)
from tests.simulation.running import Running
from tests.simulation.settled import accepted_once, half_told, unsettled
from tests.simulation.wire import Look, SpotLook

FUNDS: Final[Mapping[str, Decimal]] = {"USDT": Decimal(4_000), "BTC": Decimal("0.08")}
PROBE: Final = ClientOrderId("probe")
BUSTED_RATE: Final = 0.1  # worlds whose venue takes trades back
FORGETFUL_RATE: Final = 0.2  # worlds whose venue soon forgets an order that ended without a fill
WINDOWED_RATE: Final = 0.7  # worlds whose spot orders the venue refuses soon after they were signed
WINDOWS_MS: Final = (1_000, 3_000, 5_000)
MEMORY_SECONDS: Final = (0.5, 150.0)  # before anybody can have asked, or after a doubt can have ended

Errand = Coroutine[Any, Any, None]
Wrong = Iterable[tuple[str, str]]  # an invariant, and how it is violated


# Faults of so many a second, and how much more often they come in worlds than in the table: in so short a time.
OF_TIME: Final = frozenset(
    {
        "half_open",
        "connection_closed",
        "venue_cancel",
        "restart",
        "maintenance",
        "clock_skew",
        "clock_step",
        "liquidation",
        "adl",
        "funding",
    }
)
HASTE: Final[Mapping[str, float]] = {**dict.fromkeys(OF_TIME, 2.0), "row_spoiled": 3.0}
UNTOLD: Final = frozenset({"bust"})  # worlds have their own (`take_back`)
# Then no record proves by its time that it is later than a trade, and what was taken back is a person's to end.
GOES_BACK: Final = frozenset({"clock_skew", "clock_step"})
SILENT: Final = frozenset({"frame_empty"})  # says nothing: what reads it is tried by itself


class Scene(running.Scene, Protocol):
    """One world's markets. All `now_ms` are UTC milliseconds."""

    @property
    def simulator(self) -> Simulator:
        """The venue."""
        ...

    @property
    def taken_back(self) -> bool:
        """Whether the venue takes trades back, which nobody tells of: it shows in figures, and is proven twice."""
        ...

    def open_account(self, keys: Keys) -> None:
        """Open our account, with funds."""
        ...

    def rates(self, table: Mapping[str, float]) -> Mapping[str, float]:
        """Return how often each fault of the `table` befalls this world, before the seed scales it; in its order."""
        ...

    def errands(
        self, chance: Random, account: AccountId, seconds: float, strategies: Strategies, lasting: Lasting
    ) -> Sequence[Errand]:
        """Return what our strategies do within `seconds`, and what `lasting` makes of it."""
        ...

    def trade(self, now_ms: int) -> None:
        """Let the other traders do one thing. The caller steps the simulator, which tells the streams."""
        ...

    def by_hand(self, chance: Random, account: AccountId, now_ms: int) -> None:
        """Let somebody do one thing on our account at the venue's website."""
        ...

    def move_money(self, chance: Random, account: AccountId, now_ms: int) -> None:
        """Let somebody bring money in, or take out what is free."""
        ...

    def meet(self, chance: Random, account: AccountId, now_ms: int) -> None:
        """Let somebody at the venue's website meet an order of our own."""
        ...

    def take_back(self, chance: Random, account: AccountId, now_ms: int, spared: Collection[str]) -> bool:
        """Have the venue take one of our trades back; whether it did. Of those `spared` nobody here could tell: they
        are in what the log began with, so that they stay a difference for a person.
        """
        ...

    def probe(self, account: AccountId) -> PlaceOrder:
        """Return an order that rests far from the market."""
        ...

    def look(self, account: AccountId, witness: Witness, sends: Counter[str], say: Say) -> Look:
        """Return what looks at each request that a process sends."""
        ...

    def traded(self, account: AccountId) -> frozenset[str]:
        """Return the ids of all our trades so far."""
        ...

    def kept(self, account: AccountId) -> Sequence[Kept]:
        """Return what the venue keeps of us, market by market."""
        ...

    def half_told(self, account: AccountId, witness: Witness) -> frozenset[str]:
        """Return our trades that the log knows of without having booked them, or without what they cost."""
        ...

    def accepted_once(self, account: AccountId, witness: Witness) -> Wrong:
        """Yield what is wrong with the orders at the venue at any time (I1, I2)."""
        ...

    def unsettled(self, leader: Running, witness: Witness, account: AccountId, before: Collection[str]) -> Wrong:
        """Yield what keeps the OMS and the venue from agreeing at rest."""
        ...


def spot_kept(ours: Account) -> Kept:
    """Return what the venue keeps of our account on spot."""
    orders = (*ours.open.values(), *ours.closed.values())
    return Kept([each.at_ms for each in ours.fills], [each.created_ms for each in orders], len(ours.open))


class Forgetful(BitmartSpot):
    """Spot of a venue that soon forgets what ended without a fill: its twenty minutes are longer than a world lasts."""

    forgets_after: float = MEMORY_SECONDS[0]

    def capabilities(self, symbol: Symbol) -> Capabilities:
        return replace(super().capabilities(symbol), unfilled_memory=self.forgets_after)


def options(chance: Random) -> Options:
    """Return how our account sends its spot orders."""
    window_ms = chance.choice(WINDOWS_MS) if chance.random() < WINDOWED_RATE else None
    return Options(submit_window_ms=window_ms, self_trade=chance.choice(list(SelfTrade)))


class Spot:
    """One spot market."""

    dead_man = 0  # spot has no such switch

    def __init__(self, seed: int, dice: Random, dice_for: Callable[[str], Random]) -> None:
        self.taken_back = dice_for("busts").random() < BUSTED_RATE
        memory = dice_for("memory")
        forgetful = memory.random() < FORGETFUL_RATE
        self._forgets_after = exp(memory.uniform(*map(log, MEMORY_SECONDS))) if forgetful else None
        self.simulator = Simulator(
            contracts=(),  # worlds without perpetuals are faster
            seed=seed,
            markets=MARKETS[:1],
            traders=False,
            rules=Rules(duplicate_check=dice.random() < 0.5),
        )
        self._options = options(dice_for("windows"))
        self._accounts = self.simulator.exchange.accounts
        if self._forgets_after is not None:
            self.simulator.settings.unfilled_memory_ms = int(self._forgets_after * 1000)
        self._street = Street(dice_for("street"), self.simulator)

    def open_account(self, keys: Keys) -> None:
        self.simulator.open_account(keys, FUNDS)

    def venue(self, credentials: Credentials, *, link: Link, clock: Clock, ids: Ids, spawn: Spawn) -> Venue:
        kind = BitmartSpot if self._forgets_after is None else Forgetful
        spot = kind(credentials, Endpoints(), link=link, clock=clock, ids=ids, spawn=spawn, options=self._options)
        if isinstance(spot, Forgetful):
            assert self._forgets_after is not None
            spot.forgets_after = self._forgets_after
        return spot

    def rates(self, table: Mapping[str, float]) -> Mapping[str, float]:
        unproven = GOES_BACK if self.taken_back else frozenset()
        return {fault: rate for fault, rate in table.items() if fault not in UNTOLD | SILENT | unproven}

    def errands(
        self, chance: Random, account: AccountId, seconds: float, strategies: Strategies, lasting: Lasting
    ) -> Sequence[Errand]:
        return [strategies.carry_out(lasting(plan)) for plan in plans(chance, account, seconds)]

    def trade(self, now_ms: int) -> None:
        self._street.trade(now_ms)

    def by_hand(self, chance: Random, account: AccountId, now_ms: int) -> None:
        by_hand(chance, self.simulator, account, now_ms)

    def move_money(self, chance: Random, account: AccountId, now_ms: int) -> None:
        move_money(chance, self.simulator, account, now_ms)

    def meet(self, chance: Random, account: AccountId, now_ms: int) -> None:
        meet(chance, self.simulator, account, now_ms)

    def take_back(self, chance: Random, account: AccountId, now_ms: int, spared: Collection[str]) -> bool:
        return take_back(chance, self.simulator, Product.SPOT, sorted(self.traded(account).difference(spared)), now_ms)

    def probe(self, account: AccountId) -> PlaceOrder:
        return PlaceOrder(
            account=account,
            client_order_id=PROBE,
            strategy=StrategyId("maker"),
            symbol=SYMBOL,
            side=Side.BUY,
            type=OrderType.LIMIT,
            quantity=Decimal("0.0002"),
            price=Decimal(MIDDLE // 2),
        )

    def look(self, account: AccountId, witness: Witness, sends: Counter[str], say: Say) -> Look:
        return SpotLook(account, self._accounts[account], witness, sends, say)

    def traded(self, account: AccountId) -> frozenset[str]:
        return frozenset(fill.trade_id for fill in self._accounts[account].fills)

    def kept(self, account: AccountId) -> Sequence[Kept]:
        return [spot_kept(self._accounts[account])]

    def half_told(self, account: AccountId, witness: Witness) -> frozenset[str]:
        return half_told(self._accounts[account].fills_of, SYMBOL, witness)

    def accepted_once(self, account: AccountId, witness: Witness) -> Wrong:
        return accepted_once(account, self._accounts[account], witness)

    def unsettled(self, leader: Running, witness: Witness, account: AccountId, before: Collection[str]) -> Wrong:
        return unsettled(leader, self._accounts[account], witness, account, before)
