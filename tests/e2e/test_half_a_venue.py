"""One of the venue's two hosts cannot be asked at the start: the OMS is there, trades nothing, and says which."""

import json
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest

import oms
from oms.errors import OmsError

pytestmark = [pytest.mark.postgres, pytest.mark.timeout(180)]

CATALOGUE = "/contract/public/details"


def turn(machine: Any, **settings: object) -> None:
    url = f"{machine.environment['OMS__SIMULATOR__URL']}/sim/settings"
    urllib.request.urlopen(urllib.request.Request(url, json.dumps(settings).encode()), timeout=10).close()


def ready(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"{url}/health/ready", timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_it_starts_with_spot_alone_trades_nothing_and_goes_on_by_itself(
    machine: Any, until: Callable[..., None]
) -> None:
    machine.exchange()
    turn(machine, retired={CATALOGUE: "404"})
    system = machine.up()
    url = system.ready["gateway_url"]
    status, said = ready(url)
    assert status == 503
    assert f"futures: GET {CATALOGUE}" in said
    with oms.connect_sync(url, token=machine.token) as client:
        assert all(":" not in each.symbol for each in client.instruments())
        with pytest.raises(OmsError, match="reconciled") as refused:
            client.place(symbol="BTC/USDT", side="buy", type="limit", quantity="0.01", price="50000")
        assert refused.value.outcome == "none"

        turn(machine, retired={})
        until(lambda: ready(url)[0] == 200, seconds=40)
        assert any(":" in each.symbol for each in client.instruments())
        for symbol, quantity, leg in (("BTC/USDT", "0.01", None), ("BTC/USDT:USDT", "1", "long")):
            placed = client.place(
                symbol=symbol, side="buy", type="limit", quantity=quantity, price="50000", position_leg=leg
            )
            until(lambda placed=placed: client.order(placed.client_order_id).status == "open")
    assert system.terminate() == 0
    assert "named a part of its markets" in system.said.read_text()
