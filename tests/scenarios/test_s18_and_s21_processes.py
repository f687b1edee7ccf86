"""S18, S21: processes of their own, over real sockets, that race for one account's money or against a halt."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

from oms.account.events import TradingHalted
from oms.account.state import HaltTrading
from oms.book import account_stream, order_stream
from oms.decide import BalancesReport
from oms.dispatcher import Dispatcher
from oms.folding import Fact
from oms.order.events import OrderDenied
from oms.order.messages import CancelOrder, SubmitRefused
from oms.order.state import Life, Order
from oms.reports import BalanceReport
from oms.store.codec import decode
from oms.values import ClientOrderId, Currency, Wallet, purse
from tests.engine.scripted_venue import ScriptedVenue
from tests.gateway.house import MAIN, House

ROOT = Path(__file__).parents[2]
USDT = purse(Wallet.SPOT, Currency("USDT"))
ROUNDS = 8  # of twenty processes; the thousand are told on virtual time
ANSWER_SECONDS = 60.0


class Crowd:
    """Processes that send their orders when they are told to."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    @asynccontextmanager
    async def opened(cls, house: House, processes: int, tokens: Sequence[str]) -> AsyncIterator["Crowd"]:
        command = [sys.executable, "-m", "tests.scenarios.crowd", house.url, str(processes), *tokens]
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, cwd=ROOT)
        crowd = cls(process)
        try:
            assert await crowd._line() == b"ready\n"
            yield crowd
        finally:
            assert process.stdin is not None
            process.stdin.close()  # the end of its lines is the end of it
            await process.communicate()
        assert process.returncode == 0

    async def _line(self) -> bytes:
        assert self._process.stdout is not None
        async with asyncio.timeout(ANSWER_SECONDS):
            return await self._process.stdout.readline()

    async def place(self, orders: Sequence[dict[str, Any]]) -> list[str]:
        """Have all of them sent at once; return what became of them, process by process."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(orders).encode() + b"\n")
        return [each for share in json.loads(await self._line()) for each in share]


def order(name: str) -> dict[str, Any]:
    """Return a buy for a hundred, commission included: none of these can be bought an eleventh time for a thousand."""
    return {
        "client_order_id": name,
        "symbol": "BTC/USDT",
        "side": "buy",
        "type": "limit",
        "quantity": "0.001",
        "price": "99900",
    }


async def test_s21_twenty_processes_that_buy_for_a_hundred_each_at_one_instant_spend_a_thousand_at_most() -> None:
    async with House.opened() as house:
        engine, committed = house.engine, list[Decimal]()
        funds = (BalanceReport(currency=Currency("USDT"), total=Decimal(1000)),)
        await engine.report([(account_stream(MAIN), BalancesReport(balances=funds, reason="a thousand"))])

        def look(_: Sequence[Fact]) -> None:
            held = engine.book.funds(USDT).held
            committed.append(held)

        engine.on_commit.append(look)
        async with Crowd.opened(house, 20, [house.token]) as crowd:
            for number in range(ROUNDS):
                said = await crowd.place([order(f"r{number}n{each}") for each in range(20)])
                assert sorted(said) == ["insufficient_funds"] * 10 + ["sending"] * 10
                assert max(committed) <= 1000
                ours = [engine.book.orders[stream] for stream in engine.book.open]
                assert len(ours) == 10
                assert sum(each.life is Life.SENDING for each in ours) == 10
                for each in ours:
                    stream = order_stream(MAIN, each.request.client_order_id)
                    await engine.report([(stream, SubmitRefused(reason="not_now"))])
                assert engine.book.funds(USDT).held == 0


async def test_s18_a_halt_stops_what_three_processes_have_queued_and_lets_the_cancels_pass() -> None:
    async with House.opened() as house:
        engine, venue = house.engine, ScriptedVenue(house.clock.now_ns)
        Dispatcher(engine, venue, clock=house.clock, ids=house.ids, spawn=house.tasks)
        tokens = [house.tokens.create(strategy) for strategy in ("a", "b", "c")]
        async with Crowd.opened(house, 3, tokens) as crowd:
            assert await crowd.place([order("open")]) == ["sending"]
            await until(lambda: engine.book.orders[stream("open")].life is Life.WORKING)
            venue.turn = asyncio.Event()  # whatever is to leave waits for its turn
            assert await crowd.place([order(f"c{number}") for number in range(5)]) == ["sending"] * 5
            halt = HaltTrading(account=MAIN, reason="drill", halt_id="h1")
            await engine.execute(halt, actor="operator")
            venue.turn.set()
            await until(lambda: all(engine.book.orders[stream(f"c{n}")].life is not Life.SENDING for n in range(5)))
            assert await crowd.place([order(f"d{number}") for number in range(3)]) == ["trading_halted"] * 3
        assert [each.client_order_id for each in venue.submitted] == ["open"]
        stored = await house.log.read(account_stream(MAIN))
        (halted,) = [
            event for event in (decode(each.topic, each.state) for each in stored) if type(event) is TradingHalted
        ]
        for name in [*(f"c{number}" for number in range(5)), *(f"d{number}" for number in range(3))]:
            denied = decode(*last(await house.log.read(stream(name))))
            assert isinstance(denied, OrderDenied)
            assert halted.halt_id in denied.detail, "which halt it was, is told"
        cancel = CancelOrder(account=MAIN, client_order_id=ClientOrderId("open"), request_id="x1")
        receipt = await engine.execute(cancel, actor="maker")
        assert isinstance(receipt.state, Order)
        await until(lambda: bool(venue.canceled))
        assert [each.client_order_id for each in venue.canceled] == ["open"]


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(ANSWER_SECONDS):
        while not true():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)


def stream(name: str) -> str:
    return order_stream(MAIN, ClientOrderId(name))


def last(history: Sequence[Any]) -> tuple[str, bytes]:
    return history[-1].topic, history[-1].state
