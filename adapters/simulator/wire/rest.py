"""BitMart's spot REST, from the bytes of a request to the bytes of its answer (PROTOCOL 2 to 5)."""

import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Final
from urllib.parse import parse_qsl, urlsplit

import msgspec
from msgspec import Struct

from adapters.simulator.wire.codes import WireError
from adapters.simulator.wire.keys import (
    FAST_CLOCK_MS,
    STALE_MS,
    WINDOW_DEFAULT_MS,
    Credentials,
    signed_by,
)
from adapters.simulator.wire.limits import Limit, Limiter
from adapters.simulator.wire.public import Public
from adapters.simulator.wire.queries import Queries
from adapters.simulator.wire.trading import Trading
from adapters.simulator.wire.venue import Call, Venue

TIMESTAMP: Final = re.compile(r"[0-9]{1,18}")
NO_HEADERS: Final[Mapping[str, str]] = {}


class Reply(Struct, frozen=True):
    """One HTTP answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Level(StrEnum):
    """How much a caller has to prove."""

    NONE = "none"
    KEYED = "keyed"  # the key exists; a signature is not looked at (PROTOCOL 2.1)
    SIGNED = "signed"


class Endpoint(Struct, frozen=True):
    """One path: what it takes to call it and who answers. `windowed`: its body may carry a recvWindow."""

    level: Level
    limit: Limit
    handler: Callable[[Call], object]
    windowed: bool = False


class SpotRest:
    """Every spot endpoint a trading client uses. Holds no clock: `now_ms` is the venue's time of the call."""

    def __init__(self, venue: Venue) -> None:
        self._venue = venue
        self._limiter = Limiter()
        self._endpoints = _endpoints(Public(venue), Trading(venue), Queries(venue))
        self._traces = 0

    def handle(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes, now_ms: int, *, ip: str = "127.0.0.1"
    ) -> Reply:
        """Answer one request; never raises for what a client sends. `target` is path and query, as in the request
        line; header names may be in any case.
        """
        lower = {name.lower(): value for name, value in headers.items()}
        counted: Mapping[str, str] = NO_HEADERS
        try:
            path, query, endpoint = self._route(method, target)
            credentials = self._identify(endpoint, lower)
            if self._venue.settings.rate_limits:
                caller = _caller(endpoint, credentials, ip)
                counted = self._limiter.count(f"{method} {path}", caller, endpoint.limit, now_ms)
            fields = self._body(endpoint, credentials, lower, body, now_ms)
            account = "" if credentials is None else credentials.account
            data = endpoint.handler(Call(account=account, query=query, body=fields, now_ms=now_ms))
        except WireError as error:
            return self.refuse(error, counted)
        envelope = {"code": 1000, "message": "success", "trace": self._trace(), "data": data}
        return _reply(200, counted, envelope)

    def refuse(self, error: WireError, counted: Mapping[str, str] = NO_HEADERS) -> Reply:
        """Spell an error: the gateway says `msg` and no data, the product `message` and empty data."""
        trace = self._trace()
        if error.gateway:
            return _reply(error.status, counted, {"trace": trace, "msg": error.text, "code": error.code})
        envelope = {"message": error.text, "code": error.code, "trace": trace, "data": {}}
        return _reply(error.status, counted, envelope)

    # -------------------------------------------------------------------------------------------- the gateway

    def _route(self, method: str, target: str) -> tuple[str, Mapping[str, str], Endpoint]:
        try:
            parts = urlsplit(target)
            query = dict(parse_qsl(parts.query, keep_blank_values=True))
        except ValueError as error:
            raise WireError(30000) from error
        methods = self._endpoints.get(parts.path)
        if methods is None:
            raise WireError(30000)
        endpoint = methods.get(method)
        if endpoint is None:
            raise WireError(57001)
        return parts.path, query, endpoint

    def _identify(self, endpoint: Endpoint, headers: Mapping[str, str]) -> Credentials | None:
        if endpoint.level is Level.NONE:
            return None
        key = headers.get("x-bm-key", "")
        if not key:
            raise WireError(30001)
        credentials = self._venue.keys.find(key)
        if credentials is None:
            raise WireError(30002)
        return credentials

    def _body(
        self,
        endpoint: Endpoint,
        credentials: Credentials | None,
        headers: Mapping[str, str],
        body: bytes,
        now_ms: int,
    ) -> Mapping[str, object]:
        """Check what the level asks for, over the raw bytes, and return the JSON object in them."""
        if endpoint.level is not Level.SIGNED or credentials is None:
            return {}
        timestamp = _timestamp(headers)
        if not headers.get("x-bm-sign"):
            raise WireError(30004)
        if not endpoint.windowed and abs(now_ms - int(timestamp)) > STALE_MS:
            raise WireError(30007)
        if not signed_by(credentials, timestamp, body, headers["x-bm-sign"]):
            raise WireError(30005)
        if not headers.get("content-type", "").startswith("application/json"):
            raise WireError(58001)
        fields = _json_object(body)
        if endpoint.windowed:
            _check_window(fields, int(timestamp), now_ms)
        return fields

    def _trace(self) -> str:
        self._traces += 1
        return f"5e0{self._traces:029x}"


def _timestamp(headers: Mapping[str, str]) -> str:
    timestamp = headers.get("x-bm-timestamp", "")
    if not TIMESTAMP.fullmatch(timestamp):
        raise WireError(30006)
    return timestamp


def _json_object(body: bytes) -> dict[str, object]:
    try:
        return msgspec.json.decode(body, type=dict[str, object])
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise WireError(30018) from error


def _check_window(fields: Mapping[str, object], timestamp: int, now_ms: int) -> None:
    """The v4 rule: not a second ahead of the venue's clock, and not older than recvWindow."""
    window = fields.get("recvWindow", WINDOW_DEFAULT_MS)
    if not isinstance(window, int) or isinstance(window, bool):
        raise WireError(30007, text="recvWindow is not a long")
    if not 0 < window <= STALE_MS:
        raise WireError(30007, text="recvWindow is out of the range (0,60000]")
    if timestamp >= now_ms + FAST_CLOCK_MS or now_ms - timestamp > window:
        raise WireError(30007, text="Header X-BM-TIMESTAMP range. Within recvWindow")


def _caller(endpoint: Endpoint, credentials: Credentials | None, ip: str) -> str:
    if credentials is None:
        return ip
    return credentials.key if endpoint.limit.target == "key" else credentials.account


def _reply(status: int, counted: Mapping[str, str], envelope: object) -> Reply:
    headers = {"Content-Type": "application/json;charset=UTF-8", **counted}
    return Reply(status, headers, msgspec.json.encode(envelope))


def _endpoints(public: Public, trading: Trading, queries: Queries) -> Mapping[str, Mapping[str, Endpoint]]:
    """Return path -> method -> endpoint, with the limits of PROTOCOL 3.2."""

    def open_to_all(calls: int, seconds: int, handler: Callable[[Call], object]) -> Mapping[str, Endpoint]:
        return {"GET": Endpoint(Level.NONE, Limit(calls, seconds, "ip"), handler)}

    def keyed(calls: int, handler: Callable[[Call], object]) -> Mapping[str, Endpoint]:
        return {"GET": Endpoint(Level.KEYED, Limit(calls, 2, "key"), handler)}

    def signed(
        calls: int, seconds: int, handler: Callable[[Call], object], *, windowed: bool = True, target: str = "uid"
    ) -> Mapping[str, Endpoint]:
        return {"POST": Endpoint(Level.SIGNED, Limit(calls, seconds, target), handler, windowed)}

    return {
        "/system/time": open_to_all(10, 1, public.time),
        "/system/service": open_to_all(10, 1, public.service),
        "/spot/v1/currencies": open_to_all(8, 2, public.currencies),
        "/spot/v1/symbols": open_to_all(8, 2, public.symbols),
        "/spot/v1/symbols/details": open_to_all(12, 2, public.details),
        "/spot/quotation/v3/tickers": open_to_all(10, 2, public.tickers),
        "/spot/quotation/v3/ticker": open_to_all(15, 2, public.ticker),
        "/spot/quotation/v3/lite-klines": open_to_all(15, 2, public.klines),
        "/spot/quotation/v3/klines": open_to_all(10, 2, public.klines),
        "/spot/quotation/v3/books": open_to_all(15, 2, public.books),
        "/spot/quotation/v3/trades": open_to_all(15, 2, public.trades),
        "/spot/v2/submit_order": signed(40, 2, trading.submit, windowed=False),
        "/spot/v4/batch_orders": signed(40, 2, trading.batch),
        "/spot/v3/cancel_order": signed(40, 2, trading.cancel, windowed=False),
        "/spot/v4/cancel_orders": signed(40, 2, trading.cancel_many),
        "/spot/v4/cancel_all": signed(1, 3, trading.cancel_all),
        "/spot/v4/query/order": signed(50, 2, queries.order, target="key"),
        "/spot/v4/query/client-order": signed(50, 2, queries.client_order, target="key"),
        "/spot/v4/query/open-orders": signed(12, 2, queries.open_orders, target="key"),
        "/spot/v4/query/history-orders": signed(12, 2, queries.history_orders, target="key"),
        "/spot/v4/query/trades": signed(12, 2, queries.trades, target="key"),
        "/spot/v4/query/order-trades": signed(12, 2, queries.order_trades, target="key"),
        "/spot/v1/wallet": keyed(12, queries.wallet),
        "/account/v1/wallet": keyed(12, queries.account_wallet),
        "/spot/v1/trade_fee": keyed(2, queries.trade_fee),
        "/spot/v1/user_fee": keyed(2, queries.user_fee),
    }
