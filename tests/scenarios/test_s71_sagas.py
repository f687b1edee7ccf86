"""S71: a TWAP's host dies at any step, and another one goes on from the log, with no slice placed twice."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from decimal import Decimal

import pytest
from hypothesis import given as forall
from hypothesis import strategies as st
from msgspec.structs import replace

from oms.account.state import HaltTrading
from oms.client_wire import RefusedError
from oms.errors import DuplicateOrderError, InvalidOrderError, OrderClosedError
from oms.gateway.allowance import TokenLimits
from oms.gateway.problems import problem_of
from oms.order.messages import CancelUnanswered, SubmitAccepted
from oms.order.state import NEVER_ARRIVED, Life, status
from oms.reports import OrderReport, VenueOrderStatus
from oms.sagas.host import ClientDesk, follow
from oms.sagas.twap import OVER, Cancel, Done, Place, Plan, Slice, Wait, decide, plan_of
from oms.values import ClientOrderId, OrderStatus, Provenance, Side, Symbol, VenueOrderId
from tests.engine.desk import MAIN
from tests.gateway.conftest import house as gateway_house  # noqa: F401 - a fixture
from tests.gateway.house import House as Gateway
from tests.order.story import trade
from tests.scenarios.house import EPOCH_NS, SPOT, House, stream, tell

EVERY = 12  # seconds; short, since the host dies at every exchange of its life in turn


class DiedError(Exception):
    """The host is no more."""


class InHouse:
    """The desk of a host that dies right before, or right after, its exchange number `dies` with the OMS."""

    def __init__(self, house: House, *, dies: int = 0, after: bool = False) -> None:
        self.exchanges = 0
        self._house = house
        self._dies = dies
        self._after = after

    async def slices(self, plan: Plan) -> Sequence[Slice]:
        self._dying(after=False)
        orders = self._house.book.orders
        names = [stream(plan.child(number)) for number in range(plan.slices)]
        found = [orders[name] for name in names if name in orders]
        self._dying(after=True)
        return [Slice(status(each), each.cum_quantity, each.reason, each.untold_quantity) for each in found]

    async def place(self, plan: Plan, step: Place) -> str | None:
        self._dying(after=False)
        with suppress(DuplicateOrderError):
            await self._house.place(
                plan.child(step.number), plan.side, str(step.quantity), str(plan.price), tags=plan.tags(step.number)
            )
        self._dying(after=True)
        return None

    async def cancel(self, plan: Plan, step: Cancel) -> None:
        self._dying(after=False)
        with suppress(OrderClosedError):
            await self._house.cancel(plan.child(step.number))
        self._dying(after=True)

    def _dying(self, *, after: bool) -> None:
        self.exchanges += not after
        if self.exchanges == self._dies and after is self._after:
            raise DiedError


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("restarted", [False, True])
def test_s71_whichever_step_the_host_dies_at_another_one_ends_the_plan_and_places_no_slice_twice(
    after: bool,  # noqa: FBT001
    restarted: bool,  # noqa: FBT001
) -> None:
    """Three slices: the first is filled, the second in part, and the last makes up for it."""
    deaths = 1
    while played(deaths, after=after, restarted=restarted):
        deaths += 1
    assert deaths > 30, "the host never came to the end"


def played(dies: int, *, after: bool, restarted: bool) -> bool:
    """Tell one story in which the first host dies at that exchange; return whether it lived so long."""
    died = False

    async def story(house: House) -> None:
        nonlocal died
        await house.start()
        plan = planned(house)
        market = asyncio.get_running_loop().create_task(sellers(house, plan))
        try:
            await follow(plan, InHouse(house, dies=dies, after=after), house.clock)
        except DiedError:
            died = True
            if restarted:
                await house.restart()
            begun = [order for order in house.book.orders.values() if (order.request.tags or {}).get("saga")]
            for order in begun:  # what another host knows is what the log holds
                request = order.request
                assert plan_of(request.tags or {}, symbol=request.symbol, side=request.side) == plan
            done = await follow(plan, InHouse(house), house.clock)
            assert done == Done(plan.quantity)
        await market
        await house.rests()
        ids = Counter(each.body["client_order_id"] for each in house.network.submits())
        assert ids == dict.fromkeys([plan.child(number) for number in range(3)], 1)
        assert [fill.size for fill in house.spot.fills] == [Decimal(size) for size in ("0.01", "0.004", "0.016")]
        assert house.position(SPOT).quantity == plan.quantity

    tell(story)
    return died


def test_s71_a_slice_in_doubt_is_waited_for_however_long_and_two_hosts_at_once_are_one() -> None:
    async def story(house: House) -> None:
        await house.start()
        plan = planned(house)
        house.network.lost_answers.add("/spot/v2/submit_order")
        for path in ("client-order", "open-orders", "orders", "trades", "history-orders", "order-trades"):
            house.network.lost_requests.add(f"/spot/v4/query/{path}")
        house.faults(frame_dropped=1)
        hosts = [asyncio.get_running_loop().create_task(follow(plan, InHouse(house), house.clock)) for _ in range(2)]
        await asyncio.sleep(10 * EVERY)
        assert house.life(plan.child(0)) is Life.IN_DOUBT
        assert stream(plan.child(1)) not in house.book.orders, "a slice was placed beside one that may be live"
        house.network.mend()
        house.faults()
        house.stranger("sell", "1", "50000")
        for host in hosts:
            assert await host == Done(plan.quantity)
        await house.rests()
        assert sum(fill.size for fill in house.spot.fills) == plan.quantity

    tell(story)


async def test_s71_a_host_over_the_sdk_finds_the_plan_in_the_log_and_goes_on_with_it(gateway_house: Gateway) -> None:  # noqa: F811
    house = gateway_house
    async with house.client() as client:
        desk = ClientDesk(client)
        assert await desk.find("G1") is None
        begins_ns = house.clock.now_ns()
        plan = Plan(
            saga="G1", symbol="BTC/USDT", side=Side.BUY, quantity=Decimal("0.03"), price=Decimal(60_000),
            step=Decimal("0.01"), slices=3, every_seconds=1, begins_ns=begins_ns,
        )  # fmt: skip
        for _ in range(2):  # a second host does the same
            await desk.place(plan, Place(0, Decimal("0.01")))
        await desk.place(plan, Place(0, Decimal("0.02")))  # and one that knew less cannot make it two
        assert await desk.find("G1") == plan
        amended = house.engine.book.orders["order/main/G1T000"]
        asked = replace(amended.request, price=Decimal(60_500))
        house.engine.book.orders["order/main/G1T000"] = replace(amended, request=asked, original=amended.request)
        assert await desk.find("G1") == plan, "somebody changed the price of a slice, not the plan's"
        [first] = await desk.slices(plan)
        assert (first.filled, first.status in OVER) == (0, False)
        await desk.cancel(plan, Cancel(0))


@pytest.mark.parametrize("cancel_answered", [True, False])
async def test_s71_what_the_last_slice_traded_and_nobody_booked_yet_is_waited_for(
    gateway_house: Gateway,  # noqa: F811
    cancel_answered: bool,  # noqa: FBT001
) -> None:
    """The venue's record says canceled with 0.004 traded; the trade comes a poll later. Of a cancel without an answer
    the next slice would be denied until then, which ends a plan for good.
    """
    house = gateway_house
    async with house.client() as client:
        desk = ClientDesk(client)
        plan = Plan(
            saga="S1", symbol="BTC/USDT", side=Side.BUY, quantity=Decimal("0.02"), price=Decimal(60_000),
            step=Decimal("0.0001"), slices=2, every_seconds=1, begins_ns=house.clock.now_ns() - 2_000_000_000,
        )  # fmt: skip
        await desk.place(plan, Place(0, Decimal("0.01")))
        await house.report("S1T000", SubmitAccepted(venue_order_id=VenueOrderId("v1")))
        await desk.cancel(plan, Cancel(0))
        if not cancel_answered:
            (request,) = house.engine.book.orders["order/main/S1T000"].cancels
            await house.report("S1T000", CancelUnanswered(request_id=request, reason="no answer"))
        shown = OrderReport(
            symbol=Symbol(plan.symbol),
            status=VenueOrderStatus.CANCELED,
            client_order_id=ClientOrderId("S1T000"),
            venue_order_id=VenueOrderId("v1"),
            side=Side.BUY,
            quantity=Decimal("0.01"),
            cum_quantity=Decimal("0.004"),
        )
        await house.report("S1T000", shown, source=Provenance.STREAM)
        assert decide(plan, await desk.slices(plan), house.clock.now_ns()) == Wait(None)
        await house.report("S1T000", trade("t1", "0.004", "60000"))
        assert decide(plan, await desk.slices(plan), house.clock.now_ns()) == Place(1, Decimal("0.016"))


PLAN = Plan(
    saga="s", symbol="BTC/USDT", side=Side.BUY, quantity=Decimal(10), price=Decimal(1), step=Decimal(1), slices=4,
    every_seconds=1, begins_ns=0,
)  # fmt: skip


@forall(data=st.data())
def test_s71_on_any_path_no_two_slices_are_live_and_no_more_than_the_whole_is_asked_for(data: st.DataObject) -> None:
    slices, asked, now_ns = list[Slice](), list[Decimal](), 0
    for _ in range(60):
        match decide(PLAN, slices, now_ns):
            case Place(number=number, quantity=quantity):
                assert number == len(slices)
                assert all(each.status in OVER for each in slices)
                assert sum(each.filled + each.untold for each in slices) + quantity <= PLAN.quantity
                slices.append(Slice(OrderStatus.OPEN, Decimal(0)))
                asked.append(quantity)
            case Cancel(number=number):
                traded = data.draw(st.integers(int(slices[number].filled), int(asked[number])))
                told = Decimal(data.draw(st.integers(int(slices[number].filled), traded)))
                slices[number] = Slice(OrderStatus.CANCELED, told, untold=traded - told)
            case Wait():
                now_ns += 500_000_000
                if slices and slices[-1].untold:  # the venue's list of trades has come
                    slices[-1] = Slice(OrderStatus.CANCELED, slices[-1].filled + slices[-1].untold)
                if slices and slices[-1].status not in OVER and data.draw(st.booleans()):
                    filled = Decimal(data.draw(st.integers(int(slices[-1].filled), int(asked[-1]))))
                    full = filled == asked[-1]
                    slices[-1] = Slice(OrderStatus.FILLED if full else OrderStatus.PARTIALLY_FILLED, filled)
            case Done(filled=filled):
                assert filled == sum(each.filled for each in slices) <= PLAN.quantity
                return
    raise AssertionError("it never ended")


async def test_s71_a_halt_ends_a_plan_that_runs_over_the_sdk(gateway_house: Gateway) -> None:  # noqa: F811
    house = gateway_house
    await house.engine.execute(HaltTrading(account=MAIN, reason="stop", halt_id="h1"), actor="operator")
    plan = replace(PLAN, saga="G1", price=Decimal(60_000), begins_ns=house.clock.now_ns())
    async with house.client() as client, asyncio.timeout(10):
        done = await follow(plan, ClientDesk(client), house.clock)
    assert done.why is not None
    assert "h1" in done.why


def test_s71_a_slice_that_a_limit_denied_ends_the_plan_and_a_plan_that_cannot_be_is_named() -> None:
    denied = Slice(OrderStatus.DENIED, Decimal(0), "trading_halted: stop")
    assert decide(PLAN, [denied], 10**10) == Done(Decimal(0), "trading_halted: stop")
    assert PLAN.wrong() is None
    assert replace(PLAN, slices=11).wrong() == "there are more slices than steps to share"
    assert replace(PLAN, saga="a-b").wrong() is not None


def test_s71_a_slice_that_never_arrived_had_its_turn_and_the_next_one_makes_up_for_it() -> None:
    async def story(house: House) -> None:
        await house.start()
        plan = planned(house)
        house.network.lost_requests.add("/spot/v2/submit_order")
        host = asyncio.get_running_loop().create_task(follow(plan, InHouse(house), house.clock))
        await asyncio.sleep(EVERY / 2)
        assert house.life(plan.child(0)) is Life.IN_DOUBT
        house.network.mend()
        await house.until(lambda: house.life(plan.child(0)) is Life.REJECTED, seconds=120)
        assert house.book.orders[stream(plan.child(0))].reason == NEVER_ARRIVED
        await house.until(lambda: alive(house, plan.child(1)), seconds=10 * EVERY)
        house.stranger("sell", "1", "50000")
        assert await host == Done(plan.quantity)
        assert sum(fill.size for fill in house.spot.fills) == plan.quantity

    tell(story)


async def test_s71_what_no_slice_can_be_ends_the_plan_with_what_it_filled(gateway_house: Gateway) -> None:  # noqa: F811
    house = gateway_house
    plan = replace(PLAN, saga="G1", quantity=Decimal(10**9), price=Decimal(60_000), begins_ns=house.clock.now_ns())
    async with house.client(house.tokens.create(limits=TokenLimits(order_notional_max=Decimal(600)))) as client:
        done = await follow(plan, ClientDesk(client), house.clock)
    assert (done.filled, "this token may place 600" in str(done.why)) == (0, True)


async def test_s71_a_refusal_behind_an_attempt_that_may_have_arrived_ends_no_plan() -> None:
    """The slice may be live: whoever calls the plan over would leave it to itself."""
    problem = replace(problem_of(InvalidOrderError("too small")), outcome="unknown")

    class Behind:
        async def place(self, **_: object) -> None:
            raise RefusedError(problem)

    with pytest.raises(RefusedError):
        await ClientDesk(Behind()).place(PLAN, Place(0, Decimal(1)))  # type: ignore[arg-type]


async def test_s71_a_plan_under_the_name_of_another_strategys_ends_with_the_reason(gateway_house: Gateway) -> None:  # noqa: F811
    house = gateway_house
    await house.place(client_order_id="G1T000")
    plan = replace(PLAN, saga="G1", price=Decimal(60_000), begins_ns=house.clock.now_ns())
    async with house.client(house.tokens.create("taker")) as client, asyncio.timeout(10):
        with pytest.raises(RefusedError, match="G1T000") as refused:
            await follow(plan, ClientDesk(client), house.clock)
    assert refused.value.code == DuplicateOrderError.code


class Stubborn:
    """A desk whose venue refuses every end."""

    def __init__(self) -> None:
        self.asked = 0

    async def slices(self, plan: Plan) -> Sequence[Slice]:
        return [Slice(OrderStatus.OPEN, Decimal(0))]

    async def place(self, plan: Plan, step: Place) -> str | None:
        raise AssertionError("nothing is placed beside a slice that lives")

    async def cancel(self, plan: Plan, step: Cancel) -> None:
        self.asked += 1


def test_s71_the_end_of_a_slice_is_asked_for_ever_less_often_where_it_is_refused() -> None:
    async def story(house: House) -> None:
        desk = Stubborn()
        with suppress(TimeoutError):
            async with asyncio.timeout(3600):
                await follow(planned(house), desk, house.clock)
        assert 50 < desk.asked < 70

    tell(story)


def test_s71_a_slice_that_makes_up_for_others_is_no_larger_than_its_market_takes() -> None:
    plan = replace(PLAN, quantity=Decimal(400), most=Decimal(120))
    assert plan.wrong() is None
    assert decide(plan, [Slice(OrderStatus.CANCELED, Decimal(0))], 10**10) == Place(1, Decimal(120))
    assert plan_of(plan.tags(1), symbol=plan.symbol, side=plan.side) == plan
    assert "takes 99 at once" in str(replace(plan, most=Decimal(99)).wrong())


def planned(house: House) -> Plan:
    plan = Plan(
        saga="T1", symbol="BTC/USDT", side=Side.BUY, quantity=Decimal("0.03"), price=Decimal(50_000),
        step=Decimal("0.00001"), slices=3, every_seconds=EVERY, begins_ns=house.clock.now_ns(),
    )  # fmt: skip
    assert plan.wrong() is None
    assert plan.begins_ns > EPOCH_NS
    return plan


async def sellers(house: House, plan: Plan) -> None:
    """Fill the first slice, 0.004 of the second, and what the third asks for."""
    for number, size in enumerate(("0.01", "0.004", "0.016")):
        child = plan.child(number)
        await house.until(lambda name=child: alive(house, name), seconds=10 * EVERY)  # type: ignore[misc]
        await asyncio.sleep(5)
        house.stranger("sell", size, "50000")


def alive(house: House, name: str) -> bool:
    order = house.book.orders.get(stream(name)) if house.oms.leads.is_set() else None
    return order is not None and order.life is Life.WORKING


AGAIN = Plan(
    saga="tw",
    symbol=SPOT,
    side=Side.BUY,
    quantity=Decimal(9),
    price=Decimal(100),
    step=Decimal(1),
    slices=3,
    every_seconds=10,
    begins_ns=0,
)


@pytest.mark.parametrize(
    ("lives", "step"),
    [
        (OrderStatus.OPEN, Cancel(0)),
        (OrderStatus.PARTIALLY_FILLED, Cancel(0)),
        (OrderStatus.IN_DOUBT, Wait(None)),
        (OrderStatus.PENDING_CANCEL, Wait(None)),
    ],
)
@pytest.mark.parametrize("later", [[(OrderStatus.CANCELED, 0)], [(OrderStatus.FILLED, 6), (OrderStatus.FILLED, 3)]])
def test_s71_a_slice_that_was_called_gone_and_lives_is_ended_before_anything_else(
    lives: OrderStatus, step: object, later: list[tuple[OrderStatus, int]]
) -> None:
    slices = [Slice(lives, Decimal(0)), *(Slice(state, Decimal(filled)) for state, filled in later)]
    assert decide(AGAIN, slices, 30 * 10**9) == step, "else 12 might be bought of 9"
