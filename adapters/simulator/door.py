"""The simulator's own door, beside BitMart's wire: what the exchange knows, and how to meddle (`interfaces.md`)."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Final, TypeVar

import msgspec
from msgspec import Struct

from adapters.simulator.exchange.orders import Fill, Order
from adapters.simulator.simulator import Simulator
from adapters.simulator.wire.gateway import Reply
from adapters.simulator.wire.keys import Credentials
from oms.values import plain

JSON: Final[Mapping[str, str]] = {"Content-Type": "application/json"}
OFFSET_MAX_MS: Final = 10**12
T = TypeVar("T")


class _NewAccount(Struct, forbid_unknown_fields=True):
    name: str
    key: str
    secret: str
    memo: str
    spot: dict[str, Decimal] = {}
    futures: dict[str, Decimal] = {}


class _NewRates(Struct, forbid_unknown_fields=True):
    seed: int = 0
    rates: dict[str, float] = {}


class _Move(Struct, forbid_unknown_fields=True):
    symbol: str
    price: Decimal | None = None
    funding: Decimal | None = None


class _Offset(Struct, forbid_unknown_fields=True):
    offset_ms: int


class _ForbiddenError(Exception):
    """The door does not take this; the text says why."""


class Door:
    """`/sim/` of one simulator: the path, the body and the time in, JSON out. Says 400 and why to what it cannot do."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator
        self._handlers: Mapping[tuple[str, str], Callable[[bytes, int], object]] = {
            ("GET", "/sim/truth"): self._truth,
            ("POST", "/sim/accounts"): self._open_account,
            ("GET", "/sim/faults"): self._faults,
            ("POST", "/sim/faults"): self._set_faults,
            ("POST", "/sim/market"): self._move,
            ("POST", "/sim/clock"): self._set_clock,
        }

    def handle(self, method: str, path: str, body: bytes, now_ms: int) -> Reply:
        """Answer one request; never raises for what is sent."""
        handler = self._handlers.get((method, path))
        if handler is None:
            return _reply(404, {"error": f"no {method} {path} here"})
        try:
            return _reply(200, handler(body, now_ms))
        except (_ForbiddenError, ValueError) as error:
            return _reply(400, {"error": str(error)})

    # -------------------------------------------------------------------------------------------- what it does

    def _truth(self, _body: bytes, _now_ms: int) -> object:
        return {"accounts": {one.account: self._account(one.account) for one in self._simulator.credentials}}

    def _account(self, name: str) -> object:
        account = self._simulator.exchange.accounts[name]
        return {
            "spot": {
                "balances": {
                    coin: {"available": plain(balance.available), "frozen": plain(balance.frozen)}
                    for coin, balance in account.balances.items()
                },
                "orders": [_order(order) for order in (*account.closed.values(), *account.open.values())],
                "trades": [_trade(fill) for fill in account.fills],
            },
            "futures": {
                "balances": {
                    coin: {"available": plain(amount), "frozen": "0"}
                    for coin, amount in self._simulator.futures_deposits[name].items()
                },
                "positions": [],
                "orders": [],
                "trades": [],
            },
        }

    def _open_account(self, body: bytes, _now_ms: int) -> object:
        asked = _read(body, _NewAccount)
        credentials = Credentials(account=asked.name, key=asked.key, secret=asked.secret, memo=asked.memo)
        self._simulator.open_account(credentials, asked.spot, asked.futures)
        return {"name": asked.name, "key": asked.key, "secret": asked.secret, "memo": asked.memo}

    def _faults(self, _body: bytes, _now_ms: int) -> object:
        return {"faults": self._simulator.faults.overview()}

    def _set_faults(self, body: bytes, now_ms: int) -> object:
        asked = _read(body, _NewRates)
        self._simulator.set_faults(seed=asked.seed, rates=asked.rates)
        return self._faults(body, now_ms)

    def _move(self, body: bytes, now_ms: int) -> object:
        asked = _read(body, _Move)
        if asked.funding is not None or asked.price is None:
            raise _ForbiddenError("a spot market takes a price, and settles no funding")
        self._simulator.move_market(asked.symbol, asked.price, now_ms)
        return {"symbol": asked.symbol, "price": plain(asked.price)}

    def _set_clock(self, body: bytes, _now_ms: int) -> object:
        asked = _read(body, _Offset)
        if abs(asked.offset_ms) > OFFSET_MAX_MS:
            raise _ForbiddenError("no clock is off by that much")
        self._simulator.set_clock(asked.offset_ms)
        return {"offset_ms": asked.offset_ms}


def _read(body: bytes, shape: type[T]) -> T:
    try:
        return msgspec.json.decode(body, type=shape)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise _ForbiddenError(str(error)) from error


def _reply(status: int, answer: object) -> Reply:
    return Reply(status, JSON, msgspec.json.encode(answer))


def _order(order: Order) -> dict[str, object]:
    return {
        "order_id": order.order_id,
        "client_order_id": order.client_order_id,
        "symbol": order.symbol,
        "side": order.side.value,
        "type": order.type.value,
        "price": plain(order.price),
        "size": plain(order.size),
        "filled": plain(order.filled_size),
        "state": order.state.value,
        "created_ms": order.created_ms,
        "updated_ms": order.updated_ms,
    }


def _trade(fill: Fill) -> dict[str, object]:
    return {
        "trade_id": fill.trade_id,
        "order_id": fill.order_id,
        "symbol": fill.symbol,
        "side": fill.side.value,
        "price": plain(fill.price),
        "size": plain(fill.size),
        "fee": plain(fill.fee),
        "fee_coin": fill.fee_coin,
        "role": fill.role.value,
        "at_ms": fill.at_ms,
    }
