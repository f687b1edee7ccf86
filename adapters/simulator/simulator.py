"""The simulated BitMart in one object: exchange, wire, accounts, faults and traders. No socket, no clock, no task:
whoever runs it brings the time with each call and steps it (`server` on loopback, `link` inside one process).
"""

from collections import deque
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Final

from msgspec import Struct

from adapters.simulator.agenda import Agenda
from adapters.simulator.chance import chance
from adapters.simulator.connection import Connection
from adapters.simulator.exchange.matching import Exchange, Rules
from adapters.simulator.exchange.orders import CancelSource, Market
from adapters.simulator.faults import Faults
from adapters.simulator.traders import Traders
from adapters.simulator.wire.codes import WireError
from adapters.simulator.wire.feeds import Feeds
from adapters.simulator.wire.frames import error_frame
from adapters.simulator.wire.keys import Credentials, Keys, demo_credentials
from adapters.simulator.wire.publisher import Publisher
from adapters.simulator.wire.rest import Reply, SpotRest
from adapters.simulator.wire.stream import SpotStream
from adapters.simulator.wire.tape import Tape
from adapters.simulator.wire.venue import Settings, Venue
from oms.values import EXACT

MARKETS: Final = (
    Market(
        symbol="BTC_USDT",
        symbol_id=53,
        base="BTC",
        quote="USDT",
        price_places=2,
        size_step=Decimal("0.00001"),
        size_min=Decimal("0.00001"),
        notional_min=Decimal(5),
        opening=Decimal(60_000),
    ),
    Market(
        symbol="ETH_USDT",
        symbol_id=55,
        base="ETH",
        quote="USDT",
        price_places=2,
        size_step=Decimal("0.0001"),
        size_min=Decimal("0.0001"),
        notional_min=Decimal(5),
        opening=Decimal(3_000),
    ),
    Market(
        symbol="BMX_USDT",
        symbol_id=1020,
        base="BMX",
        quote="USDT",
        price_places=5,
        size_step=Decimal("0.01"),
        size_min=Decimal("0.01"),
        notional_min=Decimal(5),
        opening=Decimal("0.35"),
    ),
)
MAIN: Final = "main"
MAIN_FUNDS: Final[Mapping[str, Decimal]] = {
    "USDT": Decimal(1_000_000),
    "BTC": Decimal(20),
    "ETH": Decimal(300),
    "BMX": Decimal(1_000_000),
}
ACCOUNTS_MAX: Final = 1_000
PUBLIC_CONNECTIONS_MAX: Final = 20  # per address (PROTOCOL 3.4)
PRIVATE_CONNECTIONS_MAX: Final = 10
NEW_CONNECTIONS_MAX: Final = 30  # per minute and address
DELAYED_MS_MAX: Final = 60_000
RESTART_MS: Final = (1_000, 300_000)
MAINTENANCE_MS: Final = (1_000, 60_000)
STEP_BACK_MS: Final = (1_000, 30_000)
SECONDS_MAX: Final = 10  # of faults per step, when steps are far apart
HTML: Final = b"<html>\r\n<head><title>error code: %d</title></head>\r\n<body>cloudflare</body>\r\n</html>\r\n"


class NoAnswer(Struct, frozen=True):
    """The client gets nothing back: the line is cut. `connected` False: no connection could be made at all."""

    connected: bool


class Simulator:
    """A whole venue.

    Args:
        seed: everything drawn at random, and the main account's credentials, follow from it.
        markets: what trades.
        traders: whether others trade too, so that prices move and quotes are hit.
        settings: the wire's knobs.
        rules: the exchange's knobs.

    All `now_ms` are UTC milliseconds by the runner's clock; the venue's own clock may be off (`set_clock`, faults).
    """

    def __init__(
        self,
        *,
        seed: int = 0,
        markets: tuple[Market, ...] = MARKETS,
        traders: bool = True,
        settings: Settings | None = None,
        rules: Rules | None = None,
    ) -> None:
        self.faults = Faults(seed=seed)
        self.keys = Keys()
        self.credentials: list[Credentials] = []
        self.futures_deposits: dict[str, Mapping[str, Decimal]] = {}
        self.connections: list[Connection] = []
        self._agenda = Agenda()
        self._offset_ms = 0
        self._skew_ms = 0
        self._down_until_ms = 0
        self._maintenance_until_ms = 0
        self._second = 0
        self._arrivals: dict[str, deque[int]] = {}
        tape = Tape({market.symbol: market for market in markets})
        self._publisher = Publisher(tape)
        self.exchange = Exchange(markets, self._publisher.collect, rules=rules, portion=self._portion)
        self._feeds = Feeds(self.exchange, tape)
        self.traders = Traders(self.exchange, chance(seed, "traders"), active=traders)
        self.settings = settings or Settings()
        venue = Venue(
            exchange=self.exchange,
            keys=self.keys,
            tape=tape,
            faults=self.faults,
            settings=self.settings,
            later=self._agenda.later,
        )
        self._rest = SpotRest(venue)
        self.open_account(demo_credentials(MAIN, seed), MAIN_FUNDS)

    # -------------------------------------------------------------------------------------------- the clients' side

    def request(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes, now_ms: int, *, ip: str = "127.0.0.1"
    ) -> Reply | NoAnswer:
        """Serve one REST request: through the faults, to the exchange and back."""
        venue_ms = self._enter(now_ms)
        if self._agenda.now_ms < self._down_until_ms:
            return NoAnswer(connected=False)
        refusal = self._stopped_before(method, target, headers, body)
        if refusal is not None:
            return refusal
        reply = self._rest.handle(method, target, headers, body, venue_ms, ip=ip)
        self._flush(venue_ms)
        return self._lost_after(reply)

    def connect(
        self, now_ms: int, *, private: bool, notify: Callable[[], None], ip: str = "127.0.0.1"
    ) -> Connection | None:
        """Open a stream; None while the venue is down. One too many is told so and closed at once."""
        venue_ms = self._enter(now_ms)
        if self._agenda.now_ms < self._down_until_ms:
            return None
        stream = SpotStream(
            private=private, keys=self.keys, feeds=self._feeds, symbols=self.exchange.markets, now_ms=venue_ms
        )
        connection = Connection(stream, ip=ip, faults=self.faults, later=self._agenda.later, notify=notify)
        code = self._crowded(ip, private=private)
        if code is not None:
            stream.send(error_frame("connect", code))
            stream.closed = True
            connection.pump()
            return connection
        self.connections.append(connection)
        return connection

    def receive(self, connection: Connection, frame: str | bytes, now_ms: int) -> None:
        """Hand a client's frame to its stream."""
        venue_ms = self._enter(now_ms)
        connection.receive(frame, venue_ms)
        self._flush(venue_ms)

    def step(self, now_ms: int) -> None:
        """Let the world go on: traders, delayed work, streams, faults. To be called every 50 ms or so."""
        venue_ms = self._enter(now_ms)
        self._strike(venue_ms)
        if self._agenda.now_ms >= self._down_until_ms:
            self.traders.step(self._agenda.now_ms, venue_ms)
        for connection in self.connections:
            connection.stream.step(venue_ms)
        self._flush(venue_ms)

    # -------------------------------------------------------------------------------------------- the world's side

    def open_account(
        self, credentials: Credentials, spot: Mapping[str, Decimal], futures: Mapping[str, Decimal] | None = None
    ) -> None:
        """Open a funded account with a key. `futures` coins are kept and shown; nothing trades them yet.

        Raises:
            ValueError: the name or the key is taken or empty, an amount is none, or there are too many accounts.
        """
        if not credentials.account or not credentials.secret:
            raise ValueError("an account needs a name and a secret")
        if not credentials.key or self.keys.find(credentials.key) is not None:
            raise ValueError("the key is empty or taken")
        if len(self.credentials) >= ACCOUNTS_MAX:
            raise ValueError(f"there are {ACCOUNTS_MAX} accounts already")
        self.exchange.open_account(credentials.account, spot)
        self.keys.add(credentials)
        self.credentials.append(credentials)
        self.futures_deposits[credentials.account] = dict(futures or {})

    def move_market(self, symbol: str, price: Decimal, now_ms: int) -> None:
        """Bring a market to `price` through its book. Raises ValueError for a bad symbol or price."""
        venue_ms = self._enter(now_ms)
        self.traders.move(symbol, price, venue_ms)
        self._flush(venue_ms)

    def set_clock(self, offset_ms: int) -> None:
        """Show every client a clock that is off by so much."""
        self._offset_ms = offset_ms

    def set_faults(self, *, seed: int, rates: Mapping[str, float]) -> None:
        """Set the rates of all faults (what is not named stops) and end those that last.

        Raises:
            ValueError: an unknown fault, or a rate that is no probability; nothing changed.
        """
        self.faults.set(seed=seed, rates=rates)
        self._skew_ms = self._down_until_ms = self._maintenance_until_ms = 0

    # -------------------------------------------------------------------------------------------- time, events

    def _enter(self, now_ms: int) -> int:
        """Take note of the time, do what is due, and return the venue's own clock."""
        venue_ms = now_ms + self._offset_ms + self._skew_ms
        self._agenda.due(now_ms, venue_ms)
        return venue_ms

    def _flush(self, venue_ms: int) -> None:
        self._publisher.flush([connection.stream for connection in self.connections], self._feeds, venue_ms)
        for connection in self.connections:
            connection.pump()
        self.connections = [connection for connection in self.connections if not connection.stream.closed]

    def _portion(self, size: Decimal, step: Decimal) -> Decimal:
        """Cut a match in two where that fault strikes."""
        steps = int(EXACT.divide_int(size, step))
        if steps > 1 and self.faults.fires("split_fill"):
            return EXACT.multiply(step, Decimal(self.faults.between(1, steps - 1)))
        return size

    def _crowded(self, ip: str, *, private: bool) -> int | None:
        """Return the code that refuses one more connection, or None."""
        arrivals = self._arrivals.setdefault(ip, deque(maxlen=NEW_CONNECTIONS_MAX + 1))
        arrivals.append(self._agenda.now_ms)
        if len(arrivals) > NEW_CONNECTIONS_MAX and self._agenda.now_ms - arrivals[0] < 60_000:  # noqa: PLR2004 -- a minute
            return 94001
        present = [one for one in self.connections if one.ip == ip and one.stream.private is private]
        return 94002 if len(present) >= (PRIVATE_CONNECTIONS_MAX if private else PUBLIC_CONNECTIONS_MAX) else None

    # -------------------------------------------------------------------------------------------- faults of requests

    def _stopped_before(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes
    ) -> Reply | NoAnswer | None:
        """Return what becomes of a request that never reaches the exchange in time, or None."""
        if self._agenda.now_ms < self._maintenance_until_ms:
            return self._rest.refuse(WireError(30016))
        fires = self.faults.fires
        if fires("request_lost"):
            return NoAnswer(connected=True)
        if fires("request_delayed"):
            kept = dict(headers)
            self._agenda.later(
                self.faults.between(1, DELAYED_MS_MAX),
                lambda venue_ms: self._late(method, target, kept, body, venue_ms),
            )
            return NoAnswer(connected=True)
        if fires("error_before"):
            return self._broken()
        if fires("rate_limited"):
            return self._rest.refuse(WireError(30013))
        if fires("html_answer"):
            return _page(403, 1010)
        return None

    def _late(self, method: str, target: str, headers: Mapping[str, str], body: bytes, venue_ms: int) -> None:
        self._rest.handle(method, target, headers, body, venue_ms)

    def _lost_after(self, reply: Reply) -> Reply | NoAnswer:
        """Return what the client sees of an answer to what was done."""
        fires = self.faults.fires
        if fires("answer_lost"):
            return NoAnswer(connected=True)
        if fires("error_after"):
            return self._broken()
        if fires("truncated_answer"):
            return Reply(reply.status, reply.headers, reply.body[: len(reply.body) // 2])
        return reply

    def _broken(self) -> Reply:
        """A 5xx of one kind or another: it looks the same whether the request was executed or not."""
        kind = self.faults.between(0, 3)
        if kind <= 1:
            return self._rest.refuse(WireError((30014, 59002)[kind]))
        return _page((502, 504)[kind - 2], (502, 504)[kind - 2])

    # -------------------------------------------------------------------------------------------- faults of the venue

    def _strike(self, venue_ms: int) -> None:
        """Roll the faults that may strike every second."""
        second = self._agenda.now_ms // 1000
        passed = min(second - self._second, SECONDS_MAX)
        self._second = second
        if not self.faults.active:
            return
        for _ in range(passed):
            for connection in self.connections:
                if self.faults.fires("half_open"):
                    connection.break_down()
                if self.faults.fires("connection_closed"):
                    connection.close()
            self._strike_venue(venue_ms)

    def _strike_venue(self, venue_ms: int) -> None:
        faults, now_ms = self.faults, self._agenda.now_ms
        if faults.fires("venue_cancel"):
            live = [order for one in self.credentials for order in self.exchange.accounts[one.account].open.values()]
            if live:
                order = live[faults.between(0, len(live) - 1)]
                self.exchange.cancel(order.account, order.order_id, venue_ms, CancelSource.SYSTEM)
        if faults.fires("restart"):
            self._down_until_ms = now_ms + faults.between(*RESTART_MS)
            for connection in self.connections:
                connection.close()
        if faults.fires("maintenance"):
            self._maintenance_until_ms = now_ms + faults.between(*MAINTENANCE_MS)
        if faults.fires("clock_skew"):
            self._skew_ms = faults.between(-1_000, 1_000)
        if faults.fires("clock_step"):
            self._skew_ms = faults.between(-300_000, 300_000)
            self._agenda.later(faults.between(*STEP_BACK_MS), lambda _: self._unskew())

    def _unskew(self) -> None:
        self._skew_ms = 0


def _page(status: int, code: int) -> Reply:
    """A page of the gateway in front of BitMart: not JSON."""
    return Reply(status, {"Content-Type": "text/html; charset=UTF-8"}, HTML % code)
