"""The gateway in front of both products: from the bytes of a request to the bytes of its answer (PROTOCOL 2 to 4)."""

import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Final
from urllib.parse import parse_qsl, urlsplit

import msgspec
from msgspec import Struct

from adapters.simulator.wire.codes import WireError
from adapters.simulator.wire.house import House, Retired
from adapters.simulator.wire.keys import (
    FAST_CLOCK_MS,
    STALE_MS,
    WINDOW_DEFAULT_MS,
    Credentials,
    KeyState,
    Permission,
    signed_by,
)
from adapters.simulator.wire.limits import Limit, Limiter

TIMESTAMP: Final = re.compile(r"[0-9]{1,18}")
NO_HEADERS: Final[Mapping[str, str]] = {}


class Reply(Struct, frozen=True):
    """One HTTP answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Request(Struct, frozen=True):
    """One HTTP request. `target` is path and query, as in the request line; header names may be in any case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes
    ip: str = "127.0.0.1"


class Level(StrEnum):
    """How much a caller has to prove."""

    NONE = "none"
    KEYED = "keyed"  # the key exists; a signature is not looked at (PROTOCOL 2.1)
    SIGNED = "signed"


class Call(Struct, frozen=True, kw_only=True):
    """One request past the gateway: who asks, what, when. `body` is the JSON object, `query` the URL's parameters."""

    account: str
    query: Mapping[str, str]
    body: Mapping[str, object]
    now_ms: int


class Endpoint(Struct, frozen=True):
    """One path: what it takes to call it and who answers. `windowed`: its body may carry a recvWindow. `permission`:
    what the key must have been made for. `code`: how its success is spelled.
    """

    level: Level
    limit: Limit
    handler: Callable[[Call], object]
    windowed: bool = False
    permission: Permission = Permission.READ
    code: int | str = 1000


Endpoints = Mapping[str, Mapping[str, Endpoint]]  # path -> method -> endpoint


class Spelling(Struct, frozen=True, kw_only=True):
    """What the products spell differently: the word for success, whether an error carries data, and two codes."""

    success: str
    error_data: bool
    wrong_method: int
    wrong_media: int


class Gateway:
    """One product's REST. Holds no clock: `now_ms` is the venue's time of the call."""

    def __init__(self, house: House, endpoints: Endpoints, spelling: Spelling) -> None:
        self._house = house
        self._endpoints = endpoints
        self._spelling = spelling
        self._limiter = Limiter()
        self._traces = 0

    def handle(self, request: Request, now_ms: int) -> Reply:
        """Answer one request; never raises for what a client sends."""
        lower = {name.lower(): value for name, value in request.headers.items()}
        counted: Mapping[str, str] = NO_HEADERS
        try:
            path, query, endpoint = self._route(request)
            retired = self._house.settings.retired.get(path)
            if retired is not None:
                return self._gone(retired)
            credentials = self._identify(endpoint, lower, request.ip)
            if self._house.settings.rate_limits:
                caller = _caller(endpoint, credentials, request.ip)
                counted = self._limiter.count(f"{request.method} {path}", caller, endpoint.limit, now_ms)
            fields = self._body(endpoint, credentials, lower, request.body, now_ms)
            self._house.check_refusals(path)
            account = "" if credentials is None else credentials.account
            data = endpoint.handler(Call(account=account, query=query, body=fields, now_ms=now_ms))
        except WireError as error:
            return self.refuse(error, counted)
        envelope = {"code": endpoint.code, "message": self._spelling.success, "trace": self._trace(), "data": data}
        return _reply(200, counted, envelope)

    def refuse(self, error: WireError, counted: Mapping[str, str] = NO_HEADERS) -> Reply:
        """Spell an error: the gateway says `msg` and no data, the product `message` and empty data."""
        trace = self._trace()
        if error.gateway:
            return _reply(error.status, counted, {"trace": trace, "msg": error.text, "code": error.code})
        envelope: dict[str, object] = {"code": error.code, "message": error.text, "trace": trace}
        if self._spelling.error_data:
            envelope["data"] = {}
        return _reply(error.status, counted, envelope)

    def _gone(self, how: Retired) -> Reply:
        """Answer for an endpoint that has been switched off."""
        match how:
            case Retired.CODE:
                return self.refuse(WireError(30031))
            case Retired.BARE:
                return Reply(404, {"Content-Type": "text/plain;charset=UTF-8"}, b"404 page not found")
            case Retired.SUCCESS:
                down = {"errno": "OK", "message": "This service is down", "code": 1000, "trace": "", "data": {}}
                return _reply(200, NO_HEADERS, down)

    # -------------------------------------------------------------------------------------------- the gateway

    def _route(self, request: Request) -> tuple[str, Mapping[str, str], Endpoint]:
        try:
            parts = urlsplit(request.target)
            query = dict(parse_qsl(parts.query, keep_blank_values=True)) if parts.query else {}
        except ValueError as error:
            raise WireError(30000) from error
        methods = self._endpoints.get(parts.path)
        if methods is None:
            raise WireError(30000)
        endpoint = methods.get(request.method)
        if endpoint is None:
            raise WireError(self._spelling.wrong_method)
        return parts.path, query, endpoint

    def _identify(self, endpoint: Endpoint, headers: Mapping[str, str], ip: str) -> Credentials | None:
        if endpoint.level is Level.NONE:
            return None
        key = headers.get("x-bm-key", "")
        if not key:
            raise WireError(30001)
        credentials = self._house.keys.find(key)
        if credentials is None:
            raise WireError(30002)
        if credentials.state is not KeyState.ACTIVE:
            raise WireError(30003 if credentials.state is KeyState.FROZEN else 30011)
        if not credentials.usable_from(ip):
            raise WireError(30010)
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
            raise WireError(self._spelling.wrong_media)
        if not credentials.may(endpoint.permission):  # after the signature: whoever cannot sign learns nothing more
            raise WireError(self._house.settings.forbidden_code)
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
