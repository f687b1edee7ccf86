"""How the tests reach the simulated venue: an exchange with a short market, and a client that signs by itself."""

import hmac
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from hashlib import sha256
from typing import Any

from adapters.simulator.connection import Connection
from adapters.simulator.exchange.matching import Exchange, Rules
from adapters.simulator.exchange.orders import (
    Event,
    Market,
    NewOrder,
    Order,
    OrderChanged,
    OrderType,
    SelfTrade,
)
from adapters.simulator.host import Product
from adapters.simulator.simulator import NoAnswer, Simulator
from adapters.simulator.wire.gateway import Request
from oms.values import Side

NOW = 1_795_392_000_000
MARKET = Market(
    symbol="BTC_USDT",
    symbol_id=1,
    base="BTC",
    quote="USDT",
    price_places=2,
    size_step=Decimal("0.1"),
    size_min=Decimal("0.1"),
    notional_min=Decimal(5),
    opening=Decimal(100),
)


class Floor:
    """An exchange with accounts ann, bob and cyd, and everything it said."""

    def __init__(self, **rules: bool) -> None:
        self.events: list[Event] = []
        self.exchange = Exchange([MARKET], self.events.append, rules=Rules(**rules))
        for name in ("ann", "bob", "cyd"):
            self.exchange.open_account(name, {"BTC": Decimal(1_000), "USDT": Decimal(100_000)})

    def place(self, account: str, text: str, **more: str) -> Order:
        """Place ``buy 2 @ 100``, ``sell 2 ioc @ 99``, ``buy 50 market`` (quote units) or ``sell 2 market``."""
        words = text.split()
        side, amount = Side(words[0]), Decimal(words[1])
        kind = OrderType(words[2]) if len(words) > 2 and words[2] != "@" else OrderType.LIMIT
        by_notional = kind is OrderType.MARKET and side is Side.BUY
        new = NewOrder(
            account=account,
            symbol="BTC_USDT",
            side=side,
            type=kind,
            size=None if by_notional else amount,
            notional=amount if by_notional else None,
            price=Decimal(words[-1]) if "@" in words else None,
            client_order_id=more.get("id", ""),
            stp=SelfTrade(more.get("stp", "none")),
        )
        return self.exchange.submit(new, NOW)

    def fills(self) -> list[str]:
        """What traded, told from the taker's side: ``bob buys 2 of ann at 100``."""
        told = []
        makers = takers = None
        for event in self.events:
            if isinstance(event, OrderChanged) and event.fill is not None:
                if event.fill.role == "maker":
                    makers = event.fill
                else:
                    takers = event.fill
                    assert makers is not None
                    size, price = short(takers.size), short(takers.price)
                    told.append(f"{takers.account} {takers.side}s {size} of {makers.account} at {price}")
        return told

    def has(self, account: str, coin: str) -> tuple[Decimal, Decimal]:
        balance = self.exchange.accounts[account].balance(coin)
        return balance.available, balance.frozen


def short(value: Decimal) -> str:
    return format(value.normalize(), "f")


@dataclass
class Client:
    """A trading client of our own making: it signs as PROTOCOL 2.2 says, independently of the venue's code."""

    simulator: Simulator
    now: int = NOW
    product: Product = Product.SPOT
    key: str = field(init=False)
    secret: str = field(init=False)
    memo: str = field(init=False)

    def __post_init__(self) -> None:
        one = self.simulator.credentials[0]
        self.key, self.secret, self.memo = one.key, one.secret, one.memo

    def sign(self, timestamp: int | str, body: bytes) -> str:
        message = f"{timestamp}#{self.memo}#".encode() + body
        return hmac.new(self.secret.encode(), message, sha256).hexdigest()

    def headers(self, body: bytes, timestamp: int | None = None) -> dict[str, str]:
        at = self.now if timestamp is None else timestamp
        return {
            "Content-Type": "application/json",
            "X-BM-KEY": self.key,
            "X-BM-TIMESTAMP": str(at),
            "X-BM-SIGN": self.sign(at, body),
        }

    def send(
        self, method: str, target: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> tuple[int, dict[str, Any]]:
        """Return status and JSON; the test fails if the line was cut."""
        served = self.simulator.serve(Request(method, target, headers or {}, body), self.now, product=self.product)
        assert not isinstance(served, NoAnswer)
        return served.status, json.loads(served.body)

    def get(self, target: str) -> Any:
        status, answer = self.send("GET", target, headers={"X-BM-KEY": self.key})
        assert (status, answer["code"]) == (200, 1000), answer
        return answer["data"]

    def post(self, path: str, **fields: object) -> tuple[int, dict[str, Any]]:
        body = json.dumps(fields).encode()
        return self.send("POST", path, body, self.headers(body))

    def ask(self, path: str, **fields: object) -> Any:
        status, answer = self.post(path, **fields)
        assert (status, answer["code"]) == (200, 1000), answer
        return answer["data"]

    def submit(self, **fields: object) -> str:
        order = {"symbol": "BTC_USDT", "side": "buy", "type": "limit"} | fields
        return str(self.ask("/spot/v2/submit_order", **order)["order_id"])

    def refusal(self, path: str, **fields: object) -> tuple[int, int]:
        """Return (status, code) of a request that is expected to fail."""
        status, answer = self.post(path, **fields)
        return status, answer["code"]

    def step(self, milliseconds: int = 50) -> None:
        self.now += milliseconds
        self.simulator.step(self.now)

    def connect(self, *, private: bool = False) -> "Reader":
        connection = self.simulator.connect(self.now, private=private, notify=lambda: None, product=self.product)
        assert connection is not None
        return Reader(self, connection)


@dataclass
class Reader:
    """One stream of a client."""

    client: Client
    connection: Connection

    def say(self, frame: object) -> list[Any]:
        """Send a frame and return what came back."""
        text = frame if isinstance(frame, str) else json.dumps(frame)
        self.client.simulator.receive(self.connection, text, self.client.now)
        return self.heard()

    def login(self) -> list[Any]:
        sign = self.client.sign(self.client.now, b"bitmart.WebSocket")
        return self.say({"op": "login", "args": [self.client.key, str(self.client.now), sign]})

    def subscribe(self, *topics: str) -> list[Any]:
        return self.say({"op": "subscribe", "args": list(topics)})

    def heard(self) -> list[Any]:
        return [readable(frame) for frame in self.connection.take()]


def readable(frame: str | bytes) -> Any:
    """Return a frame as JSON, or as the text it is; binary ones are raw DEFLATE."""
    if isinstance(frame, bytes):
        return json.loads(zlib.decompress(frame, wbits=-15))
    return frame if frame == "pong" else json.loads(frame)
