"""S02 to S05: requests whose answer is lost, refused or overtaken settle nothing until the venue has shown it."""

import asyncio
from typing import Any

import pytest

from adapters.bitmart.perp import codec as perp
from adapters.bitmart.spot import codec as spot
from oms.order.state import Life
from oms.ports import LinkAnswer
from oms.values import Currency, Symbol, Wallet, purse
from tests.scenarios.house import PERPETUAL, SPOT, House, tell
from tests.simulation.process import GoneError

SUBMIT = {SPOT: spot.SUBMIT_ORDER, PERPETUAL: perp.SUBMIT_ORDER}
SIZE = {SPOT: "0.01", PERPETUAL: "5"}


@pytest.mark.parametrize("symbol", [SPOT, PERPETUAL])
def test_s02_a_submit_that_was_accepted_without_an_answer_is_found_by_its_id_and_never_doubled(symbol: Symbol) -> None:
    async def story(house: House) -> None:
        await house.start()
        house.network.lost_answers.add(SUBMIT[symbol])
        house.faults(frame_dropped=1)  # nor does the stream tell
        await house.place("c1", "buy", SIZE[symbol], "50000", symbol=symbol)
        await house.until(lambda: house.life("c1") is not Life.SENDING)
        assert house.life("c1") is Life.IN_DOUBT
        house.network.mend()
        await house.until(lambda: house.life("c1") is Life.WORKING)
        house.faults()
        await house.rests()
        assert [each.body["client_order_id"] for each in house.network.submits()] == ["c1"]
        assert len(house.spot.open) + len(house.futures.open) == 1
        assert "outcome-unknown" in house.told("c1")

    tell(story)


@pytest.mark.parametrize(("symbol", "code"), [(SPOT, 50042), (PERPETUAL, 40050)])
def test_s02_a_refusal_as_a_duplicate_is_no_refusal_of_the_order_but_proof_that_it_is_there(
    symbol: Symbol, code: int
) -> None:
    async def story(house: House) -> None:
        await house.start()
        # A proxy on the way repeats the request: the answer that comes is the one to the repetition.
        duplicate = b'{"code":%d,"message":"duplicate client order id","trace":"t","data":{}}' % code
        house.network.executed[SUBMIT[symbol]] = LinkAnswer(400, {"content-type": "application/json"}, duplicate)
        house.faults(frame_dropped=1)
        await house.place("c1", "buy", SIZE[symbol], "50000", symbol=symbol)
        await house.until(lambda: house.life("c1") is not Life.SENDING)
        assert house.life("c1") is Life.IN_DOUBT
        house.network.mend()
        await house.until(lambda: house.life("c1") is Life.WORKING)
        house.faults()
        again = await house.place("c1", "buy", SIZE[symbol], "50000", symbol=symbol)  # the strategy repeats itself
        assert again.events == 0
        await house.rests()
        assert [each.body["client_order_id"] for each in house.network.submits()] == ["c1"]
        assert len(house.spot.open) + len(house.futures.open) == 1
        assert "venue-refused" not in house.told("c1")

    tell(story)


@pytest.mark.parametrize("symbol", [SPOT, PERPETUAL])
def test_s03_killed_at_any_step_of_a_send_the_order_is_there_once_or_not_at_all_and_never_under_another_id(
    symbol: Symbol,
) -> None:
    ended: list[int] = []

    async def story(house: House, step: int) -> None:
        await house.start()
        process = house.oms.process
        process.doom(process.steps + step)
        acknowledged = True
        try:
            await house.place("c1", "buy", SIZE[symbol], "50000", symbol=symbol)
            await asyncio.sleep(0.4)
        except GoneError:
            acknowledged = False
        if process.alive:  # the order was answered before that step came
            ended.append(step)
            process.spare()
            return
        sent = bool(house.network.submits())
        if sent or acknowledged:
            assert house.told("c1")[:2] == ["order-requested", "send-started"], "the intent is durable first"
        house.kill()  # the database learns that the connection is gone
        await house.start()
        await house.rests()
        assert {each.body["client_order_id"] for each in house.network.submits()} <= {"c1"}
        there = [order.client_order_id for order in house.spot.open.values()]
        there += [order.client_order_id for order in house.futures.open.values()]
        assert there == ["c1"] * len(house.network.submits())
        assert len(there) <= 1
        if sent:
            assert "outcome-unknown" in house.told("c1") or house.told("c1")[2] == "venue-accepted"
            assert house.life("c1") is Life.WORKING
        elif house.told("c1"):
            assert house.life("c1") is Life.REJECTED  # never arrived, and proven

    step = 0
    while not ended:
        step += 1
        assert step < 500, "the send never ends"
        tell(lambda house, at=step: story(house, at))  # type: ignore[misc]  # one world a step
    assert step > 10, "a send takes more steps than that"


@pytest.mark.parametrize("symbol", [SPOT, PERPETUAL])
def test_s04_a_cancel_that_loses_against_a_fill_is_refused_and_the_fill_is_booked(symbol: Symbol) -> None:
    async def story(house: House) -> None:
        await house.start()
        await house.place("c1", "buy", SIZE[symbol], "50000", symbol=symbol)
        await house.until(lambda: house.life("c1") is Life.WORKING)
        house.faults(frame_dropped=1)  # the fill is not heard of
        house.stranger("sell", SIZE[symbol], "50000", symbol=symbol)
        await house.cancel("c1")
        await house.until(lambda: "cancel-refused" in house.told("c1"))
        assert not house.order("c1").cancels
        await house.place("r1", "buy", SIZE[symbol], "49000", symbol=symbol)  # in its place
        assert house.life("r1") is Life.DENIED
        assert house.order("r1").reason == (
            "end_unproven: c1 was to be canceled, and may still work: its end is not proven yet"
        )
        for name, more in (("o1", {"strategy": "other"}), ("o2", {"side": "sell"})):  # nobody else's business
            fields: dict[str, Any] = {"side": "buy", "quantity": SIZE[symbol], "price": "40000", "symbol": symbol}
            await house.give(house.order_for(name, **fields | more))
            assert house.life(name) is not Life.DENIED
        await house.until(lambda: house.life("c1") is Life.FILLED)
        assert len(house.order("c1").trades) == 1, "its end is proven by its trades"
        await house.place("r2", "buy", SIZE[symbol], "49000", symbol=symbol)
        assert house.life("r2") is not Life.DENIED
        house.faults()
        await house.rests()
        assert Life.CANCELED not in house.lives("c1")
        assert house.told("c1").count("order-filled") == 1

    tell(story)


@pytest.mark.parametrize(
    ("symbol", "code"),
    [
        (SPOT, 50030),
        (SPOT, 50031),
        (SPOT, 50032),
        (SPOT, 50036),
        (PERPETUAL, 40035),
        (PERPETUAL, 40036),
        (PERPETUAL, 40037),
    ],
)
def test_s04_whatever_the_refusal_says_of_the_end_only_the_order_itself_proves_it(symbol: Symbol, code: int) -> None:
    async def story(house: House) -> None:
        await house.start()
        await house.place("c1", "buy", SIZE[symbol], "50000", symbol=symbol)
        await house.until(lambda: house.life("c1") is Life.WORKING)
        said = b'{"code":%d,"message":"over","trace":"t","data":{}}' % code
        cancel = spot.CANCEL_ORDER if symbol == SPOT else perp.CANCEL_ORDER
        house.network.answers[cancel] = LinkAnswer(
            400, {"content-type": "application/json"}, said
        )  # and it is not true
        await house.cancel("c1")
        await house.until(lambda: "cancel-refused" in house.told("c1"))
        await asyncio.sleep(60)
        assert house.life("c1") is Life.WORKING
        await house.place("r1", "buy", SIZE[symbol], "49000", symbol=symbol)
        assert house.life("r1") is Life.DENIED
        await house.restart()
        await house.place("r2", "buy", SIZE[symbol], "49000", symbol=symbol)
        assert house.life("r2") is Life.DENIED, "a restart proves nothing"
        house.network.mend()
        await house.cancel("c1", "x2")
        await house.until(lambda: house.life("c1") is Life.CANCELED)
        await house.place("r3", "buy", SIZE[symbol], "49000", symbol=symbol)
        await house.until(lambda: house.life("r3") is Life.WORKING)
        await house.rests()

    tell(story)


def test_s05_on_perpetuals_too_an_order_whose_cancel_found_nothing_still_counts() -> None:
    async def story(house: House) -> None:
        await house.start()
        await house.place("c1", "buy", "5", "50000", symbol=PERPETUAL)
        await house.until(lambda: house.life("c1") is Life.WORKING)
        unknown = b'{"code":40035,"message":"The order is not exist","trace":"t","data":{}}'
        house.network.answers[perp.CANCEL_ORDER] = LinkAnswer(400, {"content-type": "application/json"}, unknown)
        await house.cancel("c1")
        await house.until(lambda: "cancel-refused" in house.told("c1"))
        margin = purse(Wallet.FUTURES, Currency("USDT"))
        assert house.book.funds(margin).held > 0
        assert await house.oms.watcher.compare()
        await house.place("c2", "buy", "1", "49999", symbol=PERPETUAL)  # it would stand beside c1
        assert (house.order("c2").reason or "").startswith("end_unproven")
        house.network.mend()
        await house.cancel("c1", "x2")
        await house.until(lambda: house.life("c1") is Life.CANCELED)
        assert house.book.funds(margin).held == 0
        await house.place("c3", "buy", "1", "49999", symbol=PERPETUAL)
        await house.until(lambda: house.life("c3") is Life.WORKING)
        await house.rests()

    tell(story)


def test_s05_an_order_whose_cancel_found_nothing_still_counts_until_its_end_is_proven() -> None:
    async def story(house: House) -> None:
        await house.start()
        await house.place("c1", "buy", "0.01", "50000")
        await house.until(lambda: house.life("c1") is Life.WORKING)
        unknown = b'{"code":50032,"message":"Order does not exist","trace":"t","data":{}}'
        house.network.answers[spot.CANCEL_ORDER] = LinkAnswer(400, {"content-type": "application/json"}, unknown)
        await house.cancel("c1")
        await house.until(lambda: "cancel-refused" in house.told("c1"))
        assert house.life("c1") is Life.WORKING
        held = house.held()
        assert held >= 500
        await house.place("c2", "buy", "2", "49999", strategy="other")  # 99998 and commission: beyond what is left
        assert (house.order("c2").reason or "").startswith("insufficient_funds")
        await house.place("c3", "buy", "0.01", "49999")  # what is left would do, but it would stand beside c1
        assert (house.order("c3").reason or "").startswith("end_unproven")
        house.network.mend()
        await house.cancel("c1", "x2")
        await house.until(lambda: house.life("c1") is Life.CANCELED)
        assert house.held() == 0
        await house.place("c4", "buy", "2", "49999")
        assert house.life("c4") is not Life.DENIED
        await house.rests()

    tell(story, house=lambda: House(funds={"USDT": "100200"}))
