"""A client of the futures host of our own making: it signs by itself and speaks the other stream dialect."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from adapters.simulator.host import Product
from adapters.simulator.simulator import Simulator
from adapters.simulator.wire.house import Settings
from adapters.simulator.wire.keys import Credentials
from tests.adapters.simulator.floor import Client, Reader

PRIVATE = "/contract/private"
SUBMIT = f"{PRIVATE}/submit-order"
CANCEL = f"{PRIVATE}/cancel-order"
BTC = "BTCUSDT"
LIMIT: dict[str, Any] = {"symbol": BTC, "side": 1, "type": "limit", "mode": 1, "size": 10, "price": "50000"}
OPEN_LONG, CLOSE_SHORT, CLOSE_LONG, OPEN_SHORT = 1, 2, 3, 4


@dataclass
class Trader(Client):
    """Asks the futures host. `order` submits and returns the id, as text."""

    product: Product = Product.FUTURES

    def order(self, **fields: Any) -> str:
        return str(self.ask(SUBMIT, **LIMIT | fields)["order_id"])

    def market(self, side: int, size: int, **fields: Any) -> str:
        return str(self.ask(SUBMIT, symbol=BTC, side=side, size=size, type="market", **fields)["order_id"])

    def look(self, order_id: str) -> dict[str, Any]:
        """The order, from wherever it shows."""
        row: dict[str, Any] = self.get(f"{PRIVATE}/order?symbol={BTC}&order_id={order_id}")
        return row

    def open(self, query: str = "") -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self.get(f"{PRIVATE}/get-open-orders?{query}")
        return rows

    def trades(self, query: str = "") -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self.get(f"{PRIVATE}/trades?{query}")
        return rows

    def asset(self, coin: str = "USDT") -> dict[str, Decimal]:
        (row,) = [one for one in self.get(f"{PRIVATE}/assets-detail") if one["currency"] == coin]
        return {name: Decimal(value) for name, value in row.items() if name != "currency"}

    def reader(self, *topics: str) -> "Listener":
        """A private stream, logged in and subscribed."""
        listener = Listener(self, self.connect(private=True).connection)
        assert listener.login() == [{"action": "access", "success": True}]
        for topic in topics:
            assert [frame["success"] for frame in listener.subscribe(topic)] == [True]
        return listener

    def viewer(self) -> "Listener":
        """A public stream."""
        return Listener(self, self.connect().connection)


class Listener(Reader):
    """One futures stream."""

    def login(self) -> list[Any]:
        sign = self.client.sign(self.client.now, b"bitmart.WebSocket")
        return self.say({"action": "access", "args": [self.client.key, str(self.client.now), sign, "web"]})

    def subscribe(self, *topics: str) -> list[Any]:
        return self.say({"action": "subscribe", "args": list(topics)})

    def data(self, group: str) -> list[Any]:
        """The data of what has come on a topic since the last look."""
        return [frame["data"] for frame in self.heard() if frame["group"] == group]


def trader(**settings: Any) -> Trader:
    """The main account of a quiet venue."""
    return Trader(Simulator(traders=False, settings=Settings(**settings)))


def another(one: Trader, name: str = "second", usdt: str = "100000") -> Trader:
    """A second account of the same venue."""
    keys = Credentials(account=name, key=f"{name}-key", secret="s2", memo="m2")
    one.simulator.open_account(keys, {"USDT": Decimal(1_000)}, {"USDT": Decimal(usdt)})
    other = Trader(one.simulator, now=one.now)
    other.key, other.secret, other.memo = keys.key, keys.secret, keys.memo
    return other


def pair(**settings: Any) -> tuple[Trader, Trader]:
    """Two accounts of one venue that does not count their calls."""
    one = trader(rate_limits=False, **settings)
    return one, another(one)


def holding(size: int = 10, price: str = "60000") -> tuple[Trader, Trader]:
    """The first is long, the second short, at 10x cross."""
    one, two = pair()
    two.order(side=OPEN_SHORT, size=size, price=price)
    one.order(side=OPEN_LONG, size=size, price=price)
    return one, two
