"""A world with perpetuals, alone or beside spot: one account, two hosts, legs, leverage, and a venue with a will."""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from decimal import Decimal
from functools import partial
from random import Random  # noqa: TID251 - the simulation's chance comes from its seed
from typing import Final

from adapters.bitmart.perp import venue as perp
from adapters.bitmart.sign import Credentials
from adapters.bitmart.venue import Bitmart, Endpoints
from adapters.simulator.exchange.futures.contracts import CONTRACTS
from adapters.simulator.exchange.futures.orders import PositionMode
from adapters.simulator.exchange.futures.state import Rules as FuturesRules
from adapters.simulator.exchange.matching import Rules
from adapters.simulator.host import Product
from adapters.simulator.simulator import Simulator
from adapters.simulator.spot import MARKETS
from adapters.simulator.wire.keys import Credentials as Keys
from oms.order.messages import PlaceOrder
from oms.ports import Clock, Ids, Link, Spawn
from oms.values import AccountId, OrderType, PositionLeg, Side
from oms.venue import Venue
from tests.simulation import futures_people, futures_settled, scenes
from tests.simulation.futures_people import NAMES, SYMBOL
from tests.simulation.futures_wire import FuturesLook
from tests.simulation.invariants import Say, Witness
from tests.simulation.lists import Kept
from tests.simulation.people import MIDDLE, Lasting, Strategies, Street, by_hand, meet, move_money, plans, take_back
from tests.simulation.people import SYMBOL as SPOT_SYMBOL
from tests.simulation.running import Running
from tests.simulation.scenes import FUNDS, GOES_BACK, PROBE, SILENT, UNTOLD, Errand, Scene, Spot, Wrong
from tests.simulation.settled import accepted_once, agreed, at_work, half_told
from tests.simulation.wire import Look, SpotLook

MARGIN: Final[Mapping[str, Decimal]] = {"USDT": Decimal(4_000)}
NOTHING: Final[Mapping[str, Decimal]] = {}
# What the venue does by itself, often enough for a world.
OFTEN: Final[Mapping[str, float]] = {"liquidation": 0.015, "adl": 0.015, "funding": 0.04, "venue_cancel": 0.02}
# An account may owe more than it has once a trade is taken back after a liquidation. What the venue's fund pays to it
# then is of no market: a person's to accept, as a deposit is.
RUINOUS: Final = frozenset({"liquidation"})
COMPOSITE_RATE: Final = 0.5  # worlds of perpetuals with spot: as many orders in all as in any other
PERPETUAL_ORDERS: Final = (3, 9)
SPOT_ORDERS: Final = (2, 7)
DEAD_MAN_SECONDS: Final = (0, 6, 6, 15)
EVERY: Final = 3  # one world in so many has perpetuals


def scene_of(seed: int, dice: Random, dice_for: Callable[[str], Random]) -> Scene:
    """Return the scene of a seed. `dice` are the world's own, `dice_for` a purpose are others."""
    return Spot(seed, dice, dice_for) if seed % EVERY else Perpetuals(seed, dice, dice_for)


class Perpetuals:
    """One perpetual; in half of the worlds one spot market beside it."""

    def __init__(self, seed: int, dice: Random, dice_for: Callable[[str], Random]) -> None:
        self.taken_back = dice_for("busts").random() < scenes.BUSTED_RATE
        self._composite = dice.random() < COMPOSITE_RATE
        self._hedge = dice.random() < 0.5
        self.dead_man = dice.choice(DEAD_MAN_SECONDS)
        self.simulator = Simulator(
            contracts=CONTRACTS[:1],
            seed=seed,
            markets=MARKETS[:1],
            traders=False,
            rules=Rules(duplicate_check=dice.random() < 0.5),
            futures_rules=FuturesRules(
                duplicate_check=dice.random() < 0.5,
                refuse_crossing_maker=dice.random() < 0.5,
                amend_keeps_id=True,
                cancel_takes_plans=dice.random() < 0.3,
            ),
        )
        self._options = scenes.options(dice_for("windows"))
        self._exchange = self.simulator.futures.exchange
        self._spot = self.simulator.exchange
        self._street = futures_people.Street(dice_for("futures street"), self._exchange)
        self._spot_street = Street(dice_for("street"), self.simulator)

    def open_account(self, keys: Keys) -> None:
        self.simulator.open_account(keys, FUNDS if self._composite else NOTHING, MARGIN)
        mode = PositionMode.HEDGE if self._hedge else PositionMode.ONE_WAY
        self._exchange.set_position_mode(keys.account, mode)

    def venue(self, credentials: Credentials, *, link: Link, clock: Clock, ids: Ids, spawn: Spawn) -> Venue:
        if self._composite:
            return Bitmart(
                credentials, Endpoints(), link=link, clock=clock, ids=ids, spawn=spawn, options=self._options
            )
        return perp.BitmartPerp(credentials, perp.Endpoints(), link=link, clock=clock, ids=ids, spawn=spawn)

    def rates(self, table: Mapping[str, float]) -> Mapping[str, float]:
        never = UNTOLD | GOES_BACK | RUINOUS if self.taken_back else UNTOLD
        rates = {**table, **OFTEN}
        return {fault: 0.0 if fault in never else rate for fault, rate in rates.items() if fault not in SILENT}

    def errands(
        self, chance: Random, account: AccountId, seconds: float, strategies: Strategies, lasting: Lasting
    ) -> Sequence[Errand]:
        ours = partial(futures_people.errands, chance, account, seconds, strategies, lasting, hedge=self._hedge)
        if not self._composite:
            return ours()
        spot = [strategies.carry_out(lasting(plan)) for plan in plans(chance, account, seconds, SPOT_ORDERS)]
        return [*ours(orders=PERPETUAL_ORDERS), *spot]

    def trade(self, now_ms: int) -> None:
        self._street.trade(now_ms)
        if self._composite:
            self._spot_street.trade(now_ms)

    def by_hand(self, chance: Random, account: AccountId, now_ms: int) -> None:
        if self._composite and chance.random() < 0.3:
            by_hand(chance, self.simulator, account, now_ms)
        else:
            futures_people.by_hand(chance, self._exchange, account, now_ms)

    def move_money(self, chance: Random, account: AccountId, now_ms: int) -> None:
        if self._composite and chance.random() < 0.5:
            move_money(chance, self.simulator, account, now_ms)
        else:
            futures_people.move_money(chance, self._exchange, account, now_ms)

    def meet(self, chance: Random, account: AccountId, now_ms: int) -> None:
        if self._composite and chance.random() < 0.5:
            meet(chance, self.simulator, account, now_ms)
        else:
            futures_people.meet(chance, self._exchange, account, now_ms)

    def take_back(self, chance: Random, account: AccountId, now_ms: int, spared: Collection[str]) -> bool:
        spot = self._composite and chance.random() < 0.5
        fills = self._spot.accounts[account].fills if spot else self._exchange.accounts[account].fills
        trades = sorted(fill.trade_id for fill in fills if fill.trade_id not in spared)
        return take_back(chance, self.simulator, Product.SPOT if spot else Product.FUTURES, trades, now_ms)

    def probe(self, account: AccountId) -> PlaceOrder:
        hedge = self._exchange.accounts[account].mode is PositionMode.HEDGE
        return PlaceOrder(
            account=account,
            client_order_id=PROBE,
            strategy=NAMES[0],
            symbol=SYMBOL,
            side=Side.BUY,
            type=OrderType.LIMIT,
            quantity=Decimal(1),
            price=Decimal(MIDDLE // 2),
            position_leg=PositionLeg.LONG if hedge else PositionLeg.NET,
        )

    def look(self, account: AccountId, witness: Witness, sends: Counter[str], say: Say) -> Look:
        spot = SpotLook(account, self._spot.accounts[account], witness, sends, say)
        futures = FuturesLook(account, self._exchange.accounts[account], witness, sends, say)
        return lambda path, body: futures(path, body) or spot(path, body)

    def traded(self, account: AccountId) -> frozenset[str]:
        markets = (self._spot.accounts[account], self._exchange.accounts[account])
        return frozenset(fill.trade_id for market in markets for fill in market.fills)

    def kept(self, account: AccountId) -> Sequence[Kept]:
        ours = self._exchange.accounts[account]
        orders = (*ours.open.values(), *ours.closed.values())
        traded_ms, placed_ms = [each.at_ms for each in ours.fills], [each.created_ms for each in orders]
        return [scenes.spot_kept(self._spot.accounts[account]), Kept(traded_ms, placed_ms, unit_ms=1000)]

    def half_told(self, account: AccountId, witness: Witness) -> frozenset[str]:
        spot = half_told(self._spot.accounts[account].fills_of, SPOT_SYMBOL, witness)
        return spot | half_told(self._exchange.accounts[account].fills_of, SYMBOL, witness)

    def accepted_once(self, account: AccountId, witness: Witness) -> Wrong:
        yield from futures_settled.accepted_once(account, self._exchange.accounts[account], witness)
        if self._composite:
            yield from accepted_once(account, self._spot.accounts[account], witness)

    def unsettled(self, leader: Running, witness: Witness, account: AccountId, before: Collection[str]) -> Wrong:
        engine = leader.engine
        yield from at_work(leader, witness)
        mode = None if engine is None else engine.book.account.position_mode
        yield from futures_settled.unsettled(account, self._exchange.accounts[account], witness, mode, before)
        if self._composite:
            yield from agreed(self._spot.accounts[account], witness, account, before)
