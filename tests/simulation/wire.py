"""The network between one OMS process and the simulated venue, which looks into the log before it carries an order."""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct, field

from adapters.bitmart.limits import BAN_SECONDS
from adapters.simulator.chance import Chance
from adapters.simulator.connection import Connection
from adapters.simulator.exchange.accounts import Account
from adapters.simulator.host import Product
from adapters.simulator.link import SimulatedLink
from adapters.simulator.simulator import Simulator
from adapters.simulator.wire.gateway import Request
from oms.book import order_stream
from oms.lease import FRESH_SECONDS
from oms.order.decisions import EXTERNAL_PREFIX
from oms.order.state import Order
from oms.ports import Clock, LinkAnswer, LinkError, Socket
from oms.values import AccountId, ClientOrderId
from tests.simulation.invariants import VALID_SECONDS, Say, Witness
from tests.simulation.rates import Door
from tests.simulation.secrecy import Ear

SUBMIT: Final = "/spot/v2/submit_order"
BATCH: Final = "/spot/v4/batch_orders"
CANCEL: Final = "/spot/v3/cancel_order"
CANCELS: Final = "/spot/v4/cancel_orders"
BANNED: Final = 418


Look = Callable[[str, bytes], bool]  # looks at a request that leaves (path, body); whether it is a command


class _Element(Struct):
    client_order_id: str = field(name="clientOrderId")


class _Named(Struct):
    client_order_id: str = ""
    order_id: str = ""
    order_ids: tuple[str, ...] = field(default=(), name="orderIds")
    client_order_ids: tuple[str, ...] = field(default=(), name="clientOrderIds")
    elements: tuple[_Element, ...] = field(default=(), name="orderParams")
    window_ms: int = field(default=0, name="recvWindow")


class SpotLook:
    """Holds each spot command that leaves against the log (I3). `sends` counts, over all processes, how often each
    order has left.
    """

    def __init__(self, account: AccountId, truth: Account, witness: Witness, sends: Counter[str], say: Say) -> None:
        self._account = account
        self._truth = truth
        self._witness = witness
        self._sends = sends
        self._say = say

    def __call__(self, path: str, body: bytes) -> bool:
        """Return whether it is a command: then the log holds the intent for this very send."""
        if path not in {SUBMIT, BATCH, CANCEL, CANCELS}:
            return False
        named = msgspec.json.decode(body, type=_Named)
        if path == SUBMIT:
            self._look_at_submit(named.client_order_id, VALID_SECONDS)
        elif path == BATCH:
            for element in named.elements:
                self._look_at_submit(element.client_order_id, named.window_ms / 1000)
        else:
            ours = (named.client_order_id, *named.client_order_ids)
            theirs = (self._name_of(order_id) for order_id in (named.order_id, *named.order_ids) if order_id)
            for name in (*(name for name in ours if name), *theirs):
                self._look_at_cancel(name)
        return True

    def _look_at_submit(self, name: str, valid_seconds: float) -> None:
        order = self._logged(name)
        self._witness.leaves(order_stream(self._account, ClientOrderId(name)), valid_seconds)
        self._sends[name] += 1
        intents = 0 if order is None else order.attempts
        if intents < self._sends[name]:
            self._say("I3", f"{name} leaves for the {self._sends[name]}. time, the log holds {intents} intents")

    def _logged(self, name: str) -> Order | None:
        return self._witness.orders.get(order_stream(self._account, ClientOrderId(name)))

    def _look_at_cancel(self, name: str) -> None:
        order = self._logged(name)
        if order is None or not order.cancels_known:
            self._say("I3", f"a cancel of {name} leaves and the log holds no request for it")

    def _name_of(self, order_id: str) -> str:
        order = self._truth.order(order_id)
        return "" if order is None else order.client_order_id or f"{EXTERNAL_PREFIX}{order_id}"


class WatchedLink(SimulatedLink):
    """Counts what comes in at the venue's door (I16), and knows what must not be heard elsewhere (I18)."""

    def __init__(self, simulator: Simulator, clock: Clock, chance: Chance, door: Door, ear: Ear) -> None:
        super().__init__(simulator, clock, chance)
        self._door = door
        self._ear = ear

    def deliver(self, connection: Connection, frame: str) -> None:
        self._ear.sent(frame)
        super().deliver(connection, frame)

    def _arrive(self, answered: asyncio.Future[LinkAnswer], product: Product, request: Request) -> None:
        self._door.passes(product, request, self._clock.monotonic())
        super()._arrive(answered, product, request)


class Wire:
    """A Link of one process."""

    def __init__(
        self,
        simulator: Simulator,
        clock: Clock,
        chance: Chance,
        *,
        look: Look,
        say: Say,
        ear: Ear,
        note: Callable[..., None],
        lost_seconds: Callable[[], float],
    ) -> None:
        self._lost_seconds = lost_seconds
        self._clock = clock
        self._faults = simulator.faults
        self._kept_out_until = 0.0
        self._link = WatchedLink(simulator, clock, chance, Door(simulator, say), ear)
        self._ear = ear
        self._commands = look
        self._say = say
        self._note = note

    async def call(self, method: str, url: str, headers: Mapping[str, str], body: bytes, seconds: float) -> LinkAnswer:
        path = urlsplit(url).path
        self._look(path, body)
        if self.kept_out:
            self._say("I16", f"{path} is called by a process that knows itself banned")
        self._ear.signed(headers)
        self._note("out", method, path, body)
        try:
            answer = await self._link.call(method, url, headers, body, seconds)
        except LinkError as error:
            self._note("in", path, str(error))
            raise
        self._note("in", path, answer.status, answer.body)
        if answer.status == BANNED:
            self._kept_out_until = self._clock.monotonic() + BAN_SECONDS
            if not self._faults.fired("banned"):
                self._say("I16", f"the venue blocked the account for going on with {path}")
        return answer

    async def connect(self, url: str, seconds: float) -> Socket:
        self._note("connect")
        if self.kept_out:
            self._say("I16", "a stream is opened by a process that knows itself banned")
        return await self._link.connect(url, seconds)

    async def close(self) -> None:
        await self._link.close()

    @property
    def kept_out(self) -> bool:
        """Whether its process knows that the venue banned it."""
        return self._clock.monotonic() < self._kept_out_until

    def cut(self) -> None:
        """The process is dead: its connections break; what it sent is on its way."""
        asyncio.get_running_loop().create_task(self._link.close())

    def _look(self, path: str, body: bytes) -> None:
        """I3 and I14, in the moment a command leaves."""
        if not self._commands(path, body):
            return
        lost = self._lost_seconds()
        if lost > FRESH_SECONDS:
            self._say("I14", f"{path} leaves {lost:.1f} s after its writer lost the account")
