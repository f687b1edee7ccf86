"""Paper trading goes on where it was left, however it was left."""

from collections.abc import Callable
from typing import Any

import pytest

import oms
from oms.client_sync import SyncClient

pytestmark = [pytest.mark.postgres, pytest.mark.timeout(180)]

FAR = "30000"  # nobody sells bitcoin at half its price


def owned(client: SyncClient) -> dict[str, tuple[Any, Any]]:
    return {row.currency: (row.total, row.held) for row in client.balances()}


def test_s70_paper_orders_survive_a_kill(machine: Any, until: Callable[..., None]) -> None:
    system = machine._start("up", "--venue", "paper", "--json")
    assert system.ready["accounts"] == ["paper"]
    with oms.connect_sync(system.ready["gateway_url"], token=machine.token) as client:
        for number in range(3):
            client.place(
                symbol="BTC/USDT", side="buy", type="limit", quantity="0.001", price=FAR, client_order_id=f"r{number}"
            )
        client.place(symbol="ETH/USDT", side="buy", type="market", notional="500", client_order_id="bought")
        until(lambda: client.order("bought").status == "filled")
        until(lambda: {client.order(f"r{number}").status for number in range(3)} == {"open"})
        until(lambda: all(fill.commission is not None for fill in client.fills().items))
        before, ids = owned(client), {row.client_order_id: row.venue_order_id for row in client.orders(open=True).items}
    system.kill()

    again = machine._start("up", "--venue", "paper", "--json")
    with oms.connect_sync(again.ready["gateway_url"], token=machine.token) as client:
        assert {row.client_order_id: row.venue_order_id for row in client.orders(open=True).items} == ids
        assert owned(client) == before
        client.cancel("r0")
        until(lambda: client.order("r0").status == "canceled")
        client.place(symbol="ETH/USDT", side="sell", type="market", quantity="0.1", client_order_id="sold")
        until(lambda: client.order("sold").status == "filled")
    assert again.terminate() == 0
    code, replayed = machine.oms("replay")
    assert (code, replayed["equal"], replayed["seals_intact"]) == (0, True, True)
