"""A figure of money that an answer leaves out is not zero (PROTOCOL 9.28, 9.51): its row cannot be read, and what
shows it is not whole.
"""

from typing import Any

import msgspec
import pytest

from adapters.bitmart.perp import codec as perp
from adapters.bitmart.spot import codec as spot
from oms.reports import BalanceReport, PositionReport, Unreadable
from oms.venue import NoAnswerError
from tests.adapters.bitmart.fakes import FakeLink, bitmart, ok, virtual
from tests.adapters.bitmart.perp.desk import Desk, held

WHOLE_COIN = {"id": "USDT", "available": "5", "frozen": "1"}
WHOLE_ASSET = {"currency": "USDT", "available_balance": "100", "frozen_balance": "5", "position_deposit": "10"}


def without(row: dict[str, Any], *fields: str) -> dict[str, Any]:
    return {field: value for field, value in row.items() if field not in fields}


@pytest.mark.parametrize(
    "coin",
    [
        {"id": "BTC", "available": "2"},
        {"id": "BTC", "frozen": "2"},
        {"id": "BTC", "available": "-", "frozen": ""},
        {"id": "BTC"},
    ],
)
@virtual
async def test_trap_9_51_a_coin_whose_total_cannot_be_told_keeps_the_wallet_from_being_whole(coin: object) -> None:
    link = FakeLink()
    link.on(spot.WALLET, ok({"wallet": [coin, WHOLE_COIN]}))
    answer = await bitmart(link).balances()
    broken, whole = answer.reports
    assert isinstance(broken, Unreadable)
    assert isinstance(whole, BalanceReport)
    assert not answer.complete
    link.on(spot.WALLET, ok({"wallet": [coin]}))  # nothing of it can be read: it settles nothing
    with pytest.raises(NoAnswerError):
        await bitmart(link).balances()


@virtual
async def test_a_coin_with_its_total_needs_no_parts() -> None:
    link = FakeLink()
    link.on(spot.WALLET, ok({"wallet": [{"id": "BTC", "total": "2"}]}))
    answer = await bitmart(link).balances()
    assert answer.complete


@pytest.mark.parametrize("missing", ["available_balance", "frozen_balance", "position_deposit"])
@virtual
async def test_trap_9_51_a_part_of_the_futures_wallet_is_not_taken_for_all_of_it(missing: str) -> None:
    desk = Desk()
    desk.link.on(perp.ASSETS, ok([without(WHOLE_ASSET, missing)]))
    answer = await desk.venue.balances()
    assert not any(isinstance(report, BalanceReport) for report in answer.reports)
    assert not answer.complete
    told = without(WHOLE_ASSET, missing) | {"equity": "118", "unrealized": "3"}
    desk.link.on(perp.ASSETS, ok([told]))  # the total can still be told, what is held of it cannot
    answer = await desk.venue.balances()
    (report,) = answer.reports
    assert isinstance(report, BalanceReport)
    assert str(report.total) == "115"
    assert report.held is None or missing == "available_balance"
    assert answer.complete


@pytest.mark.parametrize(
    "position",
    [
        without(held(current_amount="5", position_amount="-5"), "current_amount", "position_amount"),
        without(held(current_amount="5", position_amount="-5"), "position_amount"),  # five of which sign?
        without(held(current_amount="5", position_amount="5"), "position_side"),
        held(current_amount="-", position_amount=""),
    ],
)
@virtual
async def test_trap_9_51_a_position_without_its_quantity_or_its_side_is_not_flat(position: object) -> None:
    desk = Desk()
    desk.link.on(perp.POSITION_V2, ok([position]))
    answer = await desk.venue.positions()
    assert not any(isinstance(report, PositionReport) for report in answer.reports)
    assert not answer.complete


@pytest.mark.parametrize("quantity", [{"current_amount": "0"}, {"position_amount": "-5"}])
@virtual
async def test_a_position_that_says_how_much_in_either_way_is_read(quantity: dict[str, str]) -> None:
    desk = Desk()
    desk.link.on(perp.POSITION_V2, ok([without(held(), "current_amount", "position_amount") | quantity]))
    answer = await desk.venue.positions()
    assert answer.complete


def test_a_push_is_read_as_it_comes() -> None:
    data = {"currency": "USDT", "frozen_balance": "5"}
    (report,) = perp.frame(msgspec.json.encode({"group": "futures/asset:USDT", "data": data}))[1]
    assert isinstance(report, BalanceReport)
    assert str(report.held) == "5"
