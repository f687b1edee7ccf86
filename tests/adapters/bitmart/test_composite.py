"""Spot and perpetuals as one account: what goes where, and what a silent half costs."""

import asyncio
from collections.abc import AsyncGenerator
from decimal import Decimal
from typing import Any

import pytest

from adapters.bitmart.limits import Ban
from adapters.bitmart.market_data.both import BitmartMarkets, Hosts
from adapters.bitmart.perp import codec as perp
from adapters.bitmart.spot import codec as spot
from adapters.bitmart.venue import Bitmart, Endpoints
from oms.ports import LinkAnswer
from oms.reports import Control, Unreadable
from oms.values import MarginMode, PositionMode, Wallet
from oms.venue import Amendment, CatalogueCutError, NoAnswerError, NotOfferedError, Venue, Window
from tests.adapters.bitmart import fakes
from tests.adapters.bitmart.fakes import CREDENTIALS, LOST, FakeLink, LoopClock, PlainIds, ok, page, refused, virtual
from tests.adapters.bitmart.perp import desk
from tests.adapters.bitmart.perp.desk import fill, held, row
from tests.adapters.bitmart.perp.test_stream import behaves as futures_behaves
from tests.adapters.bitmart.perp.test_venue import contract
from tests.adapters.bitmart.test_stream import behaves as spot_behaves
from tests.adapters.bitmart.test_venue import row as spot_row

ENDPOINTS = Endpoints(
    spot="http://spot.test", futures="http://futures.test", spot_ws="ws://spot.test", futures_ws="ws://futures.test"
)
WALLET = {"wallet": [{"id": "USDT", "available": "1000", "frozen": "0"}]}
ASSETS = [
    {"currency": "USDT", "available_balance": "7", "frozen_balance": "0", "position_deposit": "0"}
    | {"equity": "7", "unrealized": "0"}
]
SPOT_MARKET = {
    "symbol": "BTC_USDT",
    "base_currency": "BTC",
    "quote_currency": "USDT",
    "quote_increment": "0.00001",
    "base_min_size": "0.00001",
    "price_max_precision": 2,
    "trade_status": "trading",
}


class Account:
    """Both halves of an account, over one link."""

    def __init__(self, ban: Ban | None = None) -> None:
        self.link = FakeLink()
        answers: dict[str, LinkAnswer] = {
            spot.SUBMIT_ORDER: ok({"order_id": "11"}),
            spot.CANCEL_ORDER: ok({"result": True}),
            spot.QUERY_CLIENT_ORDER: ok(spot_row()),
            spot.QUERY_OPEN_ORDERS: ok([spot_row()]),
            spot.QUERY_ALGO_OPEN_ORDERS: ok([]),
            spot.QUERY_HISTORY_ORDERS: ok([]),
            spot.QUERY_TRADES: ok([]),
            spot.WALLET: ok(WALLET),
            spot.SYMBOLS_DETAILS: ok({"symbols": [SPOT_MARKET]}),
            spot.USER_FEE: ok({"taker_fee_rate_A": "0.001", "maker_fee_rate_A": "0.001"}),
            perp.SUBMIT_ORDER: ok({"order_id": 77}),
            perp.CANCEL_ORDER: ok({}),
            perp.MODIFY_LIMIT_ORDER: ok({"order_id": 77}),
            perp.CANCEL_ALL_AFTER: ok({"result": True}),
            perp.SUBMIT_LEVERAGE: ok({"symbol": "BTCUSDT", "leverage": "5", "open_type": "cross"}),
            perp.SET_POSITION_MODE: ok({"position_mode": "hedge_mode"}),
            perp.GET_POSITION_MODE: ok({"position_mode": "one_way_mode"}),
            perp.ORDER: ok(row()),
            perp.OPEN_ORDERS: ok([row("78", "oms2")]),
            perp.PLAN_ORDERS: ok([]),
            perp.ORDER_HISTORY: ok([]),
            perp.TRADES: ok([]),
            perp.POSITION_V2: ok([held()]),
            perp.ASSETS: ok(ASSETS),
            perp.TRANSACTIONS: ok([]),
            perp.DETAILS: ok({"symbols": [contract()]}),
            perp.TRADE_FEE_RATE: ok({"symbol": "BTCUSDT", "taker_fee_rate": "0.0006", "maker_fee_rate": "0.0002"}),
        }
        for path, answer in answers.items():
            self.link.on(path, answer)
        self.venue = Bitmart(
            CREDENTIALS, ENDPOINTS, link=self.link, clock=LoopClock(), ids=PlainIds(), spawn=fakes.spawn, ban=ban
        )

    def hosts(self) -> set[str]:
        """Who was asked since the last time, but for the time."""
        asked = {call.host for call in self.link.calls if call.path != "/system/time"}
        self.link.calls.clear()
        return asked


@pytest.mark.parametrize("banned", [fakes, desk])
@virtual
async def test_s55_a_418_of_one_host_stops_both_and_all_else_that_this_process_asks(banned: Any) -> None:
    """The venue bans addresses (PROTOCOL 3.1)."""
    ban = Ban()
    account, other = Account(ban), Account(ban)
    hosts = Hosts(spot="http://spot.test", spot_ws="ws://spot.test", futures="http://futures.test", futures_ws="ws://f")
    markets = BitmartMarkets(hosts, link=other.link, clock=LoopClock(), ids=PlainIds(), spawn=fakes.spawn, ban=ban)
    for each in (account, other):
        for half in (fakes, desk):
            await each.venue.submit(half.ORDER)
    for path in (spot.SUBMIT_ORDER, perp.SUBMIT_ORDER):
        account.link.on(path, refused(418, 30017))
    await account.venue.submit(banned.ORDER)
    account.link.calls.clear()
    other.link.calls.clear()
    for each in (account, other):
        for half in (fakes, desk):
            with pytest.raises(NoAnswerError) as stopped:
                await each.venue.cancel(half.KNOWN)
            assert not stopped.value.sent
            with pytest.raises(NoAnswerError):
                await markets.candles(half.BTC, "1m", since_ms=0, until_ms=60_000)
    assert account.link.calls == other.link.calls == []


@virtual
async def test_a_symbol_says_which_half_answers() -> None:
    account = Account()
    venue: Venue = account.venue
    for half, host in ((fakes, {"spot.test"}), (desk, {"futures.test"})):
        asked: list[Any] = [
            await venue.submit(half.ORDER),
            await venue.cancel(half.KNOWN),
            await venue.order(half.KNOWN),
            await venue.order_history(half.BTC, since_ms=0, until_ms=1000),
        ]
        assert account.hosts() == host
        assert all(answer.evidence for answer in asked)
    assert venue.capabilities(fakes.BTC).name == "bitmart spot"
    assert venue.capabilities(desk.BTC).name == "bitmart perpetuals"
    assert venue.name == "bitmart"


@virtual
async def test_what_only_perpetuals_have_goes_to_them_and_is_not_offered_on_spot() -> None:
    account = Account()
    venue = account.venue
    await venue.amend(Amendment(order=desk.KNOWN, price=desk.ORDER.price))
    await venue.set_leverage(desk.BTC, Decimal(5), MarginMode.CROSS)
    await venue.dead_man(desk.BTC, 10)
    await venue.set_position_mode(PositionMode.HEDGE)
    await venue.positions()
    await venue.ledger(since_ms=0, until_ms=1000)
    assert account.hosts() == {"futures.test"}
    with pytest.raises(NotOfferedError):
        await venue.dead_man(fakes.BTC, 10)
    with pytest.raises(NotOfferedError):
        await venue.set_leverage(fakes.BTC, Decimal(5), MarginMode.CROSS)
    with pytest.raises(NotOfferedError):
        await venue.amend(Amendment(order=fakes.KNOWN, price=desk.ORDER.price))


@virtual
async def test_a_question_about_everything_is_answered_by_both() -> None:
    account = Account()
    account.link.on(spot.QUERY_TRADES, ok([]))
    account.link.on(perp.TRADES, ok([fill(1, desk.NOW_MS, "78")]))
    opened = await account.venue.open_orders()
    assert {(r.symbol, r.client_order_id) for r in opened.reports} == {(fakes.BTC, "oms1"), (desk.BTC, "oms2")}  # type: ignore[union-attr]
    assert opened.complete
    traded = await account.venue.trades(since_ms=desk.NOW_MS - 1500, until_ms=desk.NOW_MS + 500)
    assert [r.client_order_id for r in traded.reports] == ["oms2"]  # type: ignore[union-attr]
    assert traded.complete
    assert traded.proven == (Window(desk.NOW_MS - 1500, desk.NOW_MS + 500),), "what both have proven"
    balances = await account.venue.balances()
    assert {(r.wallet, str(r.available)) for r in balances.reports} == {(Wallet.SPOT, "1000"), (Wallet.FUTURES, "7")}  # type: ignore[union-attr]
    assert account.hosts() == {"spot.test", "futures.test"}
    assert [each.symbol for each in await account.venue.instruments()] == [fakes.BTC, desk.BTC]


@pytest.mark.parametrize("answer", [LOST, page(502), refused(429, 30013), refused(200, 30019)])
@pytest.mark.parametrize(
    ("orders", "trades", "left"),
    [(spot.QUERY_OPEN_ORDERS, spot.QUERY_TRADES, desk.BTC), (perp.OPEN_ORDERS, perp.TRADES, fakes.BTC)],
)
@virtual
async def test_a_half_that_cannot_be_asked_never_lets_the_other_look_complete(
    answer: LinkAnswer, orders: str, trades: str, left: str
) -> None:
    account = Account()
    account.link.on(orders, answer)
    account.link.on(trades, answer)
    opened = await account.venue.open_orders()
    assert {r.symbol for r in opened.reports} == {left}  # type: ignore[union-attr]
    assert not opened.complete
    assert orders in opened.unasked
    traded = await account.venue.trades(since_ms=0, until_ms=1000)
    assert not traded.complete
    assert trades in traded.unasked
    assert traded.proven == ()


@pytest.mark.parametrize("path", [spot.WALLET, perp.ASSETS])
@pytest.mark.parametrize("answer", [LOST, page(502), refused(200, 30019)])
@virtual
async def test_where_what_is_missing_counts_as_nothing_there_is_no_answer(path: str, answer: LinkAnswer) -> None:
    account = Account()
    account.link.on(path, answer)
    with pytest.raises(NoAnswerError):
        await account.venue.balances()


@pytest.mark.parametrize(
    ("path", "host", "left"), [(spot.SYMBOLS_DETAILS, "spot", desk.BTC), (perp.DETAILS, "futures", fakes.BTC)]
)
@virtual
async def test_half_a_catalogue_is_a_part_and_there_are_no_balances_before_the_other(
    path: str, host: str, left: str
) -> None:
    account = Account()
    there = {spot.SYMBOLS_DETAILS: {"symbols": [SPOT_MARKET]}, perp.DETAILS: {"symbols": [contract("BTCUSDT")]}}
    account.link.on(path, LOST)
    with pytest.raises(CatalogueCutError, match=f"^{host}: ") as cut:
        await account.venue.instruments()
    assert [market.symbol for market in cut.value.found] == [left]
    with pytest.raises(NoAnswerError, match=f"the markets are not known: {host}: "):
        await account.venue.balances()
    account.link.on(path, ok(there[path]))
    assert [each.symbol for each in await account.venue.instruments()] == [fakes.BTC, desk.BTC]
    assert (await account.venue.balances()).reports


@virtual
async def test_a_catalogue_is_whole_where_the_process_before_us_had_just_asked_what_trading_costs() -> None:
    account = Account()
    account.link.on(perp.DETAILS, ok({"symbols": [contract("BTCUSDT")]}))
    costs = {"taker_fee_rate_A": "0.003", "maker_fee_rate_A": "0.002"}
    account.link.on(spot.USER_FEE, refused(429, 30013), ok(costs))
    markets = await account.venue.instruments()
    assert [(each.symbol, str(each.taker_fee)) for each in markets if each.symbol == fakes.BTC] == [
        (fakes.BTC, "0.003")
    ]


@virtual
async def test_no_catalogue_at_all_is_no_answer() -> None:
    account = Account()
    account.link.on(spot.SYMBOLS_DETAILS, LOST)
    account.link.on(perp.DETAILS, LOST)
    with pytest.raises(NoAnswerError) as silent:
        await account.venue.instruments()
    assert not isinstance(silent.value, CatalogueCutError)


@pytest.mark.parametrize(("path", "host"), [(spot.WALLET, "spot"), (perp.ASSETS, "futures")])
@virtual
async def test_what_could_not_be_asked_names_its_host(path: str, host: str) -> None:
    account = Account()
    account.link.on(path, LOST)
    with pytest.raises(NoAnswerError, match=f"^{host}: GET {path}"):
        await account.venue.balances()
    account.link.on(perp.POSITION_V2, LOST)
    with pytest.raises(NoAnswerError, match=r"^futures: "):
        await account.venue.positions()


@virtual
async def test_two_silent_halves_are_no_answer() -> None:
    account = Account()
    account.link.on(spot.QUERY_OPEN_ORDERS, LOST)
    account.link.on(perp.OPEN_ORDERS, LOST)
    with pytest.raises(NoAnswerError):
        await account.venue.open_orders()


@virtual
async def test_both_halves_are_stamped_by_one_clock_asked_once() -> None:
    account = Account()
    await account.venue.submit(desk.ORDER)
    await account.venue.submit(fakes.ORDER)
    assert [call.host for call in account.link.of("/system/time")] == ["spot.test"]
    assert account.venue.skew_ms == 0


def connected(account: Account) -> None:
    """Have both hosts behave."""

    def behave(socket: fakes.FakeSocket) -> None:
        (spot_behaves if socket.host == "spot.test" else futures_behaves)(socket)

    account.link.on_connect = behave


class Listener:
    """Someone who listens, and remembers."""

    def __init__(self, account: Account) -> None:
        self.reports: list[Any] = []
        self._task = asyncio.get_running_loop().create_task(self._listen(account))

    async def _listen(self, account: Account) -> None:
        async for answer in account.venue.stream():
            self.reports.extend(answer.reports)

    @property
    def life(self) -> list[str]:
        events = [report.event for report in self.reports if isinstance(report, Control)]
        return [event for event in events if event in {"connected", "disconnected"}]


def socket_of(account: Account, host: str) -> fakes.FakeSocket:
    """The newest stream of a host."""
    return [socket for socket in account.link.sockets if socket.host == host][-1]


@virtual
async def test_the_stream_is_connected_once_both_are() -> None:
    account = Account()
    heard = Listener(account)
    await asyncio.sleep(1)
    spot_behaves(socket_of(account, "spot.test"))
    socket_of(account, "spot.test").on_send('"op":"login"')
    await asyncio.sleep(1)
    assert heard.life == []
    futures_behaves(socket_of(account, "futures.test"))
    socket_of(account, "futures.test").on_send('"action":"access"')
    await asyncio.sleep(1)
    assert heard.life == ["connected"]


@pytest.mark.parametrize("host", ["spot.test", "futures.test"])
@virtual
async def test_a_half_that_is_lost_disconnects_and_comes_back(host: str) -> None:
    account = Account()
    connected(account)
    heard = Listener(account)
    await asyncio.sleep(1)
    socket_of(account, host).drop()
    await asyncio.sleep(1)
    assert heard.life == ["connected", "disconnected"]
    await asyncio.sleep(5)
    assert heard.life == ["connected", "disconnected", "connected"]
    assert len(account.link.sockets) == 3, "the other one went on"


@virtual
async def test_a_gap_of_one_half_can_be_closed_however_long_the_others_lasts() -> None:
    account = Account()
    connected(account)
    heard = Listener(account)
    await asyncio.sleep(1)
    account.link.on_connect = lambda socket: spot_behaves(socket) if socket.host == "spot.test" else socket.drop()
    socket_of(account, "futures.test").drop()
    await asyncio.sleep(5)
    socket_of(account, "spot.test").drop()
    await asyncio.sleep(5)
    assert heard.life == ["connected", "disconnected", "disconnected"], "told, so that whoever listens asks"
    connected(account)
    await asyncio.sleep(60)
    assert heard.life[-1] == "connected"


@virtual
async def test_a_listener_that_leaves_takes_both_connections_with_it() -> None:
    account = Account()
    connected(account)
    stream = account.venue.stream()
    async for answer in stream:
        if Control(event="connected") in answer.reports:
            break
    assert isinstance(stream, AsyncGenerator)
    await stream.aclose()
    await asyncio.sleep(0.1)
    assert all(socket.closed for socket in account.link.sockets)
    await asyncio.sleep(100)
    assert len(account.link.sockets) == 2
    assert asyncio.all_tasks() == {asyncio.current_task()}


@virtual
async def test_a_listener_who_does_not_listen_lets_the_streams_wait_and_nothing_grows() -> None:
    account = Account()
    connected(account)
    stream = account.venue.stream()
    await anext(stream)
    await asyncio.sleep(1)
    (futures,) = (socket for socket in account.link.sockets if socket.host == "futures.test")
    for _ in range(1000):
        futures.push('{"group":"System","data":"pong+1"}')
    await asyncio.sleep(1)
    assert futures._frames.qsize() > 500, "unread, on the wire"
    heard = 0
    async for answer in stream:
        heard += Control(event="pong") in answer.reports
        if heard == 1000:
            break
    await stream.aclose()


@virtual
async def test_closing_closes_the_one_link() -> None:
    account = Account()
    await account.venue.close()
    assert account.link.closed


@virtual
async def test_a_refresh_of_the_markets_that_one_host_does_not_answer_leaves_the_balances_askable() -> None:
    """Every market is known since the start; a quarter of an hour later the public list of one host has an outage."""
    account = Account()
    assert len(await account.venue.instruments()) == 2
    account.link.on(perp.DETAILS, page(502))
    with pytest.raises(NoAnswerError):
        await account.venue.instruments()
    assert (await account.venue.balances()).complete


@virtual
async def test_an_order_whose_id_no_cancel_could_name_is_not_read() -> None:
    """A cancel by it raised, and ended the OMS."""
    account = Account()
    account.link.on(spot.QUERY_OPEN_ORDERS, ok([spot_row() | {"orderId": "A77"}]))
    account.link.on(perp.OPEN_ORDERS, ok([row(order_id="A77")]))
    answer = await account.venue.open_orders()
    assert [type(report) for report in answer.reports] == [Unreadable, Unreadable]
    assert not answer.complete
