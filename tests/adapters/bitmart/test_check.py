"""S58: what a key may do is asked by signed calls that change nothing, and each way to be wrong has its own name."""

from collections.abc import Mapping

import msgspec
import pytest

from adapters.bitmart.check import Hosts, KeyForbiddenError, KeyReport, May, UnknownKeyError, WrongSecretError, check
from oms.errors import OmsError
from oms.ports import LinkAnswer, LinkError
from oms.venue import NoAnswerError
from tests.adapters.bitmart.fakes import CREDENTIALS, LOST, FakeLink, LoopClock, PlainIds, ok, refused, spawn, virtual

OPEN_ORDERS = "/spot/v4/query/open-orders"
CANCEL = "/spot/v3/cancel_order"
TRANSFERS = "/account/v1/transfer-contract-list"
MODIFY = "/contract/private/modify-limit-order"
WITHDRAW = "/account/v1/withdraw/apply"

ALLOWED: Mapping[str, LinkAnswer | LinkError] = {
    OPEN_ORDERS: ok([]),
    CANCEL: refused(400, 50005, "Order Id not found"),
    TRANSFERS: ok({"records": []}),
    MODIFY: refused(400, 40035, "The order is not exist"),
    WITHDRAW: refused(403, 30012, "No permission"),
}


def venue(**changes: LinkAnswer | LinkError) -> FakeLink:
    link = FakeLink()
    for path, answer in ALLOWED.items():
        link.on(path, answer)
    for name, answer in changes.items():
        link.on(
            {"proof": OPEN_ORDERS, "cancel": CANCEL, "transfers": TRANSFERS, "modify": MODIFY, "out": WITHDRAW}[name],
            answer,
        )
    return link


async def asked(link: FakeLink) -> KeyReport:
    hosts = Hosts("http://venue.test", "http://venue.test")
    return await check(CREDENTIALS, hosts, link=link, clock=LoopClock(), ids=PlainIds(), spawn=spawn)


@virtual
async def test_s58_a_key_that_may_trade_is_called_so_and_every_call_was_signed() -> None:
    link = venue()
    report = await asked(link)
    assert report == KeyReport(
        spot_read=May.YES, spot_trade=May.YES, futures_read=May.YES, futures_trade=May.YES, withdraw=May.NO
    )
    for path in ALLOWED:
        (call,) = link.of(path)
        assert "X-BM-SIGN" in call.headers


@virtual
async def test_s58_nothing_that_is_asked_could_change_anything() -> None:
    link = venue()
    await asked(link)
    assert link.of(CANCEL)[0].fields()["client_order_id"] == "id"  # one order that nobody has, and no other
    assert link.of(MODIFY)[0].fields()["client_order_id"] == "id"
    assert link.of(WITHDRAW)[0].body == b"{}"  # nothing, to nowhere
    assert {call.path for call in link.calls} == {*ALLOWED, "/system/time"}


@virtual
async def test_s58_a_read_only_key_is_told_from_a_wrong_one() -> None:
    no = refused(403, 30012, "No permission")
    report = await asked(venue(cancel=no, modify=LinkAnswer(200, {}, b'{"code":30019,"message":"no","data":{}}')))
    assert (report.spot_read, report.spot_trade, report.futures_trade) == (May.YES, May.NO, May.NO)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (refused(401, 30002, "Header X-BM-KEY not found"), UnknownKeyError),
        (refused(401, 30003, "frozen"), UnknownKeyError),
        (refused(403, 30011, "expired"), UnknownKeyError),
        (refused(401, 30005, "Header X-BM-SIGN is wrong"), WrongSecretError),
        (refused(403, 30010, "IP is forbidden"), KeyForbiddenError),
        (refused(403, 53000, "Your account is frozen"), KeyForbiddenError),
        (refused(500, 59002, "internal"), NoAnswerError),
        (LOST, NoAnswerError),
    ],
)
def test_s58_each_way_to_be_wrong_has_its_own_name(answer: LinkAnswer | LinkError, error: type[OmsError]) -> None:
    @virtual
    async def story() -> None:
        link = venue(proof=answer)
        with pytest.raises(error) as refusal:
            await asked(link)
        assert type(refusal.value) is error
        assert CREDENTIALS.secret not in repr(refusal.value) + str(refusal.value)
        assert not any(link.of(path) for path in (CANCEL, MODIFY, WITHDRAW))  # nothing is asked after that

    story()


@virtual
async def test_s58_what_cannot_be_told_is_unknown() -> None:
    gone = LinkAnswer(404, {}, msgspec.json.encode({"code": 30000, "msg": "Not found", "trace": "t"}))
    report = await asked(venue(cancel=LOST, transfers=gone, modify=gone, out=gone))
    assert {report.spot_trade, report.futures_read, report.futures_trade, report.withdraw} == {May.UNKNOWN}


@virtual
async def test_s58_a_key_that_may_withdraw_is_found_out() -> None:
    report = await asked(venue(out=refused(400, 60000, "Invalid request, maybe the body is empty")))
    assert report.withdraw is May.YES


@virtual
async def test_a_clock_that_was_measured_wrongly_is_measured_again_once() -> None:
    link = venue()
    link.on(OPEN_ORDERS, refused(401, 30007, "timestamp"), ok([]))
    assert (await asked(link)).spot_read is May.YES
    assert len(link.of("/system/time")) == 2
