"""One machine, one exchange, one OMS: what a person sees who runs it, stops it and kills it."""

import asyncio
import stat
from collections import Counter
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

import oms
from oms.cli.truth import Ours, Truth, differences
from oms.client import RefusedError, UnreachableError
from oms.client_sync import SyncClient
from oms.values import Wallet

pytestmark = [pytest.mark.postgres, pytest.mark.timeout(180)]

FAR = "30000"  # nobody sells bitcoin at half its price
PLACE = ("place", "--symbol", "BTC/USDT", "--side", "buy")


def ours(client: SyncClient) -> Ours:
    return Ours(
        positions={row.symbol: row.quantity for row in client.positions()},
        balances={row.currency: (row.available, row.held) for row in client.balances() if row.wallet is Wallet.SPOT},
        open_orders={row.client_order_id: row.cum_quantity for row in client.orders(open=True, limit=500).items},
    )


def spot(machine: Any) -> Any:
    return msgspec.json.decode(machine.truth(), type=Truth).accounts["main"].spot


def status(client: SyncClient, name: str) -> str:
    return client.order(name).status


def test_a_start_whose_writer_cannot_be_started_ends_and_says_why(machine: Any) -> None:
    """It waited for ever, and for a commit that nobody was there to make."""
    system = machine.up_as(
        """
import errno
from oms.__main__ import main
from oms.store.process import ProcessAppender

def none_left(self, theirs):
    theirs.close()
    raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")

ProcessAppender._spawned = none_left
main()
"""
    )
    assert system.wait() == 1
    assert msgspec.json.decode(system.rest_of_stdout())["error"]["code"] == "task_failed"


def test_an_order_goes_its_way_and_every_question_has_an_answer(machine: Any, until: Callable[..., None]) -> None:
    exchange, system = machine.exchange(), machine.up()
    assert set(system.ready) == {"gateway_url", "database", "accounts"}
    assert system.ready["accounts"] == ["main"]
    assert stat.S_IMODE((machine.home / "operator.token").stat().st_mode) == 0o600

    code, placed = machine.oms(*PLACE, "--quantity", "0.001", "--price", FAR, "--id", "resting")
    assert (code, placed["client_order_id"], placed["quantity"]) == (0, "resting", "0.001")
    with oms.connect_sync(system.ready["gateway_url"], token=machine.token) as client:
        client.place(symbol="ETH/USDT", side="buy", type="market", notional="100", client_order_id="bought")
        until(lambda: status(client, "resting") == "open" and status(client, "bought") == "filled")
        until(lambda: [*differences(ours(client), spot(machine))] == [])

    refusals = [
        (("place", "--symbol", "X/Y", "--side", "buy", "--quantity", "1", "--price", "1"), "unknown_symbol"),
        ((*PLACE, "--quantity", "0.001", "--price", "30000.001"), "off_grid"),
        ((*PLACE, "--quantity", "0.002", "--price", FAR, "--id", "resting"), "duplicate_client_order_id"),
        (("cancel", "nobody"), "unknown_order"),
        (("explain", "nobody"), "unknown_order"),
    ]
    for arguments, reason in refusals:
        code, said = machine.oms(*arguments)
        assert (code, said["error"]["code"], said["error"]["outcome"]) == (1, reason, "none")
    code, said = machine.oms("cancel", "resting", OMS_TOKEN="oms_0_0")
    assert (code, said["error"]["code"]) == (1, "unauthenticated")

    code, story = machine.oms("explain", "bought")
    kinds = [step["type"] for step in story["steps"]]
    assert kinds[:3] == ["order-requested/1", "send-started/1", "venue-accepted/1"]
    assert "order-filled/1" in kinds
    sent, received = story["steps"][2]["wire"]
    assert (sent["direction"], sent["body"]["client_order_id"]) == ("out", "bought")
    assert (received["direction"], received["body"]["code"]) == ("in", 1000)

    assert system.terminate() == 0
    assert system.rest_of_stdout() == b""
    code, listed = machine.oms("orders", "--open")
    assert [order["client_order_id"] for order in listed["items"]] == ["resting"]
    code, events = machine.oms("events")
    assert [event["position"] for event in events] == list(range(1, len(events) + 1))
    code, replayed = machine.oms("replay")
    assert (code, replayed["equal"], replayed["seals_intact"]) == (0, True, True)
    assert replayed["events"] == replayed["compared_at"] == len(events)

    again = machine.up()
    with oms.connect_sync(again.ready["gateway_url"], token=machine.token) as client:
        assert status(client, "resting") == "open"
        client.cancel("resting")
        until(lambda: status(client, "resting") == "canceled")
        until(lambda: [*differences(ours(client), spot(machine))] == [])
    assert again.terminate() == 0
    assert exchange.terminate() == 0


def test_killed_in_the_middle_of_a_burst_it_comes_back_with_everything_it_acknowledged(
    machine: Any, until: Callable[..., None]
) -> None:
    machine.exchange()
    system = machine.up()
    acknowledged: list[str] = []

    async def burst() -> None:
        async with oms.connect(system.ready["gateway_url"], token=machine.token, timeout=2.0) as client:

            async def place(number: int) -> None:
                name = f"order{number}"
                try:
                    await client.place(
                        symbol="BTC/USDT", side="buy", type="limit", quantity="0.001", price=FAR, client_order_id=name
                    )
                except UnreachableError:  # its outcome is unknown, and that is all that may come of a kill
                    return
                acknowledged.append(name)
                if len(acknowledged) == 10:
                    system.kill()

            await asyncio.gather(*(place(number) for number in range(30)))

    asyncio.run(burst())
    assert len(acknowledged) >= 10

    again = machine.up()
    with oms.connect_sync(again.ready["gateway_url"], token=machine.token) as client:
        at_venue = Counter(order.client_order_id for order in spot(machine).orders)
        assert set(at_venue.values()) <= {1}
        until(lambda: all(status(client, name) == "open" for name in at_venue))
        known = {order.client_order_id: order.status for order in client.orders(limit=500).items}
        assert set(acknowledged) <= set(known)
        never_arrived = set(known) - set(at_venue)
        assert {known[name] for name in never_arrived} <= {"in_doubt"}  # until that is proven, a minute from now
        with pytest.raises(RefusedError) as refused:
            client.place(
                symbol="BTC/USDT",
                side="buy",
                type="limit",
                quantity="0.002",
                price=FAR,
                client_order_id=acknowledged[0],
            )
        assert refused.value.code == "duplicate_client_order_id"
    assert again.terminate() == 0
    code, replayed = machine.oms("replay")
    assert (code, replayed["equal"], replayed["seals_intact"]) == (0, True, True)
