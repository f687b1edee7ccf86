"""Answers that are not what they should be: retired endpoints, JSON that is called something else (PROTOCOL 4.1)."""

import json

import pytest

from adapters.bitmart.envelope import opened
from adapters.simulator.simulator import NoAnswer, Simulator
from adapters.simulator.wire.codes import STATUSES
from adapters.simulator.wire.gateway import Reply, Request
from adapters.simulator.wire.house import Retired
from oms.reports import Refusal
from tests.adapters.bitmart.test_refusals import TABLE
from tests.adapters.simulator.floor import Client
from tests.adapters.simulator.futures.trader import Trader


def asked(one: Client, target: str = "/system/time") -> Reply:
    served = one.simulator.serve(Request("GET", target, {"X-BM-KEY": one.key}, b""), one.now, product=one.product)
    assert not isinstance(served, NoAnswer)
    return served


def test_a_retired_endpoint_says_so_or_is_simply_not_there_or_pretends_that_all_is_well() -> None:
    one = Client(Simulator(traders=False))
    one.simulator.settings.retired = {"/spot/v1/wallet": Retired.CODE}
    assert (asked(one, "/spot/v1/wallet").status, json.loads(asked(one, "/spot/v1/wallet").body)["code"]) == (
        200,
        30031,
    )
    one.simulator.settings.retired = {"/spot/v1/wallet": Retired.BARE}
    gone = asked(one, "/spot/v1/wallet")
    assert (gone.status, gone.headers["Content-Type"][:10], gone.body) == (404, "text/plain", b"404 page not found")
    one.simulator.settings.retired = {"/spot/v1/wallet": Retired.SUCCESS}
    down = json.loads(asked(one, "/spot/v1/wallet").body)
    assert (down["code"], down["message"], down["data"]) == (1000, "This service is down", {})
    assert asked(one).status == 200  # the others are as ever
    one.simulator.settings.retired = {}
    assert one.get("/spot/v1/wallet")["wallet"]


def test_an_endpoint_of_the_futures_host_retires_too() -> None:
    one = Trader(Simulator(traders=False))
    path = "/contract/private/position-v2"
    one.simulator.settings.retired = {path: Retired.CODE}
    said = json.loads(asked(one, path).body)
    assert (said["code"], said["msg"]) == (30031, "This service has been retired")


@pytest.mark.parametrize("refused", [False, True])
def test_json_may_be_called_plain_text(*, refused: bool) -> None:
    one = Client(Simulator(traders=False))
    one.simulator.set_faults(seed=1, rates={"plain_answer": 1.0})
    answer = asked(one, "/spot/v9/nothing" if refused else "/system/time")
    assert answer.headers["Content-Type"] == "text/plain;charset=UTF-8"
    assert json.loads(answer.body)["code"] == (30000 if refused else 1000)


def test_a_page_may_be_called_json_and_come_with_status_200() -> None:
    one = Client(Simulator(traders=False))
    one.simulator.set_faults(seed=1, rates={"lying_page": 1.0})
    answer = asked(one)
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json")
    assert answer.body.startswith(b"<html>")


def test_every_code_that_is_listed_can_be_said() -> None:
    assert set(STATUSES) == {*TABLE, 40012}


@pytest.mark.parametrize("code", sorted(STATUSES))
def test_a_path_refuses_on_demand_with_any_code_and_its_status(code: int) -> None:
    one = Client(Simulator(traders=False))
    one.simulator.settings.refusals = {"/spot/v1/wallet": code}
    answer = asked(one, "/spot/v1/wallet")
    assert (answer.status, json.loads(answer.body)["code"]) == (STATUSES[code], code)
    refusal = opened(answer.body, answer.status)
    assert isinstance(refusal, Refusal)
    if code in TABLE:
        assert (refusal.klass, refusal.reason) == TABLE[code]
    assert asked(one).status == 200
