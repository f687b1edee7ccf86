"""From a key on paper to an order at the venue: connect, start, trade, restart, forget."""

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

import oms

pytestmark = [pytest.mark.postgres, pytest.mark.timeout(180)]


def test_a_connected_account_trades_at_the_configured_addresses(machine: Any, until: Callable[..., None]) -> None:
    exchange = machine.exchange()
    (login,) = exchange.ready["accounts"]
    passphrase = machine.home.parent / "passphrase"
    passphrase.write_text("correct horse")
    machine.environment |= {
        "OMS_PASSPHRASE_FILE": str(passphrase),
        "OMS_BITMART_SPOT_URL": exchange.ready["spot_url"],
        "OMS_BITMART_FUTURES_URL": exchange.ready["futures_url"],
        "OMS_BITMART_SPOT_WS_URL": exchange.ready["spot_ws_url"],
        "OMS_BITMART_FUTURES_WS_URL": exchange.ready["futures_ws_url"],
    }
    code, said = machine.oms("up", "--venue", "bitmart")
    assert (code, said["error"]["code"]) == (1, "no_account")

    connected = subprocess.run(
        [sys.executable, "-m", "oms", "connect", "bitmart", "--account", "alpha"],
        env=machine.environment,
        input="\n".join((login["key"], login["secret"], login["memo"])),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert login["secret"] not in connected.stdout + connected.stderr

    system = machine._start("up", "--venue", "bitmart", "--json")
    assert system.ready["accounts"] == ["alpha"]
    with oms.connect_sync(system.ready["gateway_url"], token=machine.token) as client:
        client.place(symbol="ETH/USDT", side="buy", type="market", notional="100", client_order_id="bought")
        until(lambda: client.order("bought").status == "filled")
    assert system.terminate() == 0

    again = machine._start("up", "--venue", "bitmart", "--json")
    with oms.connect_sync(again.ready["gateway_url"], token=machine.token) as client:
        assert client.order("bought").status == "filled"
    assert again.terminate() == 0
    logs = "".join(file.read_text() for file in (machine.home / "logs").iterdir())
    assert login["secret"] not in logs
    assert machine.oms("connect", "bitmart", "--account", "alpha", "--remove")[0] == 0
