"""Every bad input gets one clear answer: status, code, outcome, next step; nothing half-done, no traceback."""

import asyncio
from collections.abc import Mapping, Sequence

import aiohttp
import pytest
from msgspec.structs import replace

from oms.errors import OmsError
from oms.gateway.guard import UnsafeBindError, require_safe_bind
from oms.gateway.listening import CannotListenError, PortTakenError
from oms.gateway.settings import Settings
from oms.ports import Batch, StoredEvent
from oms.store.memory import Fault, NoFaults, Trouble
from tests.gateway.house import House, order
from tests.order.story import SPOT
from tests.store.writers import seized

LONG = "a" * 33


@pytest.mark.parametrize(
    ("changes", "status", "code", "says"),
    [
        ({"symbol": "XXX/USDT"}, 422, "unknown_symbol", "no market XXX/USDT"),
        ({"symbol": "nonsense"}, 422, "unknown_symbol", "BASE/QUOTE"),
        ({"account": "other"}, 422, "unknown_account", "'other'"),
        ({"price": "60000.001"}, 422, "off_grid", "off the grid of 0.01"),
        ({"quantity": "0.00015"}, 422, "off_grid", "off the grid of 0.0001"),
        ({"quantity": "0.0001", "price": "100"}, 422, "below_minimum", "below the minimum of 5"),
        ({"quantity": "-1"}, 422, "invalid_order", "not positive"),
        ({"quantity": "0"}, 422, "invalid_order", "not positive"),
        ({"quantity": "1e60"}, 422, "invalid_order", "beyond what any market trades"),
        ({"quantity": "NaN"}, 422, "invalid_body", "'NaN' is not a decimal"),
        ({"price": "Infinity"}, 422, "invalid_body", "'Infinity' is not a decimal"),
        ({"quantity": "1e999999"}, 422, "invalid_body", "is not a decimal"),
        ({"quantity": "1_000"}, 422, "invalid_body", "is not a decimal"),
        ({"quantity": "٣"}, 422, "invalid_body", "is not a decimal"),
        ({"quantity": ""}, 422, "invalid_body", "is not a decimal"),
        ({"quantity": "9" * 1000}, 422, "invalid_body", "is not a decimal"),
        ({"quantity": 0.01}, 422, "invalid_body", "a decimal is a JSON string"),
        ({"price": 60000}, 422, "invalid_body", "a decimal is a JSON string"),
        ({"quantity": True}, 422, "invalid_body", "a decimal is a JSON string"),
        ({"client_order_id": LONG}, 422, "invalid_order", "has 33 characters: it takes 1 to 32"),
        ({"client_order_id": ""}, 422, "invalid_order", "has 0 characters"),
        ({"client_order_id": "a-b"}, 422, "invalid_order", "A-Z, a-z, 0-9"),
        ({"client_order_id": "é"}, 422, "invalid_order", "A-Z, a-z, 0-9"),
        ({"client_order_id": None}, 422, "invalid_body", "client_order_id"),
        ({"client_order_id": 5}, 422, "invalid_body", "client_order_id"),
        ({"qty": "1"}, 422, "invalid_body", "unknown field `qty`"),
        ({"iceberg": "1"}, 422, "invalid_body", "unknown field `iceberg`"),
        ({"side": "long"}, 422, "invalid_body", "$.side"),
        ({"type": "stop"}, 422, "invalid_body", "$.type"),
        ({"type": "market"}, 422, "invalid_order", "takes no price"),
        ({"price": None}, 422, "invalid_order", "needs a price"),
        ({"time_in_force": "fok"}, 422, "invalid_order", "no time_in_force fok"),
        ({"position_leg": "long"}, 422, "invalid_order", "position_leg is net"),
        ({"strategy": "somebody"}, 403, "forbidden", "bound to the strategy maker"),
        ({"tags": {"a": "\x00"}}, 422, "invalid_body", "printable"),
        ({"tags": {str(n): "x" for n in range(17)}}, 422, "invalid_order", "17 tags"),
    ],
)
async def test_an_order_that_cannot_be_is_refused(
    house: House, changes: Mapping[str, object], status: int, code: str, says: str
) -> None:
    before = await house.log.head()
    answer = await house.call("POST", "/v1/orders", order(**changes))
    assert (answer.status, answer.json["code"], answer.json["outcome"]) == (status, code, "none")
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    assert says in answer.json["detail"]
    assert answer.json["next_step"]
    assert answer.json["retryable"] is False
    assert answer.json["status"] == status
    assert answer.json["type"] == f"urn:oms:problem:{code}"
    assert await house.log.head() == before


@pytest.mark.parametrize("raw", [b"", b"{", b"\xff\xfe", b'{"client_order_id":"a\\ud800"}', b"NaN"])
async def test_what_is_not_json_is_called_so(house: House, raw: bytes) -> None:
    before = await house.log.head()
    answer = await house.call("POST", "/v1/orders", raw=raw)
    assert (answer.status, answer.json["code"], answer.json["outcome"]) == (400, "malformed_json", "none")
    assert await house.log.head() == before


@pytest.mark.parametrize("size", [64 * 1024, 64 * 1024 + 1, 1_000_000])
async def test_a_body_over_64_kib_is_refused(house: House, size: int) -> None:
    before = await house.log.head()
    padding = b'{"client_order_id":"' + b"a" * (size - 22) + b'"}'
    answer = await house.call("POST", "/v1/orders", raw=padding)
    expected = (413, "body_too_large") if size > 64 * 1024 else (422, "invalid_body")
    assert (answer.status, answer.json["code"], answer.json["outcome"]) == (*expected, "none")
    assert await house.log.head() == before


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("asof=5", "unknown field `asof`"),
        ("limit=0", "limit is from 1"),
        ("limit=501", "limit is from 1"),
        ("limit=x", "$.limit"),
        ("min_position=-1", "min_position"),
        ("min_position=99999999999999999999", "min_position"),
        ("open=maybe", "$.open"),
        ("symbol=a&symbol=b", "twice"),
        ("symbol=a%00b", "'symbol' holds a character that cannot be printed"),
        ("strategy=a%00b", "'strategy' holds"),
        ("account=%07", "'account' holds"),
    ],
)
async def test_a_query_that_is_not_understood_is_refused_and_never_ignored(house: House, query: str, says: str) -> None:
    answer = await house.call("GET", f"/v1/orders?{query}")
    assert (answer.status, answer.json["code"]) == (422, "invalid_query")
    assert says in answer.json["detail"]


@pytest.mark.parametrize(("method", "more"), [("GET", ""), ("GET", "/timeline"), ("DELETE", ""), ("PATCH", "")])
async def test_a_name_that_no_order_can_have_is_looked_for_nowhere(
    house: House, monkeypatch: pytest.MonkeyPatch, method: str, more: str
) -> None:
    async def asked(stream: str, *, after_version: int = 0) -> Sequence[StoredEvent]:
        raise AssertionError("the database takes no NUL in a text")

    monkeypatch.setattr(house.log, "read", asked)
    body = {"price": "1"} if method == "PATCH" else None
    answer = await house.call(method, f"/v1/orders/a%00b{more}", body, headers={"Idempotency-Key": "k1"})
    assert (answer.status, answer.json["code"], answer.json["outcome"]) == (404, "unknown_order", "none")


async def test_a_cursor_from_elsewhere_is_refused(house: House) -> None:
    answer = await house.call("GET", "/v1/orders?cursor=xyz")
    assert (answer.status, answer.json["code"]) == (422, "invalid_cursor")
    answer = await house.call("GET", "/v1/events?cursor=xyz")
    assert (answer.status, answer.json["code"]) == (422, "invalid_query")


@pytest.mark.parametrize("path", ["/", "/v1/options", "/v1/orders/a/b/c", "/v2/orders"])
async def test_what_is_not_offered_is_not_found(house: House, path: str) -> None:
    answer = await house.call("GET", path)
    assert (answer.status, answer.json["code"], answer.json["outcome"]) == (404, "not_found", "none")


async def test_a_method_that_is_not_offered_is_called_so(house: House) -> None:
    answer = await house.call("PUT", "/v1/orders", {})
    assert (answer.status, answer.json["code"]) == (405, "method_not_allowed")


async def test_a_stream_asked_for_as_a_page_is_called_so(house: House) -> None:
    answer = await house.call("GET", "/v1/stream")
    assert (answer.status, answer.json["code"]) == (426, "upgrade_required")


@pytest.mark.parametrize("call", [("GET", "/v1/orders/nope"), ("GET", "/v1/orders/nope/timeline")])
async def test_an_order_that_is_not_there_is_not_found(house: House, call: tuple[str, str]) -> None:
    answer = await house.call(*call)
    assert (answer.status, answer.json["code"], answer.json["outcome"]) == (404, "unknown_order", "none")
    answer = await house.cancel("nope")
    assert (answer.status, answer.json["code"], answer.json["outcome"]) == (404, "unknown_order", "none")


class Broken(NoFaults):
    """A log whose appends end as told, and that cannot be read meanwhile."""

    def __init__(self, trouble: Trouble) -> None:
        self.trouble = trouble
        self.reading = False

    def append(self, batch: Batch) -> Fault:
        del batch
        self.reading = True
        return Fault(self.trouble)

    def read(self) -> bool:
        return self.reading


@pytest.mark.parametrize(
    ("trouble", "outcome"),
    [(Trouble.REFUSED, "none"), (Trouble.SILENT_DONE, "unknown"), (Trouble.SILENT_LOST, "unknown")],
)
async def test_a_log_that_does_not_take_the_order_is_said_with_what_is_known_of_it(
    house: House, trouble: Trouble, outcome: str
) -> None:
    before = await house.log.head()
    house.log.faults = broken = Broken(trouble)
    answer = await house.place()
    assert (answer.status, answer.json["code"], answer.json["outcome"]) == (503, "log_unavailable", outcome)
    assert (answer.json["retryable"], answer.headers["Retry-After"]) == (True, "1")
    down = await house.place(client_order_id="c2")
    assert (down.status, down.json["code"], down.json["outcome"]) == (503, "log_unavailable", "none")
    reading = await house.call("GET", "/v1/orders/c1")
    assert (reading.status, reading.json["code"]) == (503, "log_unavailable")
    ready = await house.call("GET", "/health/ready", token=None)
    assert ready.status == 503
    broken.reading = False
    house.log.faults = NoFaults()
    while not house.engine.ready:  # noqa: ASYNC110 - bounded by the test's own timeout
        await asyncio.sleep(0.01)
    again = await house.place()
    assert again.status == 202
    assert again.json["position"] == before + 2


async def test_a_full_intake_is_said_so() -> None:
    async with House.opened(intake_max=0) as house:
        answer = await house.place()
        assert (answer.status, answer.json["code"], answer.json["outcome"]) == (503, "intake_full", "none")
        assert answer.headers["Retry-After"] == "1"


async def test_an_account_that_is_not_reconciled_yet_takes_no_orders(house: House) -> None:
    house.engine.trading = False
    answer = await house.place()
    assert (answer.status, answer.json["code"], answer.json["outcome"]) == (503, "not_ready", "none")


async def test_an_oms_that_stops_takes_no_orders(house: House) -> None:
    await house.engine.stop()
    answer = await house.place()
    assert (answer.status, answer.json["code"], answer.json["retryable"]) == (503, "stopping", True)


async def test_an_account_that_another_writer_took_is_said_so(house: House) -> None:
    await seized(house.log, house.engine.account)
    answer = await house.place()
    assert (answer.status, answer.json["code"], answer.json["retryable"]) == (503, "fenced", False)
    assert "ask the one that leads" in answer.json["next_step"]


async def test_what_nobody_foresaw_is_logged_under_the_name_that_the_client_gets(
    house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    house.reads.orders = None  # type: ignore[assignment, method-assign]  # as a bug would
    answer = await house.call("GET", "/v1/orders")
    assert (answer.status, answer.json["code"], answer.json["outcome"]) == (500, "internal", "unknown")
    assert "NoneType" not in answer.json["detail"]
    assert answer.json["incident"] in capsys.readouterr().out


async def test_several_accounts_are_to_be_named() -> None:
    async with House.opened(accounts=("main", "second")) as house:
        both = house.tokens.create(accounts=("main", "second"))
        answer = await house.place(token=both)
        assert (answer.status, answer.json["code"]) == (422, "unknown_account")
        assert "main, second" in answer.json["detail"]
        assert (await house.place(token=both, account="second")).json["account"] == "second"
        assert (await house.place()).json["account"] == "main"
        assert (await house.place(account="second")).json["code"] == "unknown_account"


async def test_a_taken_port_is_one_clear_error(house: House) -> None:
    port = int(house.url.rpartition(":")[2])
    async with House.opened() as other:
        with pytest.raises(PortTakenError, match=f"another program listens on 127.0.0.1:{port}") as error:
            await other.serve(Settings(port=port))
        assert error.value.advice


@pytest.mark.parametrize(
    "settings",
    [Settings(host="203.0.113.1", port=0, certificate="/nowhere"), Settings(port=0, certificate="/nowhere")],
)
async def test_an_address_or_a_certificate_that_cannot_be_used_is_one_clear_error(
    house: House, settings: Settings
) -> None:
    with pytest.raises(CannotListenError):
        await house.serve(settings)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "192.168.1.5", "oms.example"])
def test_the_door_does_not_open_to_the_network_without_tls_and_tokens(host: str) -> None:
    with pytest.raises(UnsafeBindError, match="without TLS"):
        require_safe_bind(host, tls=False, auth=True)
    with pytest.raises(UnsafeBindError, match="without authentication"):
        require_safe_bind(host, tls=True, auth=False)
    require_safe_bind(host, tls=True, auth=True)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.8.8.8"])
def test_loopback_needs_neither(host: str) -> None:
    require_safe_bind(host, tls=False, auth=False)


async def test_serving_beyond_this_machine_without_tls_is_refused(house: House) -> None:
    with pytest.raises(OmsError) as error:
        await house.serve(Settings(host="0.0.0.0", port=0))
    assert error.value.code == "unsafe_bind"


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "", "[", "localhost.evil:8700"])
async def test_a_host_that_is_not_ours_is_misdirected(house: House, host: str) -> None:
    answer = await house.call("GET", "/v1/orders", headers={"Host": host})
    assert (answer.status, answer.json["code"]) == (421, "misdirected")


async def test_a_tunnel_may_change_the_port(house: House) -> None:
    assert (await house.call("GET", "/v1/orders", headers={"Host": "localhost:9999"})).status == 200


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1"])
async def test_a_foreign_page_may_not_write_nor_open_a_stream(house: House, origin: str) -> None:
    before = await house.log.head()
    answer = await house.call("POST", "/v1/orders", order(), headers={"Origin": origin})
    assert (answer.status, answer.json["code"]) == (403, "foreign_origin")
    assert await house.log.head() == before
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await session.ws_connect(house.url + "/v1/stream", origin=origin)
        assert refused.value.status == 403


async def test_our_own_page_may_write(house: House) -> None:
    assert (await house.call("POST", "/v1/orders", order(), headers={"Origin": house.url})).status == 202


@pytest.mark.parametrize("query", ["token=x", "access_token=x", "symbol=oms_abc_def"])
async def test_a_token_in_an_address_is_refused(house: House, query: str) -> None:
    answer = await house.call("GET", f"/v1/orders?{query}")
    assert (answer.status, answer.json["code"]) == (400, "token_in_query")


@pytest.mark.parametrize(
    ("trigger", "code", "says"),
    [
        ({"price": "-5"}, "invalid_order", "trigger: BTC/USDT price -5 is not positive"),
        ({"price": "0"}, "invalid_order", "not positive"),
        ({"price": "9e45"}, "invalid_order", "beyond what any market trades"),
        ({"price": "60000.001"}, "off_grid", "trigger: BTC/USDT price 60000.001 is off the grid of 0.01"),
        ({"price": "60000", "callback_rate": "0"}, "invalid_order", "callback_rate is a fraction above 0 and below 1"),
        ({"price": "60000", "callback_rate": "-0.01"}, "invalid_order", "callback_rate"),
        ({"price": "60000", "callback_rate": "2"}, "invalid_order", "callback_rate"),
    ],
)
async def test_an_order_that_waits_for_what_no_price_can_be_is_refused_on_spot_too(
    house: House, trigger: Mapping[str, str], code: str, says: str
) -> None:
    house.engine.decider.capabilities = lambda _: replace(SPOT, triggers=True, trailing=True)
    before = await house.log.head()
    answer = await house.place(trigger={**trigger, "when": "rises_to"})
    assert (answer.status, answer.json["code"], answer.json["outcome"]) == (422, code, "none")
    assert says in answer.json["detail"]
    assert await house.log.head() == before
