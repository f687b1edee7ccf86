"""Paper trading goes on where it was left, however it was left."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

import oms
from oms.client_sync import SyncClient

pytestmark = [pytest.mark.postgres, pytest.mark.timeout(180)]

FAR = "30000"  # nobody sells bitcoin at half its price


def owned(client: SyncClient) -> dict[str, tuple[Any, Any]]:
    """Return what there is, by currency, with every fill that is listed: a table may be behind another."""
    listed = client.fills().position
    return {row.currency: (row.total, row.held) for row in client.balances(min_position=listed)}


def charged(client: SyncClient, name: str) -> bool:
    """Whether every fill of an order that is filled is listed, with what it cost."""
    fills = client.fills(client_order_id=name, min_position=client.order(name).position).items
    return bool(fills) and all(fill.commission is not None for fill in fills)


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
        until(lambda: charged(client, "bought"))
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


@pytest.mark.parametrize("ends", ["kill", "terminate"])
def test_s70_a_standby_goes_on_where_its_leader_was(machine: Any, until: Callable[..., None], ends: str) -> None:
    """Its exchange was put up when it began to wait: orders were missing there, and what was bought was given back."""
    first = machine._start("up", "--venue", "paper", "--json")
    second = machine._start("up", "--venue", "paper", "--json", said="standby.err", waiting=True)
    until(lambda: "standby" in second.said.read_text())
    with oms.connect_sync(first.ready["gateway_url"], token=machine.token) as client:
        client.place(symbol="BTC/USDT", side="buy", type="limit", quantity="0.001", price=FAR, client_order_id="r0")
        client.place(symbol="ETH/USDT", side="buy", type="market", notional="500", client_order_id="bought")
        until(lambda: client.order("r0").status == "open")
        until(lambda: client.order("bought").status == "filled")
        until(lambda: charged(client, "bought"))
        before = owned(client)
    getattr(first, ends)()

    second.wait_ready()
    with oms.connect_sync(second.ready["gateway_url"], token=machine.token) as client:
        assert owned(client) == before
        client.cancel("r0")
        until(lambda: client.order("r0").status == "canceled")
    code, listed = machine.oms("breaks")
    assert (code, listed["items"]) == (0, [])
    assert second.terminate() == 0


PERPETUAL = "BTC/USDT:USDT"
BUY = ("place", "--symbol", PERPETUAL, "--side", "buy", "--position-leg", "long")
INVERSE = ("place", "--symbol", "BTC/USD:BTC", "--side", "buy")
SELL = ("place", "--symbol", PERPETUAL, "--side", "sell", "--position-leg", "long", "--reduce-only")


def legs(client: SyncClient) -> dict[tuple[str, str], tuple[Any, ...]]:
    return {
        (row.symbol, row.leg): (row.quantity, row.open_cost, row.leverage, row.margin_mode)
        for row in client.positions()
        if row.quantity
    }


@pytest.mark.timeout(400)  # a dozen commands, each a process of its own
def test_s70_perpetuals_on_paper_survive_a_kill(machine: Any, until: Callable[..., None]) -> None:
    """Told from the command line: what opens, what closes it, what waits, and what is refused."""
    machine.environment["OMS__MARKET_DATA__FOLLOW"] = f"BTC/USDT,{PERPETUAL}"
    system = machine._start("up", "--venue", "paper", "--json")
    backed = ("--leverage", "10", "--margin-mode", "isolated")
    code, placed = machine.oms(*BUY, "--type", "market", "--quantity", "20", *backed, "--id", "opened")
    assert (code, placed["leverage"], placed["margin_mode"]) == (0, "10", "isolated")
    with oms.connect_sync(system.ready["gateway_url"], token=machine.token) as client:
        until(lambda: client.order("opened").status == "filled")
        code, _ = machine.oms(*BUY, "--quantity", "3", "--price", FAR, "--tif", "gtc", "--id", "resting", *backed)
        assert code == 0
        stop = ("--quantity", "20", "--type", "market", "--trigger", "31000", "--when", "falls_to", "--id", "stop")
        code, placed = machine.oms(*SELL, *stop)
        assert (code, placed["trigger"]["price"], placed["trigger"]["when"]) == (0, "31000", "falls_to")
        until(lambda: (client.order("resting").status, client.order("stop").status) == ("open", "open"))
        assert machine.oms("amend", "stop", "--trigger", "30500.0")[0] == 0
        until(lambda: (waits := client.order("stop").trigger) is not None and waits.price == 30500)
        until(lambda: charged(client, "opened"))
        until(lambda: machine.oms("positions")[1]["items"][0].get("liquidation_price") is not None)
        shown = machine.oms("positions")[1]["items"][0]
        assert {"mark_price", "unrealized", "liquidation_price", "venue_liquidation_price"} <= shown.keys()
        ours, theirs = Decimal(shown["liquidation_price"]), Decimal(shown["venue_liquidation_price"])
        assert 0 < ours - theirs < ours / 1000, "ours counts the fee of closing, and so errs on the early side"
        refusals = [
            (
                ("place", "--symbol", "BTC/USD:BTC", "--side", "buy", "--quantity", "1", "--price", FAR),
                1,
                "unknown_symbol",
            ),
            ((*SELL, "--quantity", "1", "--price", FAR, "--take-profit", "70000"), 1, "invalid_order"),
            ((*BUY, "--quantity", "1", "--price", FAR, "--leverage", "1000"), 1, "invalid_order"),
            ((*BUY, "--quantity", "0.5", "--price", FAR), 1, "below_minimum"),
            (("place", "--symbol", PERPETUAL, "--side", "buy", "--quantity", "1", "--price", FAR), 1, "invalid_order"),
            ((*BUY, "--quantity", "1", "--trigger", "31000"), 2, "usage"),
            (("amend", "stop"), 2, "usage"),
        ]
        for arguments, expected, reason in refusals:
            code, said = machine.oms(*arguments)
            assert (code, said["error"]["code"], said["error"]["outcome"]) == (expected, reason, "none"), arguments
        before, ids = owned(client), {row.client_order_id: row.venue_order_id for row in client.orders(open=True).items}
        held = legs(client)
        assert held.keys() == {(PERPETUAL, "long")}
    system.kill()

    again = machine._start("up", "--venue", "paper", "--json")
    with oms.connect_sync(again.ready["gateway_url"], token=machine.token) as client:
        assert {row.client_order_id: row.venue_order_id for row in client.orders(open=True).items} == ids
        assert legs(client) == held
        assert owned(client) == before
        assert not client.breaks(open=True).items
        client.cancel("resting")
        client.cancel("stop")
        until(lambda: {client.order(name).status for name in ("resting", "stop")} == {"canceled"})
        assert machine.oms(*SELL, "--type", "market", "--quantity", "20", "--id", "closed")[0] == 0
        until(lambda: client.order("closed").status == "filled")
        until(lambda: not legs(client))
    assert again.terminate() == 0
    code, replayed = machine.oms("replay")
    assert (code, replayed["equal"], replayed["seals_intact"]) == (0, True, True)
