"""The simulated BitMart in one object: exchange, wire, accounts, faults and traders. No socket, no clock, no task:
whoever runs it brings the time with each call and steps it (`server` on loopback, `link` inside one process).
"""

from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from decimal import Decimal
from typing import Final

from msgspec import Struct

from adapters.simulator.agenda import Agenda
from adapters.simulator.connection import Connection
from adapters.simulator.exchange.futures.contracts import CONTRACTS, Contract, Status
from adapters.simulator.exchange.futures.state import Rules as FuturesRules
from adapters.simulator.exchange.matching import Rules
from adapters.simulator.exchange.orders import Market
from adapters.simulator.faults import Faults
from adapters.simulator.futures import FuturesHost
from adapters.simulator.host import Host, Product
from adapters.simulator.spot import MARKETS, SpotHost
from adapters.simulator.wire.codes import WireError
from adapters.simulator.wire.gateway import Reply, Request
from adapters.simulator.wire.house import House, Settings
from adapters.simulator.wire.keys import Credentials, Keys, KeyState, Permission, demo_credentials
from adapters.simulator.wire.spoiled import spoiled_row

MAIN: Final = "main"
MAIN_FUNDS: Final[Mapping[str, Decimal]] = {
    "USDT": Decimal(1_000_000),
    "BTC": Decimal(20),
    "ETH": Decimal(300),
    "BMX": Decimal(1_000_000),
}
MAIN_MARGIN: Final[Mapping[str, Decimal]] = {"USDT": Decimal(1_000_000), "BTC": Decimal(10)}
ACCOUNTS_MAX: Final = 1_000
MINUTE_MS: Final = 60_000
DELAYED_MS_MAX: Final = 60_000
RESTART_MS: Final = (1_000, 300_000)
MAINTENANCE_MS: Final = (1_000, 60_000)
BAN_MS: Final = (5_000, 60_000)
ROWS_MAX: Final = 6_400  # whatever the list: which one is the rest of a division
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
        markets: what trades on spot; `contracts`: what trades on futures.
        traders: whether others trade too, so that prices move and quotes are hit.
        settings: the wire's knobs.
        rules: the spot exchange's knobs; `futures_rules`: the perpetual exchange's.

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
        contracts: tuple[Contract, ...] = CONTRACTS,
        futures_rules: FuturesRules | None = None,
    ) -> None:
        self.faults = Faults(seed=seed)
        self.keys = Keys()
        self.credentials: list[Credentials] = []
        self.connections: list[Connection] = []
        self._agenda = Agenda()
        self._offset_ms = 0
        self._skew_ms = 0
        self._down_until_ms = 0
        self._maintenance_until_ms = 0
        self._banned: dict[str, int] = {}  # until when, by the caller's address
        self._second = 0
        self._arrivals: dict[tuple[Product, bool, str], deque[int]] = {}
        self.settings = settings or Settings()
        house = House(keys=self.keys, faults=self.faults, settings=self.settings, later=self._agenda.later)
        self.spot = SpotHost(house, markets, seed=seed, traders=traders, rules=rules)
        self.exchange = self.spot.exchange
        self.traders = self.spot.traders
        self.futures = FuturesHost(house, contracts, self.spot, seed=seed, traders=traders, rules=futures_rules)
        self._hosts: Mapping[Product, Host] = {Product.SPOT: self.spot, Product.FUTURES: self.futures}
        self.open_account(demo_credentials(MAIN, seed), MAIN_FUNDS, MAIN_MARGIN)

    # -------------------------------------------------------------------------------------------- the clients' side

    def serve(self, request: Request, now_ms: int, *, product: Product = Product.SPOT) -> Reply | NoAnswer:
        """Serve one REST request of a host: through the faults, to the exchange and back."""
        venue_ms = self._enter(now_ms)
        if self._unreachable(venue_ms):
            return NoAnswer(connected=False)
        host = self._hosts[product]
        refusal = self._stopped_before(host, request)
        if refusal is not None:
            return refusal
        reply = host.handle(request, venue_ms)
        self._flush(venue_ms)
        return self._lost_after(host, request, reply)

    def connect(
        self,
        now_ms: int,
        *,
        private: bool,
        notify: Callable[[], None],
        product: Product = Product.SPOT,
        ip: str = "127.0.0.1",
    ) -> Connection | None:
        """Open a stream of a host; None while the venue is down. One too many is told so and closed at once."""
        venue_ms = self._enter(now_ms)
        if self._unreachable(venue_ms):
            return None
        stream = self._hosts[product].open_stream(private=private, venue_ms=venue_ms)
        connection = Connection(
            stream, product=product, ip=ip, faults=self.faults, later=self._agenda.later, notify=notify
        )
        code = self._crowded(connection)
        if code is not None:
            stream.turn_away(code)
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
        if self.settings.schedule.refuses_trading(venue_ms):
            for host in self._hosts.values():
                host.end_trading(self._customers(), venue_ms)
        if self._unreachable(venue_ms):
            for connection in self.connections:
                connection.close()
        else:
            for host in self._hosts.values():
                host.step(self._agenda.now_ms, venue_ms)
        for connection in self.connections:
            connection.stream.step(venue_ms)
        self._flush(venue_ms)

    @property
    def under_way(self) -> int:
        """How much will still happen by itself: late frames, requests that arrive late, faults that end."""
        return len(self._agenda)

    # -------------------------------------------------------------------------------------------- the world's side

    def open_account(
        self, credentials: Credentials, spot: Mapping[str, Decimal], futures: Mapping[str, Decimal] | None = None
    ) -> None:
        """Open an account with a key, and with coins on both hosts.

        Raises:
            ValueError: the name or the key is taken or empty, an amount is none, or there are too many accounts.
        """
        if not credentials.account or not credentials.secret:
            raise ValueError("an account needs a name and a secret")
        if not credentials.key or self.keys.find(credentials.key) is not None:
            raise ValueError("the key is empty or taken")
        if len(self.credentials) >= ACCOUNTS_MAX:
            raise ValueError(f"there are {ACCOUNTS_MAX} accounts already")
        self.spot.open_account(credentials.account, spot)
        self.futures.open_account(credentials.account, futures or {})
        self.keys.add(credentials)
        self.credentials.append(credentials)

    def fund(self, account: str, spot: Mapping[str, Decimal], futures: Mapping[str, Decimal]) -> None:
        """Put coins on both hosts into an account that was opened without any. Raises KeyError."""
        self.spot.fund(account, spot)
        self.futures.fund(account, futures)

    def move_market(self, symbol: str, price: Decimal, now_ms: int) -> None:
        """Bring a market to `price` through its book. Raises ValueError for a bad symbol or price."""
        venue_ms = self._enter(now_ms)
        self._market(symbol).move(symbol, price, venue_ms)
        self._flush(venue_ms)

    def settle_funding(self, symbol: str, rate: Decimal, now_ms: int) -> None:
        """Settle funding of a contract now. Raises ValueError for a bad symbol or rate."""
        venue_ms = self._enter(now_ms)
        self.futures.settle_funding(symbol, rate, venue_ms)
        self._flush(venue_ms)

    def set_status(self, symbol: str, status: Status, now_ms: int) -> None:
        """Pause a contract, let it trade again, or delist it. Raises ValueError for what is no contract, or gone."""
        venue_ms = self._enter(now_ms)
        self.futures.set_status(symbol, status, venue_ms)
        self._flush(venue_ms)

    def bust(self, product: Product, trade_id: str, now_ms: int) -> None:
        """Have the venue take a trade back. Raises ValueError where it is nobody's, or can no longer be taken back."""
        venue_ms = self._enter(now_ms)
        self._hosts[product].bust(trade_id, venue_ms)
        self._flush(venue_ms)

    def hang_up(self) -> None:
        """Close every stream, as a host that is replaced does."""
        for connection in self.connections:
            connection.close()
            connection.pump()

    def set_clock(self, offset_ms: int) -> None:
        """Show every client a clock that is off by so much."""
        self._offset_ms = offset_ms

    def change_key(
        self,
        key: str,
        *,
        permissions: frozenset[Permission] | None = None,
        ips: frozenset[str] | None = None,
        state: KeyState | None = None,
    ) -> Credentials:
        """Change what a key is good for; None leaves it. Raises ValueError for a key nobody has."""
        changed = self.keys.change(key, permissions=permissions, ips=ips, state=state)
        self.credentials = [changed if one.key == key else one for one in self.credentials]
        return changed

    def set_faults(self, *, seed: int, rates: Mapping[str, float]) -> None:
        """Set the rates of all faults (what is not named stops) and end those that last.

        Raises:
            ValueError: an unknown fault, or a rate that is no probability; nothing changed.
        """
        self.faults.set(seed=seed, rates=rates)
        self._skew_ms = self._down_until_ms = self._maintenance_until_ms = 0
        self._banned.clear()

    # -------------------------------------------------------------------------------------------- time, events

    def _enter(self, now_ms: int) -> int:
        """Take note of the time, do what is due, and return the venue's own clock."""
        venue_ms = now_ms + self._offset_ms + self._skew_ms
        self._agenda.due(now_ms, venue_ms)
        return venue_ms

    def _flush(self, venue_ms: int) -> None:
        connections = self.connections
        for product, host in self._hosts.items():
            host.flush([one.stream for one in connections if one.product is product], venue_ms)
        over = False
        for connection in connections:
            connection.pump()
            over = over or connection.stream.closed
        if over:
            self.connections = [connection for connection in connections if not connection.stream.closed]

    def _unreachable(self, venue_ms: int) -> bool:
        return self._agenda.now_ms < self._down_until_ms or self.settings.schedule.dark(venue_ms)

    def _customers(self) -> list[str]:
        return [one.account for one in self.credentials]

    def _market(self, symbol: str) -> Host:
        for host in self._hosts.values():
            if host.trades(symbol):
                return host
        raise ValueError(f"no market is called {symbol!r}")

    def _crowded(self, fresh: Connection) -> int | None:
        """Return the code that refuses one more connection, or None."""
        host, most = self._hosts[fresh.product], self._hosts[fresh.product].arrivals_max
        private = fresh.stream.private  # both kinds are counted apart (PROTOCOL 3.4)
        if most is not None:
            arrivals = self._arrivals.setdefault((fresh.product, private, fresh.ip), deque(maxlen=most + 1))
            arrivals.append(self._agenda.now_ms)
            if len(arrivals) > most and self._agenda.now_ms - arrivals[0] < MINUTE_MS:
                return 94001
        present = [
            one
            for one in self.connections
            if (one.product, one.stream.private, one.ip) == (fresh.product, private, fresh.ip) and not one.closed
        ]
        return 94002 if len(present) >= host.connections_max(private=private) else None

    # -------------------------------------------------------------------------------------------- faults of requests

    def _stopped_before(self, host: Host, request: Request) -> Reply | NoAnswer | None:
        """Return what becomes of a request that never reaches the exchange in time, or None."""
        if self._agenda.now_ms < self._banned.get(request.ip, 0):
            return host.refuse(WireError(30017))
        if self._agenda.now_ms < self._maintenance_until_ms:
            return host.refuse(WireError(30016))
        if not self.faults.active:
            return None
        fires = self.faults.fires
        if fires("request_lost"):
            return NoAnswer(connected=True)
        if fires("request_delayed"):
            self._agenda.later(
                self.faults.between(1, DELAYED_MS_MAX), lambda venue_ms: self._late(host, request, venue_ms)
            )
            return NoAnswer(connected=True)
        if fires("error_before"):
            return self._broken(host)
        if fires("rate_limited"):
            return host.refuse(WireError(30013))
        if fires("html_answer"):
            return _page(403, 1010)
        if fires("lying_page"):
            return Reply(200, {"Content-Type": "application/json"}, HTML % 1010)
        if fires("banned"):
            self._banned[request.ip] = self._agenda.now_ms + self.faults.between(*BAN_MS)
            return host.refuse(WireError(30017))
        return None

    @staticmethod
    def _late(host: Host, request: Request, venue_ms: int) -> None:
        host.handle(request, venue_ms)

    def _lost_after(self, host: Host, request: Request, reply: Reply) -> Reply | NoAnswer:
        """Return what the client sees of an answer to what was done."""
        if not self.faults.active:
            return reply
        fires = self.faults.fires
        if fires("answer_lost"):
            return NoAnswer(connected=True)
        if fires("error_after"):
            return self._broken(host)
        if fires("truncated_answer"):
            return Reply(reply.status, reply.headers, reply.body[: len(reply.body) // 2])
        if "x-bm-key" in map(str.lower, request.headers) and fires("row_spoiled"):  # of an account, not of a market
            return Reply(reply.status, reply.headers, spoiled_row(reply.body, self.faults.between(0, ROWS_MAX)))
        if fires("plain_answer"):
            return Reply(reply.status, {**reply.headers, "Content-Type": "text/plain;charset=UTF-8"}, reply.body)
        return reply

    def _broken(self, host: Host) -> Reply:
        """A 5xx of one kind or another: it looks the same whether the request was executed or not."""
        kind = self.faults.between(0, 3)
        if kind <= 1:
            return host.refuse(WireError((30014, 59002)[kind]))
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
            live = [(host, *named) for host in self._hosts.values() for named in host.live(self._customers())]
            if live:
                host, account, order_id = live[faults.between(0, len(live) - 1)]
                host.cancel(account, order_id, venue_ms)
        self.futures.strike(self._customers(), venue_ms)
        if faults.fires("bust"):
            trades = [(host, one) for host in self._hosts.values() for one in host.traded(self._customers())]
            if trades:
                host, trade_id = trades[faults.between(0, len(trades) - 1)]
                with suppress(ValueError):  # what it brought is spent, or closed, by now
                    host.bust(trade_id, venue_ms)
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
