"""Whatever bytes arrive, the codecs return reports: no exception, no hang, no answer out of proportion.

A few thousand mutated payloads each time the tests run, 100,000 for each codec with `make fuzz`. A failure prints the
seed and the payload that repeat it.
"""

import os
import re
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
from adapters.bitmart.perp import plain as plain_perp
from adapters.bitmart.spot import codec as spot
from adapters.bitmart.spot import plain as plain_spot
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

Reading = Callable[[bytes], tuple[str, tuple[Report, ...]] | None]

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


PLAIN_SPOT = b"""{"data":[{"symbol":"BTC_USDT","side":"buy","type":"limit","notional":"","size":"1.5000000000",
"ms_t":"1790000000000","price":"46100.0000000000","filled_notional":"4610.000","filled_size":"0.1000","margin_trading":"0",
"state":"5","order_id":"118100034543076010","order_type":"0","last_fill_time":"1790000000400","last_fill_price":"46100.0",
"last_fill_count":"0.10000","exec_type":"M","detail_id":"256348632","client_order_id":"oms01","order_mode":"0",
"create_time":"1790000000000","update_time":"1790000000500","entrust_type":"normal","order_state":"partially_filled",
"dealFee":"0","deal_fee_coin_name":"USDT"}],"table":"spot/user/order"}"""
PLAIN_PERP = b"""{"group":"futures/order","data":[{"action":1,"order":{"order_id":"2312045036986775","client_order_id":
"oms01","price":"71.61","size":"10","symbol":"LTCUSDT","state":2,"side":1,"type":"limit","leverage":"10","open_type":
"cross","deal_avg_price":"71.61","deal_size":"3","create_time":1790000000000,"update_time":1790000000001,"plan_order_id":
"","last_trade":{"lastTradeID":1247592391,"fillQty":"1","fillPrice":"71.61","fee":"-0.04","feeCcy":"USDT"},"trigger_price":
"-","trigger_price_type":"-","execution_price":"-","activation_price_type":"-","activation_price":"-","callback_rate":"-",
"position_mode":"hedge_mode"}}]}"""
WORDS = (  # what may stand where another value stood: each is something that a figure, a word or a time has been
    *(b'""', b'"-"', b"null", b'"0"', b"0", b"1", b'"1"', b'"-1"', b"-1", b'"0.00"', b'"1e5"', b'"NaN"', b'" 1 "'),
    *(b'"1_000"', b"4", b'"4"', b"1790000000", b'"1790000000"', b"1790000000.5", b"[]", b"{}", b"true", b'"buy"'),
    *(b'"market"', b'"limit"', b'"IOC"', b'"ioc"', b'"filled"', b'"canceled"', b'"partially_canceled"', b'"new"'),
    *(
        b'"7"',
        b'"12"',
        b'"one_way_mode"',
        b'"isolated"',
        b'"Cross"',
        b'"PLAN_7"',
        b'"118100034543076010"',
        b'"T"',
        b'"x y"',
    ),
)
UNUSED = re.compile(rb'"(notional|ms_t|state)":[^,}]*,')  # a limit order's push has no use for them, whatever they hold
VALUE = re.compile(rb'(?<=:)\s*("[^"]*"|-?\d+)')


def tampered(payload: bytes, rng: Random) -> bytes:
    """Return a push of which a few values are others, elements doubled, or bytes spoiled."""
    for _ in range(rng.randint(1, 3)):
        found = rng.choice(list(VALUE.finditer(payload)))
        payload = payload[: found.start()] + rng.choice(WORDS) + payload[found.end() :]
    if rng.random() < 0.2:
        start, end = payload.index(b"["), payload.rindex(b"]")
        payload = payload[:end] + b"," + payload[start + 1 :]
    return mutated(payload, rng) if rng.random() < 0.2 else payload


@pytest.mark.parametrize("order_id", ["\u0663", "007", "1" * 33])
@pytest.mark.parametrize(
    ("payload", "fast", "any_frame"),
    [(PLAIN_SPOT, plain_spot.read, spot.any_frame), (PLAIN_PERP, plain_perp.read, perp.any_frame)],
    ids=["spot", "perp"],
)
def test_what_is_no_orders_id_is_not_read_in_a_hurry(
    payload: bytes, fast: Reading, any_frame: Reading, order_id: str
) -> None:
    """Found by this fuzzing: a digit of another script was an id here, by which nothing could be canceled."""
    push = re.sub(rb'(?<="order_id":)"\d+"', f'"{order_id}"'.encode(), payload.replace(b"\n", b""))
    assert order_id.encode() in push
    assert fast(push) is None
    assert "not an order's id" in str(any_frame(push))


@pytest.mark.parametrize(
    ("payload", "fast", "any_frame"),
    [(PLAIN_SPOT, plain_spot.read, spot.any_frame), (PLAIN_PERP, plain_perp.read, perp.any_frame)],
    ids=["spot", "perp"],
)
@given(seed=st.integers(0, 2**64 - 1))
@fuzzed
def test_what_is_read_in_a_hurry_is_what_is_read_otherwise(
    payload: bytes, fast: Reading, any_frame: Reading, seed: int
) -> None:
    payload = payload.replace(b"\n", b"")
    assert fast(payload) == any_frame(payload)
    rng = Random(seed)
    for _ in range(BATCH):
        push = tampered(payload, rng)
        found = fast(push)
        assert found is None or found in (any_frame(push), any_frame(UNUSED.sub(b"", push))), push


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
