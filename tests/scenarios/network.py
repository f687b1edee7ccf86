"""The network between the OMS and the simulated exchange: it carries real bytes, and loses or holds them on demand."""

import asyncio
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from adapters.bitmart.perp import codec as perp
from adapters.bitmart.spot import codec as spot
from adapters.simulator.chance import chance
from adapters.simulator.link import SimulatedLink
from adapters.simulator.simulator import Simulator
from oms.ports import Clock, LinkAnswer, LinkError, Socket

SUBMITS = frozenset(
    {
        *(spot.SUBMIT_ORDER, spot.BATCH_ORDERS, spot.ALGO_SUBMIT),
        *(perp.SUBMIT_ORDER, perp.SUBMIT_PLAN_ORDER, perp.SUBMIT_TP_SL_ORDER, perp.SUBMIT_TRAIL_ORDER),
    }
)
CANCELS = frozenset(
    {
        *(spot.CANCEL_ORDER, spot.CANCEL_ALL, spot.ALGO_CANCEL, spot.ALGO_CANCEL_ALL),
        *(perp.CANCEL_ORDER, perp.CANCEL_ORDERS, perp.CANCEL_PLAN_ORDER, perp.CANCEL_TRAIL_ORDER),
    }
)


class Sent(Struct, frozen=True):
    """A request as it left: `body` is the JSON of it, empty for a query in the URL."""

    at_ns: int
    method: str
    path: str
    body: Mapping[str, Any]


class Network:
    """What befalls calls, by path (``/spot/v2/submit_order``); everything passes until somebody says otherwise.

    - `down`: nobody gets through, and streams that break cannot be opened again (`cut` breaks them).
    - `lost_requests`: these never arrive. `lost_answers`: these arrive, and their answers do not.
    - `slow_answers`: seconds by path that answers come later.
    - `answers`: by path, an answer in place of the venue's (it never hears the request).
    - `executed`: likewise, and the venue does what it was asked for.
    - `sent`: every request that left, in order.
    """

    def __init__(self, simulator: Simulator, clock: Clock, seed: int) -> None:
        self.down = False
        self.lost_requests: set[str] = set()
        self.lost_answers: set[str] = set()
        self.slow_answers: dict[str, float] = {}
        self.answers: dict[str, LinkAnswer] = {}
        self.executed: dict[str, LinkAnswer] = {}
        self.sent: list[Sent] = []
        self._simulator = simulator
        self._clock = clock
        self._seed = seed
        self._lines = 0

    def line(self) -> "Line":
        """Return a link of its own for one process."""
        self._lines += 1
        return Line(self, SimulatedLink(self._simulator, self._clock, chance(self._seed, f"line {self._lines}")))

    def cut(self) -> None:
        """Break every stream; nobody gets through until `mend`."""
        self.down = True
        for connection in self._simulator.connections:
            connection.close()

    def mend(self) -> None:
        """Let everything pass again."""
        self.down = False
        self.lost_requests.clear()
        self.lost_answers.clear()
        self.slow_answers.clear()
        self.answers.clear()
        self.executed.clear()

    def submits(self) -> list[Sent]:
        """Return every new order that left."""
        return [each for each in self.sent if each.path in SUBMITS]

    def cancels(self) -> list[Sent]:
        """Return every cancel that left; a call that names several orders is one for each."""
        found: list[Sent] = []
        for each in self.sent:
            if each.path in CANCELS:
                found.append(each)
            elif each.path == spot.CANCEL_ORDERS:
                named = [("order_id", name) for name in each.body.get("orderIds", ())]
                named += [("client_order_id", name) for name in each.body.get("clientOrderIds", ())]
                found += [replace(each, body={"symbol": each.body["symbol"], key: name}) for key, name in named]
        return found

    def note(self, method: str, path: str, body: bytes) -> None:
        fields = msgspec.json.decode(body) if body[:1] == b"{" else {}
        self.sent.append(Sent(self._clock.now_ns(), method, path, fields))


class Line:
    """One process's link to the venue, through the network."""

    def __init__(self, network: Network, link: SimulatedLink) -> None:
        self._network = network
        self._link = link

    async def call(self, method: str, url: str, headers: Mapping[str, str], body: bytes, seconds: float) -> LinkAnswer:
        network, path = self._network, urlsplit(url).path
        if network.down:
            raise LinkError("network is unreachable", sent=True)
        network.note(method, path, body)
        if path in network.lost_requests:
            raise LinkError("lost on the way", sent=True)
        if path in network.answers:
            return network.answers[path]
        answer = await self._link.call(method, url, headers, body, seconds)
        await asyncio.sleep(network.slow_answers.get(path, 0.0))
        if path in network.lost_answers:
            raise LinkError("lost on the way back", sent=True)
        return network.executed.get(path, answer)

    async def connect(self, url: str, seconds: float) -> Socket:
        if self._network.down:
            raise LinkError("network is unreachable", sent=False)
        return await self._link.connect(url, seconds)

    async def close(self) -> None:
        await self._link.close()
