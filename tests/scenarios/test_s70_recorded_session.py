"""S70: a recorded session is brought about again on the simulated exchange: the same orders, the same states."""

import asyncio
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

from oms.order.messages import AmendOrder, CancelOrder, PlaceOrder
from oms.order.state import Life
from oms.ports import StoredEvent
from oms.session import Ended, Session, Traded, session
from oms.values import ClientOrderId, OrderStatus, TimeInForce
from tests.golden.corpus import read_log
from tests.scenarios.house import PERPETUAL, House, tell

IGNORANCE = {OrderStatus.IN_DOUBT}  # what the wire did, and not the market


def test_s70_a_recorded_session_leads_to_the_same_states_on_the_exchange_behind_paper() -> None:
    was = session(recorded(faulty=False))
    assert len(was.shown) == 10
    assert {state for states in was.shown.values() for state in states} >= {
        OrderStatus.OPEN,
        OrderStatus.PARTIALLY_FILLED,
        OrderStatus.FILLED,
        OrderStatus.PENDING_CANCEL,
        OrderStatus.CANCELED,
        OrderStatus.REJECTED,
        OrderStatus.PENDING_AMEND,
        OrderStatus.DENIED,
    }
    now = session(played(was))
    assert now.shown == was.shown
    assert amounts(now) == amounts(was)


def test_s70_a_session_recorded_over_a_bad_wire_differs_by_what_nobody_could_know() -> None:
    """The answer of a submit was lost: the order was in doubt then, and is not where answers come."""
    was = session(recorded(faulty=True))
    assert OrderStatus.IN_DOUBT in was.shown[ClientOrderId("s1")]
    now = session(played(was))
    assert {name: certain(states) for name, states in now.shown.items()} == {
        name: certain(states) for name, states in was.shown.items()
    }
    assert amounts(now) == amounts(was)


def test_s70_a_session_recorded_in_2026_leads_to_the_same_states_as_it_did_then() -> None:
    """A file that is never written again: a change of the exchange, or of the OMS, that alters what happens shows here.

    Made by `recorded(faulty=True)`; another session is another file.
    """
    files = sorted((Path(__file__).parent / "recorded").glob("*.jsonl"))
    assert files
    for file in files:
        was = session(read_log(file))
        assert len(was.shown) == 10
        now = session(played(was))
        assert {name: certain(states) for name, states in now.shown.items()} == {
            name: certain(states) for name, states in was.shown.items()
        }, file.name
        assert amounts(now) == amounts(was)


def recorded(*, faulty: bool) -> list[StoredEvent]:
    """Let a session happen and return its log."""
    log: list[StoredEvent] = []

    async def story(house: House) -> None:
        await house.start()
        if faulty:
            house.network.lost_answers.add("/spot/v2/submit_order")
            for path in ("client-order", "open-orders", "orders", "trades", "history-orders"):
                house.network.lost_requests.add(f"/spot/v4/query/{path}")
            house.faults(frame_dropped=1)
        await house.place("s1", "buy", "0.01", "50000")  # a maker, in two parts
        if faulty:
            await house.until(lambda: house.life("s1") is Life.IN_DOUBT, seconds=60)
        house.network.mend()
        house.faults()
        await house.until(lambda: house.life("s1") is Life.WORKING, seconds=60)
        await asyncio.sleep(3)
        for part in ("0.004", "0.006"):
            house.stranger("sell", part, "50000")
            await asyncio.sleep(3)
        house.stranger("buy", "0.005", "49000")
        await asyncio.sleep(3)
        await house.place("s2", "sell", "0.005", "48900")  # a taker
        await asyncio.sleep(3)
        await house.place("s3", "buy", "0.01", "40000")  # canceled by us
        await asyncio.sleep(3)
        await house.cancel("s3")
        await asyncio.sleep(3)
        await house.place("s4", "buy", "0.01", "45000")  # filled in part, then canceled by us
        await asyncio.sleep(3)
        house.stranger("sell", "0.003", "45000")
        await asyncio.sleep(3)
        await house.cancel("s4", "x4")
        await asyncio.sleep(3)
        await house.place("s5", "buy", "0.01", "39000")  # the venue ends it
        await asyncio.sleep(3)
        house.venue_cancels("s5")
        await asyncio.sleep(3)
        house.stranger("sell", "0.002", "46000")
        await asyncio.sleep(3)
        await house.place("s6", "buy", "0.01", "46000", time_in_force=TimeInForce.IOC)
        await asyncio.sleep(3)
        await house.place("s7", "buy", "100", "46000")  # more than there is
        await perpetual(house)
        await house.rests()
        log.extend(house.log._events)

    tell(story)
    return log


async def perpetual(house: House) -> None:
    house.stranger("sell", "4", "50000", symbol=PERPETUAL)
    await asyncio.sleep(3)
    await house.place("p1", "buy", "4", "50000", symbol=PERPETUAL)  # a taker
    await asyncio.sleep(3)
    await house.place("p2", "sell", "4", "51000", symbol=PERPETUAL, reduce_only=True)  # changed, then filled as a maker
    await asyncio.sleep(3)
    await house.amend("p2", price="50500")
    await asyncio.sleep(3)
    house.stranger("buy", "4", "50500", symbol=PERPETUAL)
    await asyncio.sleep(3)
    house.stranger("sell", "2", "52000", symbol=PERPETUAL)
    await asyncio.sleep(3)
    await house.place("p3", "buy", "2", "52000", symbol=PERPETUAL, post_only=True)  # would take
    await asyncio.sleep(3)


def played(was: Session) -> list[StoredEvent]:
    """Bring a session about again, from its log alone, and return the new log."""
    log: list[StoredEvent] = []

    async def story(house: House) -> None:
        await house.start()
        began_ns = house.clock.now_ns()
        for at_ns, step in was.steps:
            await asyncio.sleep(max(at_ns - (house.clock.now_ns() - began_ns), 0) / 1e9)
            match step:
                case PlaceOrder() | CancelOrder() | AmendOrder():
                    await house.give(step)
                case Traded():
                    house.stranger(step.side, str(step.quantity), str(step.price), symbol=step.symbol)
                case Ended():
                    house.venue_cancels(step.client_order_id, symbol=step.symbol)
        await house.rests()
        log.extend(house.log._events)

    tell(story)
    return log


def certain(states: Sequence[OrderStatus]) -> list[OrderStatus]:
    return [state for state in states if state not in IGNORANCE]


def amounts(of: Session) -> list[tuple[str, Decimal, Decimal]]:
    """Return what traded, and at what prices."""
    return [(step.symbol, step.quantity, step.price) for _, step in of.steps if isinstance(step, Traded)]
