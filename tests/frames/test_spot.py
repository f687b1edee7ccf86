"""Spot's own payloads mean what stands beside them; see `cases`."""

import pytest

from adapters.bitmart.decode import decode
from adapters.bitmart.spot import codec
from tests.frames import cases
from tests.frames.cases import Case

CASES = cases.of("spot")
ALL: list[Case] = [case.values[0] for case in CASES]


@pytest.mark.parametrize("case", CASES)
def test_a_payload_means(case: Case) -> None:
    assert decode("spot", case.kind, case.path, case.bytes()) == case.reports


def test_every_codec_has_a_payload_that_it_understands() -> None:
    understood = [case for case in ALL if case.understood()]
    paths = {case.path for case in understood if case.kind == "rest"}
    assert set(codec.OBJECTS) | set(codec.LISTS) <= paths
    streamed = b" ".join(case.bytes() for case in understood if case.kind != "rest" and not case.deflate)
    assert [table for table in codec.TABLES if f'"{table}"'.encode() not in streamed] == ["spot/user/order"]
    assert any(case.deflate for case in understood), "which is the deflated one"


@pytest.mark.parametrize("path", ["/spot/v4/query/order", "/spot/v4/query/order?orderId=7"])
def test_a_path_may_carry_its_query(path: str) -> None:
    body = b'{"code":1000,"message":"OK","data":{"orderId":"7","symbol":"DOGE_USDT"}}'
    assert decode("spot", "rest", path, body) == decode("spot", "rest", None, body) != ()


@pytest.mark.parametrize("data", [b"null", b"[]", b"[1]", b"{}", b"7", b'{"news":[]}', b"{"])
def test_a_shape_that_nobody_knows_is_nothing_or_refused_but_never_guessed(data: bytes) -> None:
    reports = decode("spot", "rest", None, b'{"code":1000,"message":"OK","data":%b}' % data)
    assert [report for report in reports if type(report).__name__ != "Refusal"] == []
