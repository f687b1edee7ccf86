"""The traps of the wire (PROTOCOL 9): what the codec makes of payloads that mean something else than they say."""

import zlib
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.bitmart.scalars import amount, identity, millis, text
from adapters.bitmart.spot import codec, translate
from oms.reports import Control, OrderReport, Report, TradeReport, Unreadable, VenueOrderStatus
from oms.values import Liquidity, Side

ORDER = {
    "orderId": "183270218784142990",
    "clientOrderId": "oms1",
    "symbol": "ADA_USDT",
    "side": "buy",
    "type": "limit",
    "state": "new",
    "price": "0.25",
    "size": "10",
    "filledSize": "0",
    "notional": "2.5",
    "filledNotional": "0",
    "createTime": 1695658457787,
    "updateTime": 1695658458877,
}
PUSH = {
    "order_id": "183270218784142990",
    "client_order_id": "oms1",
    "symbol": "ADA_USDT",
    "side": "sell",
    "type": "limit",
    "entrust_type": "NORMAL",
    "state": "5",
    "order_state": "partially_filled",
    "price": "0.25",
    "size": "10",
    "notional": "",
    "filled_size": "4",
    "filled_notional": "1",
    "last_fill_price": "0.25",
    "last_fill_count": "3",
    "last_fill_time": "1695658457836",
    "exec_type": "T",
    "detail_id": "7",
    "create_time": "1695658457787",
    "update_time": "1695658457836",
}


def asked(**changes: object) -> OrderReport:
    body = msgspec.json.encode({"code": 1000, "message": "OK", "data": ORDER | changes})
    (report,) = codec.answer(codec.QUERY_ORDER, body, 200)
    assert isinstance(report, OrderReport)
    return report


def pushed(*changes: dict[str, Any]) -> tuple[Report, ...]:
    frame = {"table": "spot/user/orders", "data": [PUSH | change for change in changes]}
    _, reports = codec.frame(msgspec.json.encode(frame))
    return reports


def order_of(reports: tuple[Report, ...]) -> OrderReport:
    (report,) = [report for report in reports if isinstance(report, OrderReport)]
    return report


STATES = """
new                4   new               | partially_filled   5   partially_filled
filled             6   filled            | canceled           8   canceled
partially_canceled 12  canceled          | partially_canceled 11  canceled
failed             1   rejected          | failed             3   rejected
"""


@pytest.mark.parametrize(
    ("word", "number", "status"), [cell.split() for line in STATES.strip().splitlines() for cell in line.split("|")]
)
def test_a_state_reads_the_same_as_a_word_and_as_a_number(word: str, number: str, status: str) -> None:
    assert asked(state=word).status == status
    assert order_of(pushed({"order_state": word})).status == status
    assert order_of(pushed({"order_state": "", "state": number})).status == status
    assert order_of(pushed({"order_state": None, "state": int(number)})).status == status


def test_states_without_a_word() -> None:
    assert order_of(pushed({"order_state": "", "state": "2"})).status is VenueOrderStatus.PENDING_NEW
    canceling = pushed({"order_state": "", "state": "7"})
    assert order_of(canceling).status is VenueOrderStatus.PARTIALLY_FILLED
    assert order_of(canceling).raw_status == "7"
    assert order_of(pushed({"order_state": "", "state": "7", "filled_size": "0"})).status is VenueOrderStatus.NEW


def test_the_word_wins_over_the_number_it_contradicts() -> None:
    assert order_of(pushed({"state": "4", "order_state": "partially_filled"})).status == "partially_filled"


def test_a_new_state_is_shown_and_never_guessed() -> None:
    for report in (asked(state="frozen"), order_of(pushed({"order_state": "frozen", "state": "6"}))):
        assert report.status is None
        assert report.raw_status == "frozen"


def test_a_successful_market_buy_ends_partially_canceled_and_is_filled() -> None:
    report = asked(
        type="market",
        state="partially_canceled",
        size="0.00",
        notional="5.09490000",
        filledNotional="5.09358308",
        filledSize="20.71",
        priceAvg="0.245948",
        price="0.00",
    )
    assert report.status is VenueOrderStatus.FILLED
    assert report.raw_status == "partially_canceled"
    assert (report.quantity, report.notional, report.price) == (None, Decimal("5.09490000"), None)
    assert (report.cum_quantity, report.cum_notional) == (Decimal("20.71"), Decimal("5.09358308"))
    pushed_report = order_of(pushed({"side": "buy", "type": "market", "order_state": "partially_canceled"}))
    assert pushed_report.status is VenueOrderStatus.FILLED


@pytest.mark.parametrize(
    ("source", "status"), [("stp", "canceled"), ("STP", "canceled"), ("system", "filled"), ("", "filled")]
)
def test_a_market_buy_that_was_ended_to_not_trade_with_oneself_is_canceled(source: str, status: str) -> None:
    bought = {"type": "market", "size": "0.00", "notional": "1000", "filledNotional": "10", "filledSize": "0.1"}
    report = asked(state="partially_canceled", cancelSource=source, **bought)
    assert (report.status, report.notional, report.cum_notional) == (status, Decimal(1000), Decimal(10))


@pytest.mark.parametrize(("side", "kind"), [("sell", "market"), ("buy", "limit"), ("buy", "ioc"), ("sell", "limit")])
def test_every_other_order_that_ends_partially_canceled_is_canceled(side: str, kind: str) -> None:
    report = asked(side=side, type=kind, state="partially_canceled", filledSize="4")
    assert (report.status, report.cum_quantity, report.notional) == ("canceled", Decimal(4), None)


@pytest.mark.parametrize("missing", ["183270218784142990", 183270218784142990, "", None])
def test_an_id_that_is_the_venues_own_is_nobodys(missing: object) -> None:
    assert asked(clientOrderId=missing).client_order_id is None
    assert order_of(pushed({"client_order_id": missing})).client_order_id is None


def test_a_push_is_an_order_and_its_last_trade() -> None:
    assert pushed({}) == (
        OrderReport(
            symbol=translate.symbol("ADA_USDT"),
            status=VenueOrderStatus.PARTIALLY_FILLED,
            venue_order_id=asked().venue_order_id,
            client_order_id=asked().client_order_id,
            side=Side.SELL,
            order_type="limit",
            quantity=Decimal(10),
            cum_quantity=Decimal(4),
            cum_notional=Decimal(1),
            price=Decimal("0.25"),
            created_ms=1695658457787,
            updated_ms=1695658457836,
        ),
        TradeReport(
            exec_id="7",  # type: ignore[arg-type]
            symbol=translate.symbol("ADA_USDT"),
            price=Decimal("0.25"),
            quantity=Decimal(3),
            venue_order_id=asked().venue_order_id,
            client_order_id=asked().client_order_id,
            side=Side.SELL,
            liquidity=Liquidity.TAKER,
            at_ms=1695658457836,
        ),
    )


def test_the_fee_of_a_push_is_nobodys_until_somebody_knows_whose_it_is() -> None:
    _, trade = pushed({"dealFee": "10.00", "deal_fee_coin_name": "BMX"})
    assert isinstance(trade, TradeReport)
    assert (trade.commission, trade.commission_currency) == (None, None)


@pytest.mark.parametrize(
    "quiet",
    [
        {"detail_id": ""},
        {"detail_id": None},
        {"detail_id": "0"},
        {"last_fill_count": "0"},
        {"last_fill_price": "0"},
        {"filled_size": "0.000000000000000000000000000000"},
    ],
)
def test_a_push_without_a_fill_is_no_trade(quiet: dict[str, Any]) -> None:
    assert [type(report) for report in pushed(quiet)] == [OrderReport]


def test_the_real_cancel_of_an_unfilled_order() -> None:
    zero = "0.000000000000000000000000000000"
    (report,) = pushed(
        {
            "state": "8",
            "order_state": "canceled",
            "filled_size": zero,
            "filled_notional": zero,
            "last_fill_time": "0",
            "last_fill_price": "0",
            "last_fill_count": "0",
            "detail_id": "",
            "exec_type": "",
        }
    )
    assert isinstance(report, OrderReport)
    assert (report.status, report.cum_quantity) == ("canceled", Decimal(0))


@pytest.mark.parametrize(
    ("entrusted", "kind"), [("LIMIT_MAKER", "limit_maker"), ("IOC", "ioc"), ("normal", "limit"), ("", "limit")]
)
def test_a_push_tells_the_kind_of_limit_order_by_how_it_was_entrusted(entrusted: str, kind: str) -> None:
    assert order_of(pushed({"entrust_type": entrusted})).order_type == kind


def test_every_element_of_a_push_is_read_and_a_broken_one_stops_no_other() -> None:
    broken: list[dict[str, Any]] = [
        {"filled_size": "many"},
        {"symbol": 7},
        {"symbol": "ADA"},
        {"order_id": ""},
        {"filled_size": "-1"},
    ]
    reports = pushed({"detail_id": ""}, *broken, {"detail_id": "", "order_id": "2"})
    assert [type(report) for report in reports] == [OrderReport, *[Unreadable] * len(broken), OrderReport]
    assert "many" in str(reports[1])


@pytest.mark.parametrize("data", [b'""', b"null", b"[]", b"{}"])
def test_a_push_without_data_is_nothing(data: bytes) -> None:
    assert codec.frame(b'{"table":"spot/user/orders","data":%b}' % data) == ("spot/user/orders", ())


def test_a_table_may_carry_its_symbol() -> None:
    table, reports = codec.frame(
        b'{"table":"spot/trade:ETH_USDT","data":[{"symbol":"ETH_USDT","price":1.5,"size":"2"}]}'
    )
    assert table == "spot/trade"
    assert "1.5" in str(reports)


@pytest.mark.parametrize(
    "frame",
    [b"", b"pon", b"{}", b'{"table":"spot/new","data":[]}', b"[]", b'{"event":"hello"}', b"\xff", b"[" * 99_999],
)
def test_garbage_is_one_unreadable(frame: bytes) -> None:
    _, (report,) = codec.frame(frame)
    assert isinstance(report, Unreadable)


def test_errors_of_the_stream_in_both_spellings() -> None:
    new = b'{"event":"subscribe","errorCode":"90004","errorMessage":"Invalid channel param"}'
    old = b'{"event":"error","message":"Invalid sign","errorCode":30013}'
    assert codec.frame(new) == ("", (Control(event="error", text="90004 subscribe: Invalid channel param"),))
    assert codec.frame(old) == ("", (Control(event="error", text="30013 error: Invalid sign"),))


def test_the_protocols_deflated_frame() -> None:
    frame = bytes.fromhex(
        "ab562a494cca4955b2522a2ec82fd12f294a4c4955d2514a492c4954b28aae562aaecc4dcacf014abb8678c48706bb8400250b8a3293413a"
        "0ccd8cf40c8d8002c59929207e5269259853059634d433b03005f1e34b94ac0c4d4d8c8c8dcd8d0c2d759472d1440c8d0c6a636b01"
    )
    assert codec.inflated(frame) == (
        b'{"table":"spot/trade","data":[{"symbol":"ETH_USDT","price":"162.12","side":"buy","size":"11.085",'
        b'"s_t":1542337219,"ms_t":1542337219120}]}'
    )


def test_a_bomb_is_refused() -> None:
    packer = zlib.compressobj(9, wbits=-15)
    bomb = packer.compress(b" " * (codec.INFLATED_MAX + 1)) + packer.flush()
    with pytest.raises(ValueError, match="larger than"):
        codec.inflated(bomb)


@settings(deadline=None)  # the machine may be busy
@given(st.dictionaries(st.text(), st.text() | st.integers()))
def test_any_json_survives_the_wire_plain_or_deflated(message: dict[str, Any]) -> None:
    plain = msgspec.json.encode(message)
    packer = zlib.compressobj(wbits=-15)
    assert codec.inflated(packer.compress(plain) + packer.flush()) == plain
    assert codec.inflated(plain) == plain
    assert codec.inflated(plain.decode()) == plain


@settings(deadline=None)  # the machine may be busy
@given(st.binary())
def test_no_frame_and_no_answer_can_stop_the_reader(noise: bytes) -> None:
    codec.frame(noise)
    for path in (*codec.OBJECTS, *codec.LISTS):
        codec.answer(path, noise, 200)
        codec.answer(path, b'{"code":1000,"message":"OK","data":%b}' % noise, 200)


VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.integers()) | st.just("-")


@settings(deadline=None)  # the machine may be busy
@given(st.fixed_dictionaries({}, optional=dict.fromkeys(PUSH, VALUES)), st.data())
def test_any_field_may_be_anything(changes: dict[str, Any], data: st.DataObject) -> None:
    kept = {name: PUSH[name] for name in data.draw(st.lists(st.sampled_from(sorted(PUSH)), unique=True))}
    frame = {"table": "spot/user/orders", "data": [kept | changes, PUSH]}
    _, reports = codec.frame(msgspec.json.encode(frame))
    assert reports[-2:] == pushed({})


@pytest.mark.parametrize(
    ("value", "number"),
    [
        ("1.50", Decimal("1.50")),
        (" 1 ", Decimal(1)),
        (7, Decimal(7)),
        (Decimal("0.1"), Decimal("0.1")),
        ("", None),
        ("-", None),
        (None, None),
        ("0.000000000000000000000000000001", Decimal("1E-30")),
    ],
)
def test_an_amount_keeps_every_digit(value: object, number: Decimal | None) -> None:
    assert amount(value) == number


@pytest.mark.parametrize(
    "value", ["NaN", "Infinity", "1e999999", "1_0", "ten", True, 1.5, [], "9" * 99, "1e-99", "1e20", "-1e20"]
)
def test_what_is_no_amount_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match=r"number|amount"):
        amount(value)


def test_a_json_number_is_read_digit_for_digit() -> None:
    report = asked(price=msgspec.Raw(b"0.12345678901234567890123"), filledSize=msgspec.Raw(b"4"))
    assert (report.price, report.cum_quantity) == (Decimal("0.12345678901234567890123"), Decimal(4))


def test_times_and_texts() -> None:
    assert (millis("1609926044000"), millis(1609926044000), millis("0"), millis("")) == (
        1609926044000,
        1609926044000,
        None,
        None,
    )
    assert (text(" TRANSACTION_COMPLETED  "), text(2147857398), text("")) == (
        "TRANSACTION_COMPLETED",
        "2147857398",
        None,
    )
    for wrong in ("-5", "1.5", "253402300800000", "99999999999999999999", 10**20):  # the year 10000 and later
        with pytest.raises(ValueError, match=r"not a time|beyond any amount"):
            millis(wrong)
    assert millis("253402300799999") == millis(253402300799999) == 253402300799999


@pytest.mark.parametrize("absent", ["", "-", " - ", None])
def test_trap_9_28_a_dash_is_no_text_and_no_id(absent: object) -> None:
    assert (text(absent), identity(absent), identity("0"), identity(0)) == (None, None, None, None)


def test_a_text_that_no_log_can_hold_is_refused() -> None:
    with pytest.raises(ValueError, match="not a text"):
        text("by\0hand")
