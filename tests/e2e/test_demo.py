"""The demo proves what it says, in a few seconds and without leaving anything behind."""

from typing import Any

import pytest

pytestmark = [pytest.mark.postgres, pytest.mark.timeout(180)]


def test_the_demo_ends_with_an_orders_story_and_both_proofs(machine: Any) -> None:
    code, proof = machine.oms("demo", "--seconds", "4", "--home", str(machine.home))
    assert code == 0
    assert proof["order"]["steps"][0]["type"] == "order-requested/1"
    assert any(step["type"] == "order-filled/1" for step in proof["order"]["steps"])
    assert (proof["replay"]["equal"], proof["replay"]["seals_intact"]) == (True, True)
    assert proof["replay"]["events"] > 50
    assert proof["venue"] == {"equal": True, "differences": []}
    strategies = {name: (machine.home / "logs" / f"{name}.log").read_text() for name in ("market_maker", "taker")}
    assert "filled" in strategies["taker"] or "sending" in strategies["taker"]
    assert not any("Traceback" in said for said in strategies.values())
    code, again = machine.oms("demo", "--home", str(machine.home))
    assert (code, again["error"]["code"]) == (1, "home_taken")
