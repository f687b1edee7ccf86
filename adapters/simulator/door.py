"""The simulator's own door, beside BitMart's wire: what the exchange knows, and how to meddle (`interfaces.md`)."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Final, TypeVar

import msgspec
from msgspec import Struct

from adapters.simulator.exchange.futures.contracts import Status
from adapters.simulator.host import Product
from adapters.simulator.simulator import Simulator
from adapters.simulator.truth import futures_truth, spot_truth
from adapters.simulator.wire.gateway import Reply
from adapters.simulator.wire.house import Schedule, Settings
from adapters.simulator.wire.keys import TRADER, Credentials, KeyState, Permission
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
    permissions: frozenset[Permission] = TRADER
    ips: frozenset[str] = frozenset()


class _KeyChange(Struct, forbid_unknown_fields=True):
    key: str
    permissions: frozenset[Permission] | None = None
    ips: frozenset[str] | None = None
    state: KeyState | None = None


class _NewRates(Struct, forbid_unknown_fields=True):
    seed: int = 0
    rates: dict[str, float] = {}


class _Move(Struct, forbid_unknown_fields=True):
    symbol: str
    price: Decimal | None = None
    funding: Decimal | None = None


class _NewStatus(Struct, forbid_unknown_fields=True):
    symbol: str
    status: Status


class _Bust(Struct, forbid_unknown_fields=True):
    market: Product
    trade_id: str


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
            ("POST", "/sim/keys"): self._change_key,
            ("GET", "/sim/faults"): self._faults,
            ("POST", "/sim/faults"): self._set_faults,
            ("POST", "/sim/market"): self._move,
            ("POST", "/sim/bust"): self._bust,
            ("POST", "/sim/clock"): self._set_clock,
            ("POST", "/sim/contract"): self._set_status,
            ("GET", "/sim/settings"): self._settings,
            ("POST", "/sim/settings"): self._change_settings,
            ("GET", "/sim/schedule"): self._schedule,
            ("POST", "/sim/schedule"): self._set_schedule,
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
        return {
            "spot": spot_truth(self._simulator.spot.exchange, name),
            "futures": futures_truth(self._simulator.futures.exchange, name),
        }

    def _open_account(self, body: bytes, _now_ms: int) -> object:
        asked = _read(body, _NewAccount)
        credentials = Credentials(
            account=asked.name,
            key=asked.key,
            secret=asked.secret,
            memo=asked.memo,
            permissions=asked.permissions,
            ips=asked.ips,
        )
        self._simulator.open_account(credentials, asked.spot, asked.futures)
        return {"name": asked.name, "key": asked.key, "secret": asked.secret, "memo": asked.memo}

    def _change_key(self, body: bytes, _now_ms: int) -> object:
        """Change what a key may do, from where, and whether it is taken at all; what is not named stays."""
        asked = _read(body, _KeyChange)
        now = self._simulator.change_key(asked.key, permissions=asked.permissions, ips=asked.ips, state=asked.state)
        return {"key": now.key, "permissions": sorted(now.permissions), "ips": sorted(now.ips), "state": now.state}

    def _settings(self, _body: bytes, _now_ms: int) -> object:
        return self._simulator.settings

    def _change_settings(self, body: bytes, _now_ms: int) -> object:
        """Turn the wire's knobs that are named; the others stay."""
        asked = _read(body, dict[str, object])
        settings = self._simulator.settings
        try:
            turned = msgspec.convert({**msgspec.to_builtins(settings), **asked}, Settings)
        except msgspec.ValidationError as error:
            raise _ForbiddenError(str(error)) from error
        for name in asked:
            setattr(settings, name, getattr(turned, name))
        return settings

    def _faults(self, _body: bytes, _now_ms: int) -> object:
        return {"faults": self._simulator.faults.overview()}

    def _set_faults(self, body: bytes, now_ms: int) -> object:
        asked = _read(body, _NewRates)
        self._simulator.set_faults(seed=asked.seed, rates=asked.rates)
        return self._faults(body, now_ms)

    def _move(self, body: bytes, now_ms: int) -> object:
        asked = _read(body, _Move)
        if (asked.funding is None) is (asked.price is None):
            raise _ForbiddenError("either a price to move to, or a funding rate to settle")
        if asked.price is not None:
            self._simulator.move_market(asked.symbol, asked.price, now_ms)
            return {"symbol": asked.symbol, "price": plain(asked.price)}
        assert asked.funding is not None
        self._simulator.settle_funding(asked.symbol, asked.funding, now_ms)
        return {"symbol": asked.symbol, "funding": plain(asked.funding)}

    def _set_status(self, body: bytes, now_ms: int) -> object:
        """Pause a contract, let it trade again, or delist it: then what is held is settled at the mark."""
        asked = _read(body, _NewStatus)
        self._simulator.set_status(asked.symbol, asked.status, now_ms)
        return asked

    def _bust(self, body: bytes, now_ms: int) -> object:
        """Have the venue take a trade back, on both sides."""
        asked = _read(body, _Bust)
        self._simulator.bust(asked.market, asked.trade_id, now_ms)
        return asked

    def _schedule(self, _body: bytes, _now_ms: int) -> object:
        return self._simulator.settings.schedule

    def _set_schedule(self, body: bytes, _now_ms: int) -> object:
        """Set all three times; what is not named never comes."""
        self._simulator.settings.schedule = _read(body, Schedule)
        return self._simulator.settings.schedule

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
