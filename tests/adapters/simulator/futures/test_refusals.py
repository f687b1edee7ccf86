"""The wire has a code for whatever the exchange refuses."""

from adapters.simulator.exchange.futures.orders import Refusal
from adapters.simulator.wire.codes import ERRORS
from adapters.simulator.wire.futures.venue import REFUSALS


def test_every_refusal_has_a_code_that_the_venue_spells() -> None:
    assert set(REFUSALS) == set(Refusal)
    assert set(REFUSALS.values()) <= set(ERRORS)
