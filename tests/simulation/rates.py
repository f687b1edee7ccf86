"""How often a process calls the venue, counted at the venue's door by what the venue allows (I16, PROTOCOL 3).

The venue counts in fixed windows whose phase nobody knows, so a process is held to its rates in any window. It answers
for what it sends itself: a request that the network kept is counted where it should have come in.
"""

from collections import deque
from typing import Final

from adapters.simulator.host import Product
from adapters.simulator.simulator import Simulator
from adapters.simulator.wire.gateway import Request
from adapters.simulator.wire.limits import Limit
from tests.simulation.invariants import Say

UNKNOWN: Final = Limit(2, 2, "ip")  # the tightest that the venue documents


class Door:
    """Counts what one process brings to the venue's door."""

    def __init__(self, simulator: Simulator, say: Say) -> None:
        self._endpoints = {
            Product.SPOT: simulator.spot._rest._endpoints,
            Product.FUTURES: simulator.futures._rest._endpoints,
        }
        self._say = say
        self._calls: dict[tuple[Product, str], deque[float]] = {}
        self._windows: dict[tuple[Product, str], float] = {}

    def passes(self, product: Product, request: Request, at: float) -> None:
        """Count a request that comes in at `at` (seconds on a clock that never steps)."""
        path = request.target.partition("?")[0]
        key = (product, path)
        calls = self._calls.get(key)
        if calls is None:
            endpoint = self._endpoints[product].get(path, {}).get(request.method)
            limit = UNKNOWN if endpoint is None else endpoint.limit
            calls = self._calls[key] = deque(maxlen=limit.calls)
            self._windows[key] = limit.seconds
        elif len(calls) == calls.maxlen and at - calls[0] < self._windows[key]:
            self._say("I16", f"{path} is called {len(calls) + 1} times within {at - calls[0]:.3f} s")
        calls.append(at)
