"""Spot's own payloads mean what stands beside them; see `cases`."""

import pytest

from adapters.bitmart.decode import decode
from adapters.bitmart.spot import codec
from oms.reports import CandleReport, Control, Refusal
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


@pytest.mark.parametrize(
    "path",
    [
        "/spot/v4/query/order",
        "/spot/v4/query/order?orderId=7",
        "spot/v4/query/order/",
        "POST /spot/v4/query/order",
        "https://api-cloud.bitmart.com/spot/v4/query/order?orderId=7",
        " ",
    ],
)
def test_a_path_is_one_however_it_is_told(path: str) -> None:
    body = b'{"code":1000,"message":"OK","data":{"orderId":"7","symbol":"DOGE_USDT"}}'
    assert decode("spot", "rest", path, body) == decode("spot", "rest", None, body) != ()


@pytest.mark.parametrize("data", [b"null", b"[]", b"[1]", b"{}", b"7", b'{"news":[]}', b"{"])
def test_a_shape_that_nobody_knows_is_nothing_or_refused_but_never_guessed(data: bytes) -> None:
    reports = decode("spot", "rest", None, b'{"code":1000,"message":"OK","data":%b}' % data)
    assert [report for report in reports if type(report).__name__ != "Refusal"] == []


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"pong\n", id="a text and the end of its line"),
        pytest.param(b'\xef\xbb\xbf{"event":"login","errorCode":0}', id="a mark of the encoding"),
        pytest.param(b'\n  {"event":"login"}\r\n', id="empty lines around"),
    ],
)
def test_what_an_editor_puts_around_a_frame_is_no_part_of_it(data: bytes) -> None:
    (report,) = decode("spot", "ws-private", None, data)
    assert isinstance(report, Control)
    assert report.event in ("pong", "login")


@pytest.mark.parametrize("at", [b"1790000040", b"1790000040000", b'"1790000040"'])
def test_a_candle_begins_at_its_time_in_seconds_or_milliseconds(at: bytes) -> None:
    row = b'[%b,"1","2","0.5","1.5","7","9"]' % at
    body = b'{"code":1000,"message":"success","data":[%b]}' % row
    assert [c.open_ms for c in decode("spot", "rest", None, body) if isinstance(c, CandleReport)] == [1790000040000]


@pytest.mark.parametrize(
    ("path", "data"),
    [
        ("/spot/v4/cancel_orders", b'{"successIds":["7"],"failIds":null}'),
        ("/spot/v4/cancel_orders", b'{"successIds":null,"failIds":["7"]}'),
        ("/spot/v1/wallet", b'{"wallet":null}'),
        ("/spot/v4/batch_orders", b'{"code":0,"msg":"success","data":{"orderIds":null}}'),
    ],
)
def test_a_list_of_nothing_may_be_null(path: str, data: bytes) -> None:
    of_null = decode("spot", "rest", path, b'{"code":1000,"message":"OK","data":%b}' % data)
    of_none = decode("spot", "rest", path, b'{"code":1000,"message":"OK","data":%b}' % data.replace(b"null", b"[]"))
    assert of_null == of_none
    assert not [report for report in of_null if isinstance(report, Refusal) and report.reason == "no_payload"]
