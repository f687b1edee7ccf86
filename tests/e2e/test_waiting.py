"""A spot order that waits at the venue for its price, from the door to the exchange and back."""

import json
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest

import oms

pytestmark = [pytest.mark.postgres, pytest.mark.timeout(180)]


def move(machine: Any, price: str) -> None:
    request = urllib.request.Request(
        machine.environment["OMS__SIMULATOR__URL"] + "/sim/market",
        data=json.dumps({"symbol": "BTC_USDT", "price": price}).encode(),
    )
    urllib.request.urlopen(request, timeout=10).close()


def test_it_waits_fires_once_and_is_the_same_order_all_along(machine: Any, until: Callable[..., None]) -> None:
    machine.exchange()
    system = machine.up()
    with oms.connect_sync(system.ready["gateway_url"], token=machine.token) as client:
        for name, price in (("stop", "55000"), ("deeper", "45000")):
            client.place(
                symbol="BTC/USDT",
                side="sell",
                type="market",
                quantity="0.01",
                trigger={"price": price, "when": "falls_to"},
                client_order_id=name,
            )
        until(lambda: {client.order(name).status for name in ("stop", "deeper")} == {"open"})
        waiting = client.order("stop").venue_order_id
        move(machine, "54000")
        until(lambda: client.order("stop").status == "filled")
        until(lambda: client.order("stop").venue_order_id != waiting)  # its trade may be told before what it has become
        fired = client.order("stop")
        assert fired.average_price is not None
        assert 53_000 < fired.average_price < 55_000
        assert client.order("deeper").status == "open"
        client.cancel("deeper")
        until(lambda: client.order("deeper").status == "canceled")
        sold = json.loads(machine.truth())["accounts"]["main"]["spot"]["orders"]
        assert [(one["client_order_id"], one["state"]) for one in sold] == [("stop", "filled")]
