"""A simulated exchange for strangers: a process of its own on loopback, and what it knows.

The clients in these tests were written by others and know nothing of us. They get an address and a key, and nothing
about them is changed; what they say must agree with `GET /sim/truth`.
"""

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.independent.sdk import Listener

ROOT = Path(__file__).parents[2]
SEED = "11"
ANSWER_SECONDS = 10.0


class Exchange:
    """A running simulated exchange, its addresses and the one account it begins with."""

    def __init__(self, ready: dict[str, Any]) -> None:
        self.spot_url: str = ready["spot_url"]
        self.futures_url: str = ready["futures_url"]
        self.spot_ws_url: str = ready["spot_ws_url"]
        self.futures_ws_url: str = ready["futures_ws_url"]
        self._sim_url: str = ready["sim_url"]
        account = ready["accounts"][0]
        self.name: str = account["name"]
        self.key: str = account["key"]
        self.secret: str = account["secret"]
        self.memo: str = account["memo"]

    def sim(self, path: str, **fields: object) -> Any:
        """Call the simulator's own door: GET, or POST if there is something to say."""
        request = urllib.request.Request(f"{self._sim_url}/sim/{path}")
        if fields:
            request.data = json.dumps(fields).encode()
            request.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(request, timeout=ANSWER_SECONDS) as answer:
            return json.loads(answer.read())

    def truth(self, market: str = "spot") -> Any:
        """What the exchange knows of the account in one market."""
        return self.sim("truth")["accounts"][self.name][market]

    def order(self, order_id: str, market: str = "spot") -> Any:
        """What the exchange knows of one order."""
        (found,) = [order for order in self.truth(market)["orders"] if order["order_id"] == order_id]
        return found

    def trades(self, order_id: str, market: str = "spot") -> list[Any]:
        """What the exchange knows of one order's trades, oldest first."""
        return [trade for trade in self.truth(market)["trades"] if trade["order_id"] == order_id]


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exchange]:
    said = tmp_path_factory.mktemp("exchange") / "simulator.err"
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OMS_")}
    with said.open("wb") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "oms", "simulator", "--seed", SEED],
            cwd=ROOT,
            env={**kept, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
        )
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        assert line, said.read_text()
        running = Exchange(json.loads(line))
        eventually(lambda: running.sim("faults"))
        running.sim("settings", funding=False)  # at 00, 08 and 16 UTC money would move between two looks
        yield running
    finally:
        process.terminate()
        process.wait(10)
        process.stdout.close()
    assert "Traceback" not in said.read_text()


@pytest.fixture
def listening() -> Iterator[Callable[..., Listener]]:
    listeners: list[Listener] = []

    def start(*arguments: str) -> Listener:
        listeners.append(Listener(*arguments))
        return listeners[-1]

    yield start
    for listener in listeners:
        listener.close()


def eventually(holds: Callable[[], Any], *, seconds: float = 15.0) -> Any:
    """Wait until `holds` says something true, and return it."""
    deadline = time.monotonic() + seconds  # noqa: TID251 - a real process takes real time
    while True:
        try:
            found = holds()
        except OSError:
            found = None
        if found:
            return found
        assert time.monotonic() < deadline, "it never came to that"  # noqa: TID251 - as above
        time.sleep(0.05)  # noqa: TID251 - as above


def hold(bars: Iterable[tuple[int, object, object, object]], trades: Iterable[Any]) -> bool:
    """Whether each of the trades, as the exchange knows them, lies in its minute's bar: (opens at (ms), high, low,
    volume). Others trade in it, too.
    """
    drawn = {opens // 60_000: (number(low), number(high), number(volume)) for opens, high, low, volume in bars}
    sizes: dict[int, Decimal] = {}
    for trade in trades:
        minute = trade["at_ms"] // 60_000
        low, high, _ = drawn[minute]
        sizes[minute] = sizes.get(minute, Decimal(0)) + number(trade["size"])
        if not low <= number(trade["price"]) <= high:
            return False
    return bool(sizes) and all(size <= drawn[minute][2] for minute, size in sizes.items())


def number(value: object) -> Decimal:
    """Return what a client shows as a number, for comparison by value."""
    return Decimal(str(value))
