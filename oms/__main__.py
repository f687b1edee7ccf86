"""The composition root: the one module that sees everything, and hands the rest its parts."""

import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Final
from urllib.parse import urlsplit

from msgspec import Struct
from msgspec.structs import replace

from adapters.bitmart import check
from adapters.bitmart import decode as bitmart
from adapters.bitmart import history as past
from adapters.bitmart.limits import Ban
from adapters.bitmart.market_data.both import BitmartMarkets, Hosts
from adapters.bitmart.perp.spelling import venue_symbol
from adapters.bitmart.sign import Credentials
from adapters.bitmart.spot import venue as spot
from adapters.bitmart.spot.requests import SelfTrade
from adapters.bitmart.transport import AiohttpLink
from adapters.bitmart.venue import Bitmart, Endpoints
from adapters.simulator.exchange.algo import AlgoOrder, Kind
from adapters.simulator.exchange.futures import orders as exchange
from adapters.simulator.exchange.futures import standing as futures
from adapters.simulator.exchange.futures.accounts import DEFAULT_LEVERAGE, Setting
from adapters.simulator.exchange.futures.plans import PriceWay
from adapters.simulator.exchange.futures.state import IDS_PER_MS as FUTURES_IDS_PER_MS
from adapters.simulator.exchange.matching import IDS_PER_MS
from adapters.simulator.exchange.orders import NewOrder
from adapters.simulator.exchange.orders import OrderType as SpotType
from adapters.simulator.exchange.standing import Standing, put_back
from adapters.simulator.host import FUTURES_PREFIX
from adapters.simulator.server import Urls, serve
from adapters.simulator.simulator import MAIN, MAIN_FUNDS, MAIN_MARGIN, Simulator
from adapters.simulator.wire import keys
from adapters.simulator.wire.house import Schedule
from oms.book import Book, order_stream
from oms.catalogue import Tell
from oms.cli import app
from oms.cli.parts import Parts, Trouble
from oms.config import Bitmart as Chosen
from oms.config import Config, Secret
from oms.connected import Connected, VenueName, World
from oms.errors import OmsError
from oms.order.state import Life, Order
from oms.position.state import Position
from oms.recovery import Known
from oms.store.log import PostgresLog
from oms.sums import symbol_of, traded
from oms.values import (
    EXACT,
    RATIO,
    AccountId,
    ClientOrderId,
    Crossing,
    PositionLeg,
    Protection,
    Side,
    Symbol,
    Wallet,
    purse_parts,
    purses,
)
from oms.vault import Keys
from oms.venue import NoAnswerError, Venue
from projections.compare import compare
from projections.past import Past
from projections.queries import Queries
from projections.rebuild import rebuild
from projections.runner import Runner

PAPER: Final = AccountId("paper")
AS_OF_EVENTS_MAX: Final = 500_000  # of the log that a running OMS folds for the past: some seconds, half a gigabyte


class NoAccountError(OmsError):
    """There is no account to trade."""

    code = "no_account"
    next_step = "connect one: oms connect bitmart; or use: oms up --venue simulator"


@asynccontextmanager
async def venues(
    name: VenueName, config: Config, world: World, known: Known, tell: Tell, *, keys: Keys
) -> AsyncIterator[Mapping[AccountId, Connected]]:
    """Connect the accounts of a venue."""
    match name:
        case VenueName.BITMART:
            if not keys:
                raise NoAccountError("no BitMart account is connected")
            for account, fields in keys.items():
                tell(await _proved(account, fields, config, world))
            at = config.bitmart
            endpoints = Endpoints(
                spot=at.spot_url, futures=at.futures_url, spot_ws=at.spot_ws_url, futures_ws=at.futures_ws_url
            )
            async with _connected(
                {account: _credentials(fields) for account, fields in keys.items()}, endpoints, world, config.bitmart
            ) as connected:
                yield connected
        case VenueName.PAPER:
            async with _paper(config, world, tell) as (own, market, stand):
                credentials = Credentials(own.key, own.secret, own.memo)
                async with _connected({PAPER: credentials}, market, world, config.bitmart) as connected:
                    yield {name: replace(each, stand=stand) for name, each in connected.items()}
        case VenueName.SIMULATOR:
            async with _simulated(config, world, known, tell) as (own, endpoints):
                accounts = {AccountId(own.account): Credentials(own.key, own.secret, own.memo)}
                async with _connected(accounts, endpoints, world, config.bitmart) as connected:
                    yield connected


@asynccontextmanager
async def _connected(
    accounts: Mapping[AccountId, Credentials], endpoints: Endpoints, world: World, chosen: Chosen
) -> AsyncIterator[Mapping[AccountId, Connected]]:
    """Reach each account at those addresses while the context lasts; one memory of the markets serves them all."""
    link = AiohttpLink()
    hosts = Hosts(
        spot=endpoints.spot,
        spot_ws=endpoints.spot_ws,
        futures=endpoints.futures,
        futures_ws=endpoints.futures_ws,
        callers=chosen.callers,
    )
    ban = Ban()  # of the address, and so of all accounts and markets
    connected = {
        account: _bitmart(credentials, endpoints, world, chosen, ban) for account, credentials in accounts.items()
    }
    seen = next((world.by(venue) for venue in connected.values()), world)  # quotes age by the time that orders live by
    markets = BitmartMarkets(hosts, link=link, clock=seen.clock, ids=seen.ids, spawn=seen.spawn, ban=ban)
    try:
        yield {account: Connected(venue, markets) for account, venue in connected.items()}
    finally:
        for venue in connected.values():
            await venue.close()
        await link.close()


def _bitmart(credentials: Credentials, endpoints: Endpoints, world: World, chosen: Chosen, ban: Ban) -> Venue:
    link, clock, ids, spawn = AiohttpLink(), world.clock, world.ids, world.spawn
    options = spot.Options(
        self_trade=SelfTrade(chosen.self_trade),
        submit_window_ms=chosen.submit_window_ms or None,
        fees_of=tuple(Symbol(name) for name in chosen.fees_of),
        callers=chosen.callers,
    )
    return Bitmart(credentials, endpoints, link=link, clock=clock, ids=ids, spawn=spawn, options=options, ban=ban)


def _credentials(fields: Mapping[str, Secret]) -> Credentials:
    return Credentials(fields["key"].reveal(), fields["secret"].reveal(), fields["memo"].reveal())


async def _proved(account: AccountId, fields: Mapping[str, Secret], config: Config, world: World) -> str:
    """See that a key still opens its account, and return what it may do, before strategies rely on it (S58); a venue
    that is down is waited for later.

    Raises:
        KeyRefusedError: it does not.
    """
    try:
        return f"account {account}: {check.told(await check_key(config, world, fields))}"
    except NoAnswerError as error:
        return f"account {account}: what its key may do is unknown, the venue could not be asked: {error.cause}"
    except check.KeyRefusedError as error:
        raise type(error)(f"account {account}: {error.cause}") from error


async def check_key(config: Config, world: World, fields: Mapping[str, Secret]) -> check.KeyReport:
    """Ask BitMart, at the configured addresses, what a key may do."""
    link = AiohttpLink()
    hosts = check.Hosts(config.bitmart.spot_url, config.bitmart.futures_url)
    try:
        return await check.check(
            _credentials(fields), hosts, link=link, clock=world.clock, ids=world.ids, spawn=world.spawn
        )
    finally:
        await link.close()


async def history(
    config: Config,
    world: World,
    fields: Mapping[str, Secret],
    markets: Sequence[bitmart.Market],
    *,
    since_ms: int,
    until_ms: int,
) -> AsyncIterator[past.Page]:
    """Ask BitMart, at the configured addresses, for everything it knows of an account."""
    link = AiohttpLink()
    hosts = past.Hosts(config.bitmart.spot_url, config.bitmart.futures_url)
    try:
        async for page in past.history(
            _credentials(fields),
            hosts,
            markets,
            since_ms=since_ms,
            until_ms=until_ms,
            link=link,
            clock=world.clock,
            spawn=world.spawn,
        ):
            yield page
    finally:
        await link.close()


@asynccontextmanager
async def _simulated(
    config: Config, world: World, known: Known, tell: Tell
) -> AsyncIterator[tuple[keys.Credentials, Endpoints]]:
    """Find the simulated exchange that is named, or start one, which begins anew and so needs an account of its own."""
    seed = config.simulator.seed
    if config.simulator.url:
        http = config.simulator.url.rstrip("/")
        ws = urlsplit(http)._replace(scheme="ws").geturl()
        endpoints = Endpoints(spot=http, futures=http + FUTURES_PREFIX, spot_ws=ws, futures_ws=ws + FUTURES_PREFIX)
        yield keys.demo_credentials(MAIN, seed), endpoints
        return
    simulated = Simulator(seed=seed)
    own = keys.demo_credentials(await known.fresh(MAIN), seed)
    if own.account != MAIN:
        simulated.open_account(own, MAIN_FUNDS, MAIN_MARGIN)
    async with serve(simulated, clock=world.clock, spawn=world.spawn) as urls:
        tell(f"a simulated exchange listens at {urls.sim_url}; it begins anew, as account {own.account}")
        yield own, _endpoints(urls)


@asynccontextmanager
async def _paper(
    config: Config, world: World, tell: Tell
) -> AsyncIterator[tuple[keys.Credentials, Endpoints, Callable[[Book], None]]]:
    """Start a simulated exchange, with how the paper account is put up there, once, as our log says: what it owns,
    holds, and what rests or waits there. Until then it is empty: another OMS may lead it, on an exchange of its own.

    So the log is the one memory of both, and a kill at any moment leaves no difference between them.
    """
    simulated = Simulator(seed=config.simulator.seed)
    own = keys.demo_credentials(PAPER, config.simulator.seed)
    simulated.open_account(own, {})

    def stand(book: Book) -> None:
        if not book.account.adjustments:
            simulated.fund(PAPER, MAIN_FUNDS, MAIN_MARGIN)
            return
        simulated.fund(PAPER, _coins(book, Wallet.SPOT), _coins(book, Wallet.FUTURES))
        again = stand_again(simulated, PAPER, book)
        tell(f"the paper account goes on with {again.orders} orders and {again.positions} positions; prices begin anew")
        if again.left:
            tell(f"warning: not put back, since nothing says what they wait for: {', '.join(again.left)}")

    async with serve(simulated, clock=world.clock, spawn=world.spawn) as urls:
        yield own, _endpoints(urls), stand


class Again(Struct, frozen=True):
    """How much of an account stands again; `left`: orders that do not, by their ids."""

    orders: int
    positions: int
    left: tuple[ClientOrderId, ...]


def stand_again(simulated: Simulator, account: AccountId, book: Book) -> Again:
    """Put back what rests, waits and is held by `book` on an exchange that begins anew, where it owns its coins."""
    alive = [book.orders[stream] for stream in book.open]
    working = [order for order in alive if order.life is Life.WORKING]
    left = [each for each in working if not _stands(each) and _protects(each, book) is None]
    spots = [each for each in working if not _is_perpetual(each) and each not in left]
    put_back(simulated.exchange, account, (_standing(each) for each in spots if not each.waits))
    for each in spots:
        if each.waits:
            simulated.spot.algo.put_back(_waiting(account, each))
    perpetuals = _standing_perpetuals(book, [each for each in working if _is_perpetual(each) and each not in left])
    futures.put_back(simulated.futures.exchange, account, perpetuals)
    return Again(
        orders=len(spots) + len(perpetuals.orders),
        positions=len(perpetuals.legs),
        left=tuple(each.request.client_order_id for each in left),
    )


def _stands(order: Order) -> bool:
    """Whether what was asked says all that an exchange has to know of the order."""
    request = order.request
    if order.waits:
        return request.trigger is not None and (request.quantity or request.notional) is not None
    return request.quantity is not None and request.price is not None


def _protects(order: Order, book: Book) -> tuple[Order, Protection] | None:
    """Return the order that this one came with, and as which protection; None for any other order, and where nobody
    knows any more.
    """
    request, name = order.request, order.parent
    parent = None if name is None else book.orders.get(order_stream(request.account, name))
    if parent is None or not order.waits or order.original is not None or request.quantity is None:
        return None
    protection = parent.request.stop_loss if order.stops else parent.request.take_profit
    return None if protection is None else (parent, protection)


def _endpoints(urls: Urls) -> Endpoints:
    return Endpoints(
        spot=urls.spot_url, futures=urls.futures_url, spot_ws=urls.spot_ws_url, futures_ws=urls.futures_ws_url
    )


def _is_perpetual(order: Order) -> bool:
    return purses(order.request.symbol).base is None


def _coins(book: Book, wallet: Wallet) -> dict[str, Decimal]:
    owned = ((purse_parts(purse), total) for purse, total in book.totals.items() if total)
    return {str(currency): total for (where, currency), total in owned if where is wallet}


def _standing(order: Order) -> Standing:
    request, order_id = order.request, order.venue_order_id
    assert request.price is not None
    assert request.quantity is not None
    assert order_id is not None, "a working order was accepted under an id"
    return Standing(
        order_id=order_id,
        client_order_id=request.client_order_id,
        symbol=request.symbol.replace("/", "_"),
        side=request.side,
        post_only=request.post_only,
        price=request.price,
        size=request.quantity,
        filled_size=order.cum_quantity,
        filled_notional=order.cum_cost,
        created_ms=int(order_id) // IDS_PER_MS,  # the simulated exchange counts its ids from the time
    )


def _waiting(account: AccountId, order: Order) -> AlgoOrder:
    request, order_id, trigger = order.request, order.venue_order_id, order.request.trigger
    assert trigger is not None
    assert order_id is not None, "a working order was accepted under an id"
    created_ms = int(order_id) // IDS_PER_MS
    return AlgoOrder(
        order_id=order_id,
        kind=Kind.TP_SL if request.reduce_only else Kind.TRIGGER,
        new=NewOrder(
            account=account,
            symbol=request.symbol.replace("/", "_"),
            side=request.side,
            type=SpotType.MARKET if request.price is None else SpotType.LIMIT,
            size=request.quantity,
            notional=request.notional,
            price=request.price,
            client_order_id=request.client_order_id,
        ),
        trigger_price=trigger.price,
        rises=trigger.when is Crossing.RISES_TO,
        created_ms=created_ms,
        updated_ms=created_ms,
    )


def _standing_perpetuals(book: Book, working: Sequence[Order]) -> futures.Standing:
    mode = book.account.position_mode
    legs = {stream: leg for stream, leg in book.positions.items() if traded(stream).base is None}
    return futures.Standing(
        mode=None if mode is None else exchange.PositionMode(mode),
        settings={
            venue_symbol(symbol_of(stream)): Setting(int(leg.leverage), exchange.MarginMode(leg.margin_mode or "cross"))
            for stream, leg in legs.items()
            if leg.leverage is not None
        },
        legs=tuple(_standing_leg(stream, leg) for stream, leg in legs.items() if leg.quantity),
        orders=tuple(_standing_order(each, _protects(each, book)) for each in working),
    )


def _standing_leg(stream: str, leg: Position) -> futures.StandingLeg:
    return futures.StandingLeg(
        symbol=venue_symbol(symbol_of(stream)),
        leg=PositionLeg(stream.rpartition("/")[2]),
        side=Side.BUY if leg.quantity > 0 else Side.SELL,
        size=leg.quantity.copy_abs(),
        cost=leg.open_cost.copy_abs(),
        leverage=DEFAULT_LEVERAGE if leg.leverage is None else int(leg.leverage),
        margin_mode=exchange.MarginMode(leg.margin_mode or "cross"),
    )


def _standing_order(order: Order, protects: tuple[Order, Protection] | None) -> futures.StandingOrder:
    request, order_id, trigger = order.request, order.venue_order_id, order.request.trigger
    assert request.quantity is not None
    assert order_id is not None, "a working order was accepted under an id"
    filled_value = RATIO.divide(order.cum_cost, request.contract_size)  # exact: it was multiplied by that
    standing = futures.StandingOrder(
        order_id=order_id,
        client_order_id=request.client_order_id,
        symbol=venue_symbol(request.symbol),
        side=request.side,
        reduce_only=request.reduces,
        leg=request.position_leg,
        post_only=request.post_only,
        price=request.price,
        size=request.quantity,
        filled_size=order.cum_quantity,
        filled_value=filled_value,
        created_ms=int(order_id) // FUTURES_IDS_PER_MS,
        take_profit=_preset(request.take_profit),
        stop_loss=_preset(request.stop_loss),
    )
    if protects is not None:
        parent, protection = protects
        return replace(
            standing,
            client_order_id="",
            reduce_only=True,
            parent_order_id=parent.venue_order_id or "",
            trigger_price=protection.price,
            way=PriceWay.RISES if (request.side is Side.BUY) is order.stops else PriceWay.FALLS,
            price_type=exchange.PriceType(protection.by),
        )
    if trigger is None or not order.waits:
        return standing
    rate = trigger.callback_rate
    return replace(
        standing,
        trigger_price=trigger.price,
        way=PriceWay.RISES if trigger.when is Crossing.RISES_TO else PriceWay.FALLS,
        price_type=exchange.PriceType(trigger.by),
        callback_percent=None if rate is None else EXACT.multiply(rate, Decimal(100)),
    )


def _preset(protection: Protection | None) -> exchange.Preset | None:
    return None if protection is None else exchange.Preset(protection.price, exchange.PriceType(protection.by))


@asynccontextmanager
async def simulator(world: World, *, port: int, seed: int, trouble: Trouble) -> AsyncIterator[Urls]:
    """Run the simulated exchange on loopback."""
    simulated = Simulator(seed=seed)
    simulated.set_faults(seed=trouble.seed, rates=trouble.rates)
    end = trouble.schedule
    simulated.settings.schedule = Schedule(
        no_opens_ms=end.no_opens_ms, no_trading_ms=end.no_trading_ms, dark_ms=end.dark_ms
    )
    async with serve(simulated, clock=world.clock, spawn=world.spawn, port=port) as urls:
        yield urls


class Following(Struct, frozen=True):
    """The projections of a running OMS."""

    runner: Runner
    reads: Queries
    past: Past

    async def catch_up(self, position: int, seconds: float) -> bool:
        """Wait until `position` shows in every table; whether it did."""
        return await self.runner.catch_up(position, seconds)


@asynccontextmanager
async def projections(url: str, log: PostgresLog, world: World) -> AsyncIterator[Following]:
    """Follow the log into the read models."""
    runner = Runner(log, url, clock=world.clock, spawn=world.spawn)
    async with Queries(url) as reads:
        runner.start()
        try:
            yield Following(runner, reads, Past(log, events_max=AS_OF_EVENTS_MAX))
        finally:
            runner.stop()


PARTS: Final = Parts(
    venues=venues,
    check_key=check_key,
    history=history,
    simulator=simulator,
    projections=projections,
    reads=Queries,
    past=Past,
    compare=compare,
    rebuild=rebuild,
    decode=bitmart.decode,
)


def main() -> None:
    """Run the command line."""
    sys.exit(app.main(PARTS))


if __name__ == "__main__":
    main()
