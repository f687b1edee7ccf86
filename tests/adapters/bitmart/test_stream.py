"""The private stream's life: login, subscriptions, silence, loss, and what its listener is told."""

import asyncio
import itertools
import zlib
from collections.abc import AsyncGenerator

import msgspec
import pytest

from adapters.bitmart.connection import Connection, Phase
from adapters.bitmart.limits import BAN_SECONDS
from adapters.bitmart.spot import codec
from adapters.bitmart.spot.dialect import SPOT
from adapters.bitmart.spot.market import PUBLIC
from adapters.bitmart.spot.venue import BitmartSpot
from oms.reports import BalanceReport, Control, OrderReport, TradeReport, Unreadable
from oms.values import Provenance
from oms.venue import Answer
from tests.adapters.bitmart.fakes import CREDENTIALS, KNOWN, FakeLink, FakeSocket, bitmart, refused, virtual

LOGIN_OK = '{"event":"login"}'
ORDERS_OK = '{"event":"subscribe","topic":"spot/user/orders:ALL_SYMBOLS"}'
BALANCE_OK = '{"event":"subscribe","topic":"spot/user/balance:BALANCE_UPDATE"}'
ORDER_PUSH = (
    b'{"table":"spot/user/orders","data":[{"order_id":"77","client_order_id":"oms1","symbol":"BTC_USDT","side":"buy",'
    b'"type":"limit","order_state":"partially_filled","size":"2","filled_size":"1","last_fill_price":"60000",'
    b'"last_fill_count":"1","detail_id":"9","exec_type":"M"}]}'
)
BALANCE_PUSH = (
    b'{"table":"spot/user/balance","data":[{"event_type":"TRANSACTION_COMPLETED  ","event_time":"1693364237000",'
    b'"balance_details":[{"ccy":"BTC","av_bal":"1","fz_bal":"0"},{"ccy":"USDT","av_bal":"?"},'
    b'{"ccy":"USDT","av_bal":"5","fz_bal":"6"}]}]}'
)


def deflated(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


def behaves(socket: FakeSocket) -> None:
    """A venue that answers what it is sent, as it should."""

    def answer(frame: str) -> None:
        if '"op":"login"' in frame:
            socket.push(LOGIN_OK)
        elif '"op":"subscribe"' in frame:
            socket.push(ORDERS_OK)
            socket.push(BALANCE_OK)
        elif frame == "ping":
            socket.push("pong")

    socket.on_send = answer


class Listener:
    """Someone who listens, and remembers when each event of the stream's own life came."""

    def __init__(self, venue: BitmartSpot) -> None:
        self.answers: list[Answer] = []
        self.life: list[tuple[str, float]] = []
        self._task = asyncio.get_running_loop().create_task(self._listen(venue))

    async def _listen(self, venue: BitmartSpot) -> None:
        async for answer in venue.stream():
            self.answers.append(answer)
            for report in answer.reports:
                if isinstance(report, Control) and report.event in {"connected", "disconnected"}:
                    self.life.append((report.event, asyncio.get_running_loop().time()))

    @property
    def events(self) -> list[str]:
        return [event for event, _ in self.life]


@virtual
async def test_it_subscribes_only_after_the_login_and_is_connected_only_after_every_acknowledgement() -> None:
    link = FakeLink()
    heard = Listener(bitmart(link))
    await asyncio.sleep(1)
    (socket,) = link.sockets
    assert [frame[:13] for frame in socket.sent] == ['{"op":"login"']
    socket.push(LOGIN_OK)
    await asyncio.sleep(0.1)
    assert socket.sent[1:] == [
        '{"op":"subscribe","args":["spot/user/orders:ALL_SYMBOLS","spot/user/balance:BALANCE_UPDATE"]}'
    ]
    socket.push(ORDERS_OK)
    await asyncio.sleep(0.1)
    assert heard.events == []
    socket.push(BALANCE_OK)
    await asyncio.sleep(0.1)
    assert heard.events == ["connected"]


@virtual
async def test_pushes_become_reports_with_the_inflated_bytes_behind_them() -> None:
    link = FakeLink()
    link.on_connect = behaves
    heard = Listener(bitmart(link))
    await asyncio.sleep(1)
    link.sockets[0].push(deflated(ORDER_PUSH))
    link.sockets[0].push(deflated(BALANCE_PUSH))
    link.sockets[0].push(b"\x00garbage")
    await asyncio.sleep(0.1)
    order, balance, garbage = heard.answers[-3:]
    assert [type(report) for report in order.reports] == [OrderReport, TradeReport]
    assert (order.source, order.evidence.channel) == (Provenance.STREAM, "ws spot/user/orders")
    assert order.evidence.response == ORDER_PUSH
    assert [type(report) for report in balance.reports] == [BalanceReport, Unreadable, BalanceReport]
    assert [report.at_ms for report in balance.reports if isinstance(report, BalanceReport)] == [1693364237000] * 2
    assert [type(report) for report in garbage.reports] == [Unreadable]
    assert garbage.evidence.response == b"\x00garbage"


@virtual
async def test_trap_9_30_a_lost_connection_is_told_and_the_next_one_too() -> None:
    link = FakeLink()
    link.on_connect = behaves
    heard = Listener(bitmart(link))
    await asyncio.sleep(5)
    link.sockets[0].drop()
    await asyncio.sleep(5)
    assert heard.events == ["connected", "disconnected", "connected"]
    assert link.sockets[0].closed


@virtual
async def test_a_quiet_stream_is_kept_alive_with_pings_for_hours() -> None:
    link = FakeLink()
    link.on_connect = behaves
    heard = Listener(bitmart(link))
    await asyncio.sleep(7200)
    assert heard.events == ["connected"]
    assert link.sockets[0].sent.count("ping") == pytest.approx(720, abs=2)


@virtual
async def test_a_stream_that_no_longer_answers_is_dead_after_twenty_seconds() -> None:
    link = FakeLink()
    link.on_connect = behaves
    heard = Listener(bitmart(link))
    await asyncio.sleep(1)
    link.sockets[0].on_send = lambda _: None
    await asyncio.sleep(60)
    (_, connected), (_, disconnected), (_, again) = heard.life
    assert disconnected - connected == pytest.approx(20, abs=0.1)
    assert again > disconnected


@pytest.mark.parametrize("acknowledged", [[], [LOGIN_OK], [LOGIN_OK, ORDERS_OK]])
@virtual
async def test_a_login_or_subscription_that_is_ignored_is_tried_again(acknowledged: list[str]) -> None:
    link = FakeLink()
    heard = Listener(bitmart(link))
    await asyncio.sleep(1)
    for frame in acknowledged:
        link.sockets[0].push(frame)
    link.on_connect = behaves
    await asyncio.sleep(30)
    assert heard.events == ["connected"]
    assert len(link.sockets) == 2


@virtual
async def test_s55_who_was_banned_opens_no_stream_either() -> None:
    """All traffic from the address is to stop (PROTOCOL 3.1); a connection that lives on is left alone."""
    link = FakeLink()
    link.on_connect = behaves
    venue = bitmart(link)
    heard = Listener(venue)
    await asyncio.sleep(5)
    link.on(codec.CANCEL_ORDER, refused(418, 30017))
    await venue.cancel(KNOWN)
    await asyncio.sleep(5)
    assert heard.events == ["connected"]
    link.sockets[0].drop()
    await asyncio.sleep(BAN_SECONDS - 10)
    assert heard.events == ["connected", "disconnected"]
    assert len(link.connected_at) == 1
    await asyncio.sleep(10)
    assert heard.events == ["connected", "disconnected", "connected"]


@virtual
async def test_s55_nor_does_who_is_banned_as_the_time_is_asked_for_before_the_stream() -> None:
    """Found by the simulation, at harsher rates than usual."""
    link = FakeLink()
    link.on_connect = behaves
    link.on("/system/time", refused(418, 30017))
    Listener(bitmart(link))
    await asyncio.sleep(BAN_SECONDS - 1)
    assert not link.connected_at
    await asyncio.sleep(5)
    assert len(link.connected_at) == 1


@virtual
async def test_an_unreachable_venue_is_tried_for_ever_ever_less_often() -> None:
    link = FakeLink()
    link.refuse_connect = 10**9
    Listener(bitmart(link))
    await asyncio.sleep(600)
    gaps = [round(later - earlier, 3) for earlier, later in itertools.pairwise(link.connected_at)]
    assert gaps[0] >= 2
    assert max(gaps) == pytest.approx(30, abs=0.1)
    assert gaps == sorted(gaps)


@virtual
async def test_a_stream_that_keeps_breaking_stays_within_thirty_connections_a_minute() -> None:
    link = FakeLink()

    def breaks(socket: FakeSocket) -> None:
        behaves(socket)
        asyncio.get_running_loop().call_later(0.3, socket.drop)

    link.on_connect = breaks
    heard = Listener(bitmart(link))
    await asyncio.sleep(300)
    assert len(heard.events) > 100
    for start in link.connected_at:
        assert sum(start <= other < start + 60 for other in link.connected_at) <= 30


@pytest.mark.parametrize(
    "frame",
    [
        '{"event":"login","errorCode":"91002","errorMessage":"API KEY not found"}',
        '{"event":"login","errorCode":"94001","errorMessage":"reconnecting too often"}',
    ],
)
@virtual
async def test_a_refused_login_is_left_alone_for_a_minute(frame: str) -> None:
    link = FakeLink()
    heard = Listener(bitmart(link))
    await asyncio.sleep(1)
    link.sockets[0].push(frame)
    await asyncio.sleep(55)
    assert len(link.sockets) == 1
    await asyncio.sleep(10)
    assert len(link.sockets) == 2
    errors = [report for answer in heard.answers for report in answer.reports]
    assert [report.event for report in errors if isinstance(report, Control)] == ["error"]


@virtual
async def test_a_listener_that_leaves_takes_the_connection_with_it() -> None:
    link = FakeLink()
    link.on_connect = behaves
    stream = bitmart(link).stream()
    async for answer in stream:
        if Control(event="connected") in answer.reports:
            break
    assert isinstance(stream, AsyncGenerator)
    await stream.aclose()
    assert link.sockets[0].closed
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == {asyncio.current_task()}, "nobody keeps a left connection alive"
    await asyncio.sleep(100)
    assert len(link.sockets) == 1
    assert "ping" not in link.sockets[0].sent


@virtual
async def test_a_connection_that_dies_before_it_lives_is_no_gap() -> None:
    link = FakeLink()
    link.on_connect = FakeSocket.drop
    heard = Listener(bitmart(link))
    await asyncio.sleep(30)
    assert len(link.sockets) > 2
    assert heard.events == []


def live() -> Connection:
    connection = Connection(SPOT, 0.0)
    for frame in (LOGIN_OK, ORDERS_OK, BALANCE_OK):
        connection.receive(frame, 0.0)
    return connection


def test_a_repeated_subscription_or_login_is_harmless() -> None:
    connection = Connection(SPOT, 0.0)
    connection.receive(LOGIN_OK, 0.0)
    connection.receive('{"event":"login","errorCode":"91005","errorMessage":"logged in"}', 0.0)
    connection.receive('{"event":"subscribe","errorCode":"90008","errorMessage":"duplicate"}', 0.0)
    received = connection.receive(BALANCE_OK, 0.0)
    assert Control(event="connected") in received.reports
    connection.receive('{"event":"subscribe","errorCode":"90008","errorMessage":"duplicate"}', 0.0)
    connection.receive(LOGIN_OK, 0.0)
    connection.receive(ORDERS_OK, 0.0)
    assert connection.phase is Phase.LIVE


def test_an_internal_error_ends_a_live_connection() -> None:
    connection = live()
    connection.receive('{"event":"error","errorCode":"95000","errorMessage":"internal"}', 1.0)
    assert connection.phase is Phase.LOST
    assert connection.cause == "95000 error: internal"
    assert connection.cool_down == 0


def test_a_connection_says_when_it_wants_to_be_looked_at() -> None:
    connection = live()
    assert connection.wait(4.0) == 6.0
    assert connection.ping(9.9) is None
    assert connection.ping(10.0) == "ping"
    assert not connection.overdue(19.9)
    connection.receive("pong", 15.0)
    assert connection.wait(15.0) == 5.0
    assert not connection.overdue(34.9)
    assert connection.overdue(35.0)
    assert connection.cause == "nothing heard for 20 s"


def test_subscriptions_acknowledged_before_the_login_do_not_connect() -> None:
    connection = Connection(SPOT, 0.0)
    reports = [connection.receive(frame, 0.0).reports for frame in (ORDERS_OK, BALANCE_OK)]
    assert Control(event="connected") not in [report for found in reports for report in found]
    assert connection.phase is Phase.LOGIN


WORLD = msgspec.structs.replace(PUBLIC, topics=("spot/trade:A_USDT", "spot/trade:B_USDT", "spot/trade:C_USDT"))
NO_SYMBOL = '{"event":"subscribe","errorCode":"92001","errorMessage":"symbol invalid"}'


def topic_ok(symbol: str) -> str:
    return f'{{"event":"subscribe","topic":"spot/trade:{symbol}_USDT"}}'


@pytest.mark.parametrize("refused_at", [0, 1, 2])
def test_a_refused_symbol_is_one_answer_whichever_it_is_of(refused_at: int) -> None:
    """The error names none (PROTOCOL 7.1), and no source holds the venue to the order of the topics."""
    connection, frames = Connection(WORLD, 0.0), [topic_ok("B"), topic_ok("A")]
    frames.insert(refused_at, NO_SYMBOL)
    connection.opening(CREDENTIALS, 0)
    phases = [(connection.receive(frame, 0.0), connection.phase)[1] for frame in frames]
    assert phases == [Phase.SUBSCRIBING, Phase.SUBSCRIBING, Phase.LIVE]


def test_a_connection_of_which_every_symbol_is_refused_is_lost() -> None:
    connection = Connection(WORLD, 0.0)
    connection.opening(CREDENTIALS, 0)
    for _ in WORLD.topics:
        connection.receive(NO_SYMBOL, 0.0)
    assert connection.phase is Phase.LOST
    assert "symbol invalid" in connection.cause


def test_a_symbol_that_is_refused_of_a_live_connection_changes_nothing() -> None:
    connection = Connection(WORLD, 0.0)
    connection.opening(CREDENTIALS, 0)
    for frame in (*map(topic_ok, "ABC"), NO_SYMBOL):
        connection.receive(frame, 0.0)
    assert connection.phase is Phase.LIVE
