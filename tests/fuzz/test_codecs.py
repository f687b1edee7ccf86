"""Whatever bytes arrive, the codecs return reports: no exception, no hang, no answer out of proportion.

A few thousand mutated payloads each time the tests run, 100,000 for each codec with `make fuzz`. A failure prints the
seed and the payload that repeat it.
"""

import os
import zlib
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from random import Random  # noqa: TID251 -- its seed is drawn by hypothesis

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.bitmart import shapes
from adapters.bitmart.perp import codec as perp
from adapters.bitmart.spot import codec as spot
from oms.reports import Report
from oms.values import PositionMode, plain
from tests.frames import cases
from tests.frames.cases import Case
from tests.fuzz.mutations import mutated

BATCH = 50  # payloads of one seed
EXAMPLES = int(os.environ.get("FUZZ", "2000")) // BATCH
AMPLIFICATION = 100  # bytes of reports for a byte of payload: the smallest element, unreadable
SPELLED_MAX = 200  # characters of a decimal, without exponent
STATUSES = (*[None, 200] * 10, 400, 403, 418, 500)  # with the last ones no success is believed

SPOT: list[Case] = [case.values[0] for case in cases.of("spot")]
PERP: list[Case] = [case.values[0] for case in cases.of("perp")]
SPOT_PATHS = (*spot.OBJECTS, *spot.LISTS, *spot.ACCEPTED, "/nowhere")
PERP_PATHS = (*perp._readers(None).objects, *perp._readers(None).lists, *perp.ACCEPTED, "/nowhere")

fuzzed = settings(
    max_examples=EXAMPLES,
    deadline=timedelta(seconds=10),  # of one batch; it takes milliseconds
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)


def read_spot(case: Case, payload: bytes, rng: Random) -> tuple[Report, ...]:
    if case.kind == "rest":
        path = case.path if rng.random() < 0.7 else rng.choice(SPOT_PATHS)
        return spot.answer(path or shapes.spot_path(payload), payload, rng.choice(STATUSES))
    try:
        data = spot.inflated(payload)
    except ValueError:
        return ()
    return spot.frame(data)[1]


def read_perp(case: Case, payload: bytes, rng: Random) -> tuple[Report, ...]:
    mode = rng.choice((None, *PositionMode))
    if case.kind == "rest":
        path = case.path if rng.random() < 0.7 else rng.choice((*PERP_PATHS, None))
        return perp.answer(path or shapes.perp_path(payload), payload, rng.choice(STATUSES), mode=mode)
    return perp.frame(payload, mode=mode)[1]


@pytest.mark.parametrize(("seeds", "read"), [(SPOT, read_spot), (PERP, read_perp)], ids=["spot", "perp"])
@given(seed=st.integers(0, 2**64 - 1))
@fuzzed
def test_any_bytes_are_reports(
    seeds: list[Case], read: Callable[[Case, bytes, Random], tuple[Report, ...]], seed: int
) -> None:
    rng = Random(seed)
    for _ in range(BATCH):
        case = rng.choice(seeds)
        payload = mutated(case.bytes(), rng)
        reports = read(case, payload, rng)
        encoded = msgspec.json.encode(reports)
        assert msgspec.json.decode(encoded, type=tuple[Report, ...]) == reports, payload[:2000]  # they can be stored,
        assert len(encoded) <= AMPLIFICATION * (len(payload) + 20), payload[:2000]
        assert all(len(plain(value)) <= SPELLED_MAX for value in decimals(reports)), payload[:2000]  # and shown


def decimals(value: object) -> list[Decimal]:
    if isinstance(value, Decimal):
        return [value]
    if isinstance(value, msgspec.Struct):
        return [found for name in value.__struct_fields__ for found in decimals(getattr(value, name))]
    if isinstance(value, tuple):
        return [found for each in value for found in decimals(each)]
    return []


@pytest.mark.parametrize("opening", [b"[", b'{"data":', b'{"group":"futures/order","data":[{"order":', b'[{"a":'])
@pytest.mark.parametrize("depth", [100, 10_000, 1_000_000])
def test_nesting_without_end_is_unreadable(opening: bytes, depth: int) -> None:
    payload = opening * depth
    for reports in (
        spot.frame(payload)[1],
        perp.frame(payload)[1],
        spot.answer(spot.QUERY_TRADES, payload),
        perp.answer(perp.TRADES, payload),
        spot.answer(shapes.spot_path(payload), payload),
        perp.answer(shapes.perp_path(payload), payload),
    ):
        assert [type(report).__name__ in ("Unreadable", "Refusal") for report in reports] == [True]


def test_a_bomb_is_not_inflated() -> None:
    packer = zlib.compressobj(wbits=-15)
    bomb = packer.compress(b"[" * (64 << 20)) + packer.flush()
    with pytest.raises(ValueError, match="larger"):
        spot.inflated(bomb)
