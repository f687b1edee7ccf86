"""What each code proves, one row each, apart from the table: PROTOCOL 4.2 to 4.7 read a second time."""

import pytest

from adapters.bitmart.envelope import opened
from adapters.bitmart.refusals import CODES
from adapters.bitmart.spot import codec
from oms.reports import Ack, Refusal, RefusalClass

ROWS = """
30000 certain    unknown_path             | 50040 certain    bad_symbol
30001 auth       key                      | 50041 certain    time_range
30002 auth       key                      | 50042 unknown    duplicate_id
30003 auth       key                      | 51000 certain    bad_currency
30004 auth       signature                | 51001 auth       account
30005 auth       signature                | 51002 auth       account
30006 auth       clock                    | 51003 certain    loan
30007 auth       clock                    | 51004 certain    loan
30008 auth       clock                    | 51005 certain    loan
30010 auth       permission               | 51006 certain    loan
30011 auth       key                      | 51007 certain    invalid_order
30012 auth       permission               | 51008 certain    bad_symbol
30013 rate_limit rate_limit               | 51009 certain    invalid_order
30014 unknown    unavailable              | 51010 certain    invalid_order
30016 transient  maintenance              | 51011 certain    invalid_order
30017 rate_limit banned                   | 51012 certain    invalid_order
30018 certain    invalid_request          | 51013 certain    invalid_order
30019 auth       permission               | 51014 certain    invalid_order
30030 certain    retired                  | 51015 certain    invalid_order
30031 certain    retired                  | 51024 certain    loan
50000 certain    invalid_request          | 52000 certain    invalid_order
50001 certain    bad_symbol               | 52001 certain    invalid_order
50002 certain    invalid_request          | 52002 certain    invalid_order
50003 certain    invalid_request          | 52003 certain    invalid_request
50004 certain    invalid_request          | 52004 certain    time_range
50005 certain    order_not_found          | 53000 auth       account
50006 certain    invalid_order            | 53001 auth       permission
50007 certain    invalid_order            | 53002 auth       permission
50008 certain    invalid_order            | 53003 auth       permission
50009 certain    invalid_order            | 53004 auth       permission
50010 certain    invalid_order            | 53005 auth       permission
50011 certain    invalid_order            | 53006 auth       permission
50012 certain    invalid_order            | 53007 auth       permission
50013 certain    invalid_request          | 53008 auth       permission
50014 certain    invalid_request          | 53009 auth       permission
50015 certain    invalid_request          | 53010 auth       permission
50016 certain    invalid_request          | 53011 auth       permission
50017 certain    invalid_request          | 57001 certain    invalid_request
50018 certain    invalid_request          | 58001 certain    invalid_request
50019 certain    invalid_request          | 59001 auth       account
50020 certain    insufficient_funds       | 59002 unknown    internal
50021 certain    invalid_order            | 59003 unknown    internal
50022 unknown    unavailable              | 59004 unknown    internal
50023 certain    bad_symbol               | 59005 auth       account
50024 certain    invalid_request          | 59006 unknown    internal
50025 certain    invalid_order            | 59007 transient  internal
50026 certain    invalid_order            | 59008 unknown    internal
50027 certain    invalid_order            | 59009 unknown    loan
50028 certain    invalid_request          | 59010 certain    loan
50029 certain    invalid_order            | 59011 transient  internal
50030 certain    already_canceled         | 70000 certain    no_data
50031 certain    already_filled           | 70001 certain    invalid_request
50032 certain    order_not_found          | 70002 certain    bad_symbol
50033 certain    invalid_request          | 70003 transient  network
50034 certain    no_depth                 | 71001 certain    invalid_request
50035 certain    no_depth                 | 71002 certain    invalid_request
50036 certain    order_closed             | 71003 certain    invalid_request
50037 certain    invalid_client_order_id  | 71004 certain    invalid_request
50038 certain    invalid_client_order_id  | 71005 certain    invalid_request
50039 certain    invalid_request          | 60000 certain    invalid_request
60001 certain    bad_currency             | 60002 certain    bad_currency
60003 certain    suspended                | 60004 certain    suspended
60005 certain    invalid_amount           | 60006 certain    invalid_amount
60007 certain    invalid_address          | 60008 certain    insufficient_funds
60009 certain    invalid_amount           | 60010 certain    transfer_not_found
60011 certain    invalid_address          | 60012 certain    unsupported
60013 certain    invalid_amount           | 60014 certain    invalid_address
60015 certain    invalid_address          | 60020 auth       account
60021 auth       account                  | 60022 auth       account
60026 auth       account                  | 60027 auth       account
60028 auth       account                  | 60029 auth       account
60030 certain    invalid_request          | 60031 certain    invalid_request
60050 auth       account                  | 60051 unknown    internal
60052 unknown    internal                 | 60053 certain    invalid_address
60054 certain    unsupported              | 60055 certain    bad_currency
60056 certain    suspended                | 60057 auth       account
60058 auth       account                  | 60059 certain    unsupported
60060 certain    invalid_request          | 60061 certain    unsupported
60062 certain    unsupported              | 60063 auth       account
60064 certain    invalid_amount           | 60065 certain    invalid_address
60066 certain    invalid_request          | 60067 certain    invalid_request
61000 certain    invalid_amount           | 61001 certain    insufficient_funds
61002 certain    invalid_address          | 61003 certain    invalid_address
61004 unknown    duplicate_id             | 61005 auth       permission
61006 auth       permission               | 61007 auth       permission
61008 auth       permission               | 25601 unknown    unavailable
40001 auth       account                  | 40002 certain    invalid_request
40003 unknown    duplicate_id             | 40004 certain    invalid_request
40005 certain    invalid_amount           | 40006 auth       permission
40007 certain    invalid_request          | 40008 certain    invalid_request
40009 certain    invalid_request          | 40010 certain    invalid_request
40011 certain    invalid_request          | 40013 rate_limit rate_limit
40014 certain    bad_symbol               | 40015 certain    bad_symbol
40016 certain    liquidation              | 40017 certain    invalid_order
40018 certain    position                 | 40019 auth       liquidation
40020 certain    position                 | 40021 certain    position
40022 certain    margin                   | 40023 certain    margin
40024 certain    margin                   | 40025 certain    margin
40026 auth       liquidation              | 40027 certain    insufficient_funds
40028 certain    too_many_orders          | 40029 certain    leverage
40030 certain    leverage                 | 40031 certain    invalid_order
40032 certain    invalid_order            | 40033 certain    invalid_order
40034 certain    bad_symbol               | 40035 certain    order_not_found
40036 certain    order_closed             | 40037 certain    order_not_found
40038 certain    invalid_request          | 40039 certain    invalid_request
40040 certain    leverage                 | 40041 certain    invalid_order
40042 certain    invalid_order            | 40043 certain    invalid_order
40044 certain    invalid_order            | 40045 certain    invalid_order
40046 auth       account                  | 40047 auth       permission
40048 certain    invalid_client_order_id  | 40049 certain    invalid_client_order_id
40050 unknown    duplicate_id             | 40059 certain    position_mode
42000 certain    insufficient_funds       | 49998 certain    invalid_request
"""
TABLE = {
    int(code): (klass, reason)
    for line in ROWS.strip().splitlines()
    for code, klass, reason in (cell.split() for cell in line.split("|") if cell.strip())
}


PRIVATE_LISTS = (
    codec.QUERY_OPEN_ORDERS,
    codec.QUERY_ALGO_OPEN_ORDERS,
    codec.QUERY_HISTORY_ORDERS,
    codec.QUERY_TRADES,
    codec.QUERY_ORDER_TRADES,
)


def told(report: object) -> tuple[str, str]:
    """Whose fault it is, and why."""
    assert isinstance(report, Refusal)
    return report.klass, report.reason


@pytest.mark.parametrize("code", sorted(TABLE))
def test_a_code_proves(code: int) -> None:
    klass, reason = TABLE[code]
    refusal = opened(b'{"code":%d,"message":"words","data":null}' % code, 400)
    assert refusal == Refusal(klass=RefusalClass(klass), reason=reason, code=str(code), text="words")


def test_no_code_is_without_a_row() -> None:
    assert set(CODES) == set(TABLE)


@pytest.mark.parametrize(
    ("words", "klass", "reason"),
    [
        ("Invalid order", "certain", "invalid_order"),
        ("SYMBOL_NOT_EXIST", "certain", "bad_symbol"),
        ("You contract account available balance not enough", "certain", "insufficient_funds"),
        ("the leverage differs from that of the open position", "certain", "leverage"),
        ("open_type conflicts with the position", "certain", "leverage"),
        ("position mode does not match", "certain", "position_mode"),
        ("System error", "unknown", "internal"),
        ("something new", "unknown", "internal"),
        ("", "unknown", "internal"),
    ],
)
@pytest.mark.parametrize("status", [400, 500, None])
def test_9_11_the_catch_all_is_certain_only_in_words_that_are_known(
    status: int | None, words: str, klass: str, reason: str
) -> None:
    refusal = opened(b'{"code":40012,"message":"%b"}' % words.encode(), status)
    assert refusal == Refusal(klass=RefusalClass(klass), reason=reason, code="40012", text=words or None)


@pytest.mark.parametrize(
    ("status", "body", "klass", "reason"),
    [
        (200, b"<html>", "unknown", "unreadable"),
        (200, b"", "unknown", "unreadable"),
        (200, b'{"code":1000,"data":{"order_id":"1', "unknown", "unreadable"),
        (200, b'{"hello":1}', "unknown", "unreadable"),
        (200, b'{"code":"soon"}', "unknown", "unreadable"),
        (200, b'{"code":true}', "unknown", "unreadable"),
        (200, b"[" * 100_000, "unknown", "unreadable"),
        (200, b'{"code":1000,"message":"\xff\xfe"}', "unknown", "unreadable"),
        (400, b"Bad Request", "unknown", "unreadable"),
        (401, b"Unauthorized", "auth", "key"),
        (403, b"error code: 1010", "transient", "edge"),
        (404, b"<html>", "unknown", "unreadable"),
        (405, b"", "certain", "invalid_request"),
        (415, b"", "certain", "invalid_request"),
        (418, b"<html>", "rate_limit", "banned"),
        (429, b"", "rate_limit", "rate_limit"),
        (500, b"<html>", "unknown", "unreadable"),
        (502, b"<html>", "unknown", "unreadable"),
        (503, b"<html>", "unknown", "unreadable"),
        (504, b"", "unknown", "unreadable"),
        (520, b"", "unknown", "unreadable"),
    ],
)
def test_a_body_that_is_not_bitmarts(status: int, body: bytes, klass: str, reason: str) -> None:
    assert told(opened(body, status)) == (klass, reason)


@pytest.mark.parametrize(
    ("status", "body", "klass", "reason"),
    [
        (200, b'{"code":99999,"message":"new"}', "unknown", "unlisted"),
        (400, b'{"code":99999,"message":"new"}', "unknown", "unlisted"),
        (403, b'{"code":99999,"message":"new"}', "auth", "permission"),
        (429, b'{"code":99999,"message":"new"}', "rate_limit", "rate_limit"),
        (500, b'{"code":1000,"message":"OK","data":{"order_id":"1"}}', "unknown", "contradiction"),
    ],
)
def test_a_code_that_the_table_lacks_is_judged_by_the_status(status: int, body: bytes, klass: str, reason: str) -> None:
    assert told(opened(body, status)) == (klass, reason)


def test_a_retired_endpoint_that_says_success_proves_nothing() -> None:
    body = b'{"errno":"OK","message":"This service is down","code":1000,"trace":"","data":{}}'
    for path in (codec.SUBMIT_ORDER, codec.CANCEL_ORDER, codec.QUERY_OPEN_ORDERS, "/spot/v4/cancel_all"):
        (refusal,) = codec.answer(path, body, 200)
        assert isinstance(refusal, Refusal)
        assert refusal.klass is RefusalClass.UNKNOWN


@pytest.mark.parametrize("data", [b"{}", b"null", b"[]", b'""', b'{"order_id":null}', b'{"order_id":""}', b'"1"'])
def test_a_submit_without_an_order_id_proves_nothing(data: bytes) -> None:
    (refusal,) = codec.answer(codec.SUBMIT_ORDER, b'{"code":1000,"message":"OK","data":%b}' % data, 200)
    assert told(refusal) == (RefusalClass.UNKNOWN, "no_payload")


def test_a_list_that_is_no_list_is_not_an_empty_list() -> None:
    (refusal,) = codec.answer(codec.QUERY_OPEN_ORDERS, b'{"code":1000,"message":"OK","data":{}}', 200)
    assert isinstance(refusal, Refusal)
    assert refusal.klass is RefusalClass.UNKNOWN


def test_the_venues_words_are_kept_on_one_line_and_short() -> None:
    refusal = opened(b"<html>\n  <p>502</p>\n" + b"x" * 500, 502)
    assert isinstance(refusal, Refusal)
    assert refusal.text is not None
    assert refusal.text.startswith("<html> <p>502</p> xxx")
    assert len(refusal.text) <= 200


def test_gateway_errors_say_msg_and_codes_may_be_quoted() -> None:
    refusal = opened(b'{"trace":"t","msg":"Not found","code":"30000"}', 404)
    assert refusal == Refusal(klass=RefusalClass.CERTAIN, reason="unknown_path", code="30000", text="Not found")


def test_no_data_is_an_empty_list_of_market_data() -> None:
    assert codec.answer("/spot/quotation/v3/klines", b'{"code":70000,"message":"no data","data":null}', 200) == ()


@pytest.mark.parametrize(("path", "status"), [(codec.KLINES, 500), *((path, 200) for path in PRIVATE_LISTS)])
def test_no_data_is_no_list_where_it_comes_otherwise_or_is_said_of_an_account(path: str, status: int) -> None:
    (refusal,) = codec.answer(path, b'{"code":70000,"message":"no data","data":null}', status)
    assert told(refusal) == (RefusalClass.CERTAIN, "no_data")


def test_a_cancel_that_came_too_late_is_refused_with_code_1000() -> None:
    for data in (b'{"result":false}', b"false"):
        (refusal,) = codec.answer(codec.CANCEL_ORDER, b'{"code":1000,"message":"OK","data":%b}' % data, 200)
        assert told(refusal) == (RefusalClass.CERTAIN, "order_closed")
    for data in (b'{"result":true}', b"true"):
        assert codec.answer(codec.CANCEL_ORDER, b'{"code":1000,"message":"OK","data":%b}' % data, 200) == (Ack(),)
