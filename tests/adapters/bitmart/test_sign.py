"""Every worked vector of the protocol (2.3, 2.6), recomputed."""

import pytest

from adapters.bitmart.sign import STREAM_LOGIN, Credentials, keyed, sign, signed
from adapters.bitmart.spot.dialect import login

OFFICIAL = Credentials(
    key="80618e45710812162b04892c7ee5ead4a3cc3e56",
    secret="6c6c98544461bbe71db2bca4c6d7fd0021e0ba9efc215f9c6ad41852df9d9df9",
    memo="test001",
)
OWN = Credentials(key="bm_example_key_0001", secret="bm_example_secret_0001", memo="alpha")
AT = 1795392000000

A = (
    b'{"symbol":"BTC_USDT","side":"buy","type":"limit","size":"0.001","price":"60000",'
    b'"client_order_id":"oms0000000000000000000000000001","stpMode":"none"}'
)
B = (
    b'{"symbol":"BTCUSDT","client_order_id":"oms0000000000000000000000000002","side":1,"mode":1,"type":"limit",'
    b'"leverage":"10","open_type":"cross","size":5,"price":"60000.1"}'
)


@pytest.mark.parametrize(
    ("body", "signature"),
    [
        pytest.param(A, "5e5f386ea166ea3f67ed5c79f66a3295667cb7a9affa9a4077734c09307d018c", id="A"),
        pytest.param(
            A.replace(b'":"', b'": "').replace(b'","', b'", "'),
            "77ed9886c2cf6ea6f9314173d05810a676b92017999abf5b0b47c96d6f38df31",
            id="A-with-spaces",
        ),
        pytest.param(B, "343eaab767640b7b9eff91fb37c8760d9ace94e16f2402a425e6528817f71a9c", id="B"),
        pytest.param(b"{}", "54c4b45ed08012b81d420b58638b0c9a092eaea8893bc101ec9b63ada957aaa3", id="C"),
        pytest.param(b"", "40720f6df99d26be09fec3418e06f9ed73fd362df6944f5ee4eec363395cbb2c", id="D"),
        pytest.param(
            b'{"clientOrderId":"oms0000000000000000000000000001","recvWindow":5000}',
            "d101ee80fc7772e1daa11e83a9ccea2146bb6e91533c682a200118c8bb55a39b",
            id="E",
        ),
        pytest.param(
            STREAM_LOGIN, "bf081e61c4c0be1484baa41be43cf23d77bab72fbc75c2503db2d8fc1f0b46d1", id="stream-login"
        ),
    ],
)
def test_our_own_vectors(body: bytes, signature: str) -> None:
    assert sign(OWN, AT, body) == signature


def test_the_venues_own_vectors() -> None:
    body = b'{"symbol":"BTC_USDT","price":"8600","count":"100"}'
    assert sign(OFFICIAL, 1589793796145, body) == "c31dc326bf87f38bfb49a3f8494961abfa291bd549d0d98d9578e87516cee46d"
    login_signature = "3ceeb7e1b8cb165a975e28a2e2dfaca4d30b358873c0351c1a071d8c83314556"
    assert sign(OFFICIAL, 1589267764859, STREAM_LOGIN) == login_signature


def test_the_headers_of_each_level() -> None:
    assert keyed(OWN) == {"X-BM-KEY": "bm_example_key_0001"}
    assert signed(OWN, AT, b"{}") == {
        "Content-Type": "application/json",
        "X-BM-KEY": "bm_example_key_0001",
        "X-BM-TIMESTAMP": "1795392000000",
        "X-BM-SIGN": "54c4b45ed08012b81d420b58638b0c9a092eaea8893bc101ec9b63ada957aaa3",
    }


def test_the_login_frame_has_only_strings() -> None:
    assert login(OWN, AT) == (
        '{"op":"login","args":["bm_example_key_0001","1795392000000",'
        '"bf081e61c4c0be1484baa41be43cf23d77bab72fbc75c2503db2d8fc1f0b46d1"]}'
    )


def test_a_memo_beyond_ascii_is_signed_as_utf_8() -> None:
    assert sign(Credentials("k", "s", "größe"), 1, b"") != sign(Credentials("k", "s", "grosse"), 1, b"")


def test_secrets_do_not_show() -> None:
    shown = f"{OWN!r} {OWN} {[OWN]}"
    for secret in ("bm_example", "alpha"):
        assert secret not in shown
