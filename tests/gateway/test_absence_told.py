"""An order that never arrived: its story shows each answer that says so, to whoever may read the account."""

from typing import Any

from oms.book import order_stream
from oms.evidence import kept
from oms.gateway.tokens import Scope
from oms.order.events import Mark
from oms.order.messages import AbsenceReport, SubmitUnknown
from oms.values import AccountId, ClientOrderId, Provenance
from oms.venue import Evidence
from tests.gateway.conftest import house as house  # noqa: PLC0414 - the fixture
from tests.gateway.house import MAIN, House

ANSWERS = {"order": "none", "open_orders": "no open ones", "trades": "no trades", "order_history": "no old ones"}


async def prove_absent(house: House) -> None:
    await house.place()
    await house.report("c1", SubmitUnknown(reason="timeout", valid_until_ns=60))
    asked = [
        kept(Evidence(channel=what, request=f"{what}?".encode(), response=said.encode()), house.ids, house.clock)
        for what, said in ANSWERS.items()
    ]
    marks = tuple(Mark(message_id=each[-1].message_id, what=what) for each, what in zip(asked, ANSWERS, strict=True))
    report = AbsenceReport(evidence=tuple(mark.message_id for mark in marks), marks=marks)
    await house.engine.report(
        [(order_stream(AccountId(MAIN), ClientOrderId("c1")), report)],
        source=Provenance.INFERRED,
        evidence=[message for each in asked for message in each],
    )


def bodies(entry: Any) -> list[str | None]:
    return [message.get("body") for message in entry["messages"]]


async def test_s02_a_proven_absence_is_told_with_every_answer_that_proves_it(house: House) -> None:
    await prove_absent(house)
    auditor = house.tokens.create("maker", scopes=(Scope.READ, Scope.AUDIT_READ))
    items = (await house.call("GET", "/v1/orders/c1/timeline", token=auditor)).json["items"]
    searched, proven = items[-2:]
    assert (searched["type"], proven["type"]) == ("venue-searched/1", "absence-proven/1")
    told = [text for what, said in ANSWERS.items() for text in (f"{what}?", said)]
    assert bodies(searched) == bodies(proven) == told
    mine = (await house.call("GET", "/v1/orders/c1/timeline")).json["items"][-1]  # the lists may speak of others
    assert {message["withheld"] for message in mine["messages"]} == {True}
