"""Futures' own payloads mean what stands beside them; see `cases`."""

import pytest

from adapters.bitmart.decode import decode
from adapters.bitmart.perp import codec
from tests.frames import cases
from tests.frames.cases import Case

CASES = cases.of("perp")
ALL: list[Case] = [case.values[0] for case in CASES]


@pytest.mark.parametrize("case", CASES)
def test_a_payload_means(case: Case) -> None:
    assert decode("futures", case.kind, case.path, case.bytes()) == case.reports


TOLD_BY_SHAPE = [case for case in CASES if case.values[0].kind == "rest" and not case.values[0].needs_path]


@pytest.mark.parametrize("case", TOLD_BY_SHAPE)
def test_a_payload_means_the_same_where_nobody_says_what_was_asked(case: Case) -> None:
    assert decode("futures", "rest", None, case.bytes()) == case.reports


def test_every_codec_has_a_payload_that_it_understands() -> None:
    understood = [case for case in ALL if case.understood() and case.reports]
    readers = codec._readers(None)
    assert set(readers.objects) | set(readers.lists) <= {case.path for case in understood}
    streamed = b" ".join(case.bytes() for case in understood if case.kind != "rest").decode()
    intervals = ("1m", "1W", "4H")  # the other intervals differ by their length only, the other depths not at all
    spoken = {group for group in readers.groups if f'"{group}:' in streamed or f'"{group}"' in streamed}
    kinds = {group.rstrip("0123456789") for group in spoken if "Kline" not in group and "kline" not in group}
    assert {group.rstrip("0123456789") for group in readers.groups if "line" not in group} == kinds
    assert {f"futures/klineBin{interval}" for interval in intervals[:2]} <= spoken
    assert "futures/markPriceKlineBin4H" in spoken


@pytest.mark.parametrize("path", ["/contract/private/order", "/contract/private/order?symbol=DOGEUSDT&order_id=7"])
def test_a_path_may_carry_its_query(path: str) -> None:
    body = b'{"code":1000,"message":"Ok","data":{"order_id":"7","symbol":"DOGEUSDT","state":2}}'
    assert decode("futures", "rest", path, body) == decode("futures", "rest", None, body) != ()


@pytest.mark.parametrize("data", [b"null", b"[]", b"[1]", b"7", b'{"news":[]}', b'{"list":[]}', b"{"])
def test_a_shape_that_nobody_knows_is_nothing_or_refused_but_never_guessed(data: bytes) -> None:
    reports = decode("futures", "rest", None, b'{"code":1000,"message":"Ok","data":%b}' % data)
    assert [report for report in reports if type(report).__name__ != "Refusal"] == []
