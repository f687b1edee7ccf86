"""The futures private stream: its dialect, its life, and what its listener is told."""

import asyncio
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from adapters.bitmart.connection import Connection, Phase
from adapters.bitmart.perp import codec
from adapters.bitmart.perp.dialect import PERP, TOPICS, login
from adapters.bitmart.perp.venue import BitmartPerp
from oms.ports import LinkAnswer
from oms.reports import BalanceReport, Control, OrderReport, PositionReport, TradeReport, Unreadable
from oms.values import Crossing, MarginMode, PositionLeg, Provenance, Side, Wallet
from oms.venue import Answer, Trigger
from tests.adapters.bitmart.fakes import CREDENTIALS, LOST, FakeSocket, ok, refused, virtual
from tests.adapters.bitmart.perp.desk import NOW_MS, ORDER, Desk, child, plan, row, with_

TRIGGER = Trigger(price=Decimal(59500), when=Crossing.FALLS_TO)
LEVERAGE, CROSS = Decimal(10), MarginMode.CROSS
LOGIN_OK = '{"action":"access","success":true}'
PING = '{"action":"ping"}'
PONG = '{"group":"System","data":"pong+0b6c"}'


def acknowledgement(topic: str) -> str:
    return msgspec.json.encode({"action": "subscribe", "group": topic, "success": True}).decode()


def push(group: str, data: object) -> str:
    return msgspec.json.encode({"group": group, "data": data}).decode()


def order_push(order: dict[str, Any], action: int = 2, **changes: object) -> str:
    return push("futures/order", [{"action": action, "order": order | {"last_trade": None} | changes}])


@pytest.mark.parametrize("price", ["50000", "0", "", "-", None])
@pytest.mark.parametrize("price_type", [1, "2", 0, "", None, True])
def test_what_an_order_carries_is_read_in_a_hurry_as_otherwise(price: object, price_type: object) -> None:
    order = row(preset_stop_loss_price=price, preset_stop_loss_price_type=price_type)
    data = order_push(order | {"preset_take_profit_price": price, "preset_take_profit_price_type": price_type})
    assert codec.frame(data.encode()) == codec.any_frame(data.encode())


def behaves(socket: FakeSocket) -> None:
    """A venue that answers what it is sent, as it should."""

    def answer(frame: str) -> None:
        if '"action":"access"' in frame:
            socket.push(LOGIN_OK)
        elif '"action":"subscribe"' in frame:
            for topic in msgspec.json.decode(frame)["args"]:
                socket.push(acknowledgement(topic))
        elif frame == PING:
            socket.push(PONG)
        else:
            socket.push('{"success":false,"error":"Invalid message: message must be JSON: ping"}')

    socket.on_send = answer


class Listener:
    """Someone who listens, and remembers what came."""

    def __init__(self, venue: BitmartPerp) -> None:
        self.answers: list[Answer] = []
        self._task = asyncio.get_running_loop().create_task(self._listen(venue))

    async def _listen(self, venue: BitmartPerp) -> None:
        async for answer in venue.stream():
            self.answers.append(answer)

    @property
    def reports(self) -> list[Any]:
        return [r for answer in self.answers for r in answer.reports if not isinstance(r, Control)]

    @property
    def life(self) -> list[str]:
        controls = [r for answer in self.answers for r in answer.reports if isinstance(r, Control)]
        return [control.event for control in controls if control.event in {"connected", "disconnected"}]


async def live(desk: Desk) -> tuple[Listener, FakeSocket]:
    """Return someone who listens to a connection that lives."""
    desk.link.on_connect = behaves
    heard = Listener(desk.venue)
    await asyncio.sleep(1)
    return heard, desk.link.sockets[0]


def test_the_login_is_the_protocols_vector() -> None:
    assert login(CREDENTIALS, 1_795_392_000_000) == (
        '{"action":"access","args":["bm_example_key_0001","1795392000000",'
        '"bf081e61c4c0be1484baa41be43cf23d77bab72fbc75c2503db2d8fc1f0b46d1","web"]}'
    )


@virtual
async def test_it_subscribes_after_the_login_and_is_connected_after_every_acknowledgement() -> None:
    desk = Desk()
    heard = Listener(desk.venue)
    await asyncio.sleep(1)
    (socket,) = desk.link.sockets
    assert socket.host == "futures.test"
    assert [frame[:18] for frame in socket.sent] == ['{"action":"access"']
    socket.push(LOGIN_OK)
    await asyncio.sleep(0.1)
    (subscription,) = socket.sent[1:]
    assert subscription == (
        '{"action":"subscribe","args":["futures/order","futures/position",'
        '"futures/asset:USDT","futures/asset:BTC","futures/asset:ETH"]}'
    )
    for topic in TOPICS:
        assert heard.life == []
        socket.push(acknowledgement(topic))
        await asyncio.sleep(0.1)
    assert heard.life == ["connected"]


@virtual
async def test_a_push_that_leaves_the_position_mode_out_is_read_in_the_accounts_own() -> None:
    """An order of somebody else's would stand on another leg for good."""
    desk = Desk(mode="hedge_mode")
    heard, socket = await live(desk)
    await desk.venue.positions()
    push = row(side=4, client_order_id="")
    del push["position_mode"]
    socket.push(order_push(push))
    await asyncio.sleep(0.1)
    [report] = [each for each in heard.reports if isinstance(each, OrderReport)]
    assert (report.side, report.position_leg) == (Side.SELL, PositionLeg.SHORT)


@virtual
async def test_trap_9_35_it_pings_in_json_and_is_kept_alive_for_hours() -> None:
    heard, socket = await live(Desk())
    await asyncio.sleep(7200)
    assert heard.life == ["connected"]
    assert socket.sent.count(PING) == pytest.approx(720, abs=2)


@virtual
async def test_trap_9_30_a_silent_stream_is_dead_after_twenty_seconds_and_the_next_one_is_told() -> None:
    desk = Desk()
    heard, socket = await live(desk)
    socket.on_send = lambda _: None
    await asyncio.sleep(60)
    assert heard.life == ["connected", "disconnected", "connected"]
    assert len(desk.link.sockets) == 2


@virtual
async def test_a_refused_login_is_left_alone_for_a_minute_and_shows_no_key() -> None:
    desk = Desk()
    heard = Listener(desk.venue)
    await asyncio.sleep(1)
    desk.link.sockets[0].push(
        '{"action":"access","success":false,"error":"access failed: openapi auth: apiKey bm_example_key_0001 failed"}'
    )
    await asyncio.sleep(55)
    assert len(desk.link.sockets) == 1
    await asyncio.sleep(10)
    assert len(desk.link.sockets) == 2
    controls = [r for answer in heard.answers for r in answer.reports if isinstance(r, Control)]
    assert [control.event for control in controls] == ["error"]
    assert CREDENTIALS.key not in (controls[0].text or "")


@virtual
async def test_s53_a_login_refused_after_one_that_was_taken_is_tried_once_more_by_the_venues_clock() -> None:
    desk = Desk()
    heard, socket = await live(desk)
    desk.link.on_connect = lambda _: None
    socket.drop()
    measured = []
    for sockets, seconds in ((2, 5), (3, 5), (3, 40), (4, 25)):
        await asyncio.sleep(seconds)
        assert len(desk.link.sockets) == sockets
        measured.append(len(desk.link.of("/system/time")))
        desk.link.sockets[-1].push('{"action":"access","success":false,"error":"access failed: openapi auth failed"}')
    assert measured[1] == measured[0] + 1, "it may be the stamp that was wrong"
    assert heard.life == ["connected", "disconnected"]


def test_a_subscription_that_is_refused_ends_the_connection() -> None:
    connection = Connection(PERP, 0.0)
    connection.receive(LOGIN_OK, 0.0)
    connection.receive(
        '{"action":"subscribe","group":"futures/order","success":false,"error":"futures/order need authenication"}', 1.0
    )
    assert connection.phase is Phase.LOST
    assert connection.cool_down == 0


def test_a_coin_that_the_venue_no_longer_tells_of_does_not_cost_the_rest() -> None:
    connection = Connection(PERP, 0.0)
    connection.receive(LOGIN_OK, 0.0)
    for topic in TOPICS[:-1]:
        connection.receive(acknowledgement(topic), 0.0)
    received = connection.receive(
        '{"action":"subscribe","group":"futures/asset:ETH","success":false,'
        '"error":"Invalid channel: not found futures/asset:ETH"}',
        0.0,
    )
    assert Control(event="connected") in received.reports
    assert connection.phase is Phase.LIVE


@virtual
async def test_trap_9_36_a_subscription_acknowledged_twice_is_harmless() -> None:
    heard, socket = await live(Desk())
    socket.push(acknowledgement("futures/order"))
    await asyncio.sleep(30)
    assert heard.life == ["connected"]


# ------------------------------------------------------------------------------------------------ what is pushed


@virtual
async def test_trap_9_34_every_element_of_a_push_is_read_and_a_broken_one_costs_only_itself() -> None:
    heard, socket = await live(Desk())
    elements = [
        {"action": 2, "order": row("77", "oms1")},
        {"action": 2, "order": {"order_id": None, "symbol": "BTCUSDT"}},
        {"action": 3, "order": row("78", "oms2", state=4)},
    ]
    socket.push(push("futures/order", elements))
    await asyncio.sleep(0.1)
    assert [type(report) for report in heard.reports] == [OrderReport, Unreadable, OrderReport]
    assert heard.answers[-1].source is Provenance.STREAM
    assert heard.answers[-1].evidence.channel == "ws futures/order"


@virtual
async def test_a_match_is_the_orders_state_and_its_last_trade_with_what_it_cost() -> None:
    heard, socket = await live(Desk())
    last = {"lastTradeID": 1247592391, "fillQty": "2", "fillPrice": "60000", "fee": "-0.072", "feeCcy": "USDT"}
    socket.push(order_push(row(deal_size="2", deal_avg_price="60000"), 1, last_trade=last))
    await asyncio.sleep(0.1)
    order, trade = heard.reports
    assert isinstance(trade, TradeReport)
    assert (order.status, order.cum_quantity) == ("partially_filled", 2)
    assert (trade.exec_id, trade.client_order_id, str(trade.commission)) == ("1247592391", "oms1", "0.072")


@virtual
async def test_positions_and_assets_are_pushed_too() -> None:
    heard, socket = await live(Desk())
    socket.push(
        push(
            "futures/position",
            [
                {"symbol": "BTCUSDT", "hold_volume": "5", "position_type": 2, "open_type": 2}
                | {"hold_avg_price": "60000", "position_mode": "hedge_mode", "liquidate_price": "0"}
            ],
        )
    )
    asset = {"currency": "USDT", "available_balance": "37.1", "position_deposit": "0.7", "frozen_balance": "0.2"}
    socket.push(push("futures/asset:USDT", asset))
    await asyncio.sleep(0.1)
    position, balance = heard.reports
    assert isinstance(position, PositionReport)
    assert (position.leg, position.quantity) == ("short", 5)
    assert isinstance(balance, BalanceReport)
    assert (balance.wallet, str(balance.held)) == (Wallet.FUTURES, "0.9")


@virtual
async def test_s26_a_liquidation_comes_as_an_order_that_nobody_of_ours_sent() -> None:
    desk = Desk()
    heard, socket = await live(desk)
    last = {"lastTradeID": 5, "fillQty": "5", "fillPrice": "50000", "fee": "-0.1", "feeCcy": "USDT"}
    socket.push(order_push(row("500", "", type="liquidate", state=4, deal_size="5", side=3), 6, last_trade=last))
    await asyncio.sleep(0.1)
    order, trade = heard.reports
    assert (order.client_order_id, order.order_type, order.status) == (None, "liquidate", "filled")
    assert (trade.client_order_id, trade.venue_order_id, trade.quantity) == (None, "500", 5)
    assert desk.link.of(codec.ORDER) == [], "nobody has to be asked"


# ------------------------------------------------------------------------------------------------ changed identities


@virtual
async def test_s29_trap_9_15_what_a_plan_order_sends_is_our_order_and_so_are_its_fills() -> None:
    desk = Desk()
    desk.link.on(codec.SUBMIT_PLAN_ORDER, ok({"order_id": 77}))
    heard, socket = await live(desk)
    order = with_(ORDER, trigger=TRIGGER, leverage=LEVERAGE, margin_mode=CROSS)
    await desk.venue.submit(order)
    last = {"lastTradeID": 5, "fillQty": "5", "fillPrice": "59000", "fee": "-0.1", "feeCcy": "USDT"}
    socket.push(order_push(child(state=4, deal_size="5"), 1, last_trade=last))
    await asyncio.sleep(0.1)
    report, trade = heard.reports
    assert (report.client_order_id, report.venue_order_id, report.triggered_by) == ("oms1", "99", "77")
    assert (trade.client_order_id, trade.venue_order_id) == ("oms1", "99")
    assert desk.link.of(codec.ORDER_HISTORY) == []
    assert heard.life == ["connected"]


@virtual
async def test_s29_a_push_that_outruns_the_answer_to_its_submit_says_what_waits_and_not_whose_it_is() -> None:
    desk = Desk()
    heard, socket = await live(desk)
    socket.push(order_push(row("77", "", type="plan_order", state=1), 2))
    await asyncio.sleep(0.1)
    (report,) = heard.reports
    assert (report.client_order_id, report.venue_order_id, report.status) == (None, "77", "new")
    assert heard.life == ["connected"]


@virtual
async def test_s29_the_child_is_known_by_the_plan_order_id_alone() -> None:
    desk = Desk()
    desk.link.on(codec.PLAN_ORDERS, ok([plan()]))
    await desk.venue.open_orders()
    heard, socket = await live(desk)
    socket.push(order_push(row("99", ""), 2, plan_order_id="77"))
    await asyncio.sleep(0.1)
    assert [report.client_order_id for report in heard.reports] == ["oms1"]


@virtual
async def test_s29_after_a_restart_the_venue_says_whose_the_plan_was() -> None:
    desk = Desk()
    desk.link.on(codec.ORDER_HISTORY, ok([row("77", "oms1", type="planorder", state=4, executive_order_id="99")]))
    heard, socket = await live(desk)
    socket.push(order_push(child(), 2))
    await asyncio.sleep(1)
    assert [(r.client_order_id, r.venue_order_id) for r in heard.reports] == [("oms1", "99")]
    assert desk.fields(codec.ORDER_HISTORY)["order_id"] == "77"


@pytest.mark.parametrize("answer", [LOST, refused(429, 30013), ok([])])
@virtual
async def test_s29_a_child_whose_parent_cannot_be_found_out_is_not_called_somebody_elses(answer: LinkAnswer) -> None:
    desk = Desk()
    desk.link.on(codec.ORDER_HISTORY, answer)
    heard, socket = await live(desk)
    socket.push(order_push(child(create_time=NOW_MS, update_time=NOW_MS), 2))
    await asyncio.sleep(15)
    assert heard.reports == []
    assert heard.life == ["connected", "disconnected", "connected"], "a gap: whoever listens asks"


@virtual
async def test_s29_a_plan_order_that_waits_no_longer_may_have_fired_and_is_asked_about() -> None:
    desk = Desk()
    desk.link.on(codec.SUBMIT_PLAN_ORDER, ok({"order_id": 77}))
    heard, socket = await live(desk)
    await desk.venue.submit(with_(ORDER, trigger=TRIGGER, leverage=LEVERAGE, margin_mode=CROSS))
    ended = row("77", "oms1", type="plan_order", state=4, deal_size="0")
    socket.push(order_push(ended, 3))
    await asyncio.sleep(0.1)
    assert heard.reports == [], "canceled, says the push; and the order may be on its way"
    assert heard.life == ["connected", "disconnected", "connected"]
