"""S62: what the venue closes of a contract that has ended is a settlement; everywhere else it is a liquidation."""

from typing import Any

import pytest

from adapters.bitmart.perp import codec
from oms.ports import LinkAnswer
from oms.reports import OrderReport
from oms.values import Origin, Symbol, VenueOrderId
from oms.venue import OrderRef
from tests.adapters.bitmart.fakes import ok, refused, virtual
from tests.adapters.bitmart.perp.desk import BTC, ID, NOW_MS, NOW_S, Desk, row
from tests.adapters.bitmart.perp.test_venue import contract

SEIZED = OrderRef(client_order_id=ID, symbol=BTC, venue_order_id=VenueOrderId("77"))


def catalogue(symbol: str = "BTCUSDT", **changes: Any) -> LinkAnswer:
    return ok({"symbols": [{"symbol": symbol, "status": "Trading", "delist_time": 0} | changes]})


async def told(details: LinkAnswer, *, kind: str = "liquidate", created_ms: int = NOW_MS - 60_000) -> OrderReport:
    desk = Desk()
    desk.link.on(codec.DETAILS, details)
    made = row(client_order_id="", type=kind, state=4, deal_size="5", create_time=created_ms, update_time=created_ms)
    desk.link.on(codec.ORDER_HISTORY, ok([made]))
    answer = await desk.venue.order_history(BTC, since_ms=NOW_MS - 3_600_000, until_ms=NOW_MS)
    (report,) = answer.reports
    assert isinstance(report, OrderReport)
    return report


# the catalogue says                                                     order made at    which is a
TOLD = [
    (catalogue(),                                                           NOW_MS - 60_000, Origin.LIQUIDATION),
    (catalogue(delist_time=NOW_S + 60),                                     NOW_MS - 60_000, Origin.LIQUIDATION),
    (catalogue(status="Delisted"),                                          NOW_MS - 60_000, Origin.SETTLEMENT),
    (catalogue(status="Delisted", delist_time=NOW_S - 60),                  NOW_MS - 60_000, Origin.SETTLEMENT),
    (catalogue(delist_time=NOW_S - 60),                                     NOW_MS - 60_000, Origin.SETTLEMENT),
    (catalogue(status="Delisted", delist_time=NOW_S - 60),                  NOW_MS - 90_000, Origin.LIQUIDATION),
    (catalogue(status="Delisted", delist_time="soon"),                      NOW_MS - 60_000, Origin.SETTLEMENT),
    (catalogue("ETHUSDT", status="Delisted"),                               NOW_MS - 60_000, Origin.LIQUIDATION),
    (LinkAnswer(503, {}, b"<html>"),                                        NOW_MS - 60_000, Origin.LIQUIDATION),
]  # fmt: skip


@pytest.mark.parametrize(("details", "created_ms", "origin"), TOLD)
@virtual
async def test_s62_the_end_of_a_contract_tells_a_settlement_from_a_liquidation(
    details: LinkAnswer, created_ms: int, origin: Origin
) -> None:
    assert (await told(details, created_ms=created_ms)).origin is origin


@virtual
async def test_s62_a_deleveraging_stays_one_and_an_order_of_ours_asks_nothing() -> None:
    assert (await told(catalogue(status="Delisted"), kind="adl")).origin is Origin.ADL
    desk = Desk()
    desk.link.on(codec.ORDER, ok(row()))
    await desk.venue.order(SEIZED)
    assert not desk.link.of(codec.DETAILS)


@pytest.mark.parametrize("bad", [contract() | {"symbol": None}, 7, contract("OLDUSDT", delist_time="soon")])
@virtual
async def test_trap_9_51_one_malformed_contract_costs_no_other_its_place(bad: object) -> None:
    desk = Desk()
    ended = contract("ETHUSDT", status="Delisted")
    desk.link.on(codec.DETAILS, ok({"symbols": [contract(), bad, ended]}))
    desk.link.on(codec.TRADE_FEE_RATE, refused(400, 40034))
    found = {one.symbol: one.tradable for one in await desk.venue.instruments()}
    assert (found[BTC], found[Symbol("ETH/USDT:USDT")]) == (True, False)
    assert not found.get(Symbol("OLD/USDT:USDT"), False)


@virtual
async def test_open_orders_are_not_all_where_a_contract_does_not_say_its_name() -> None:
    desk = Desk()
    full = ok([row(str(number), f"oms{number}") for number in range(1, 101)])
    desk.link.on(codec.OPEN_ORDERS, full, ok([]))
    desk.link.on(codec.DETAILS, ok({"symbols": [contract(), contract() | {"symbol": None}]}))
    answer = await desk.venue.open_orders()
    assert len(answer.reports) == 100
    assert not answer.complete


@virtual
async def test_s62_the_catalogue_is_asked_once_for_what_happened_before_it_was() -> None:
    desk = Desk()
    desk.link.on(codec.DETAILS, catalogue())
    rows = [row(str(number), "", type="liquidate", state=4, deal_size="5") for number in range(5)]
    desk.link.on(codec.ORDER_HISTORY, ok(rows))
    for _ in range(3):
        await desk.venue.order_history(BTC, since_ms=NOW_MS - 3_600_000, until_ms=NOW_MS)
    assert len(desk.link.of(codec.DETAILS)) == 1
