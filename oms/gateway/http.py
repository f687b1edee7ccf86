"""The strategies' door over HTTP: guard, token, body, answer; whatever goes wrong becomes a problem, in one place."""

import errno
import os
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import structlog
from aiohttp import web
from aiohttp.hdrs import AUTHORIZATION

from oms.engine import Engine
from oms.errors import LogUnavailableError, OmsError
from oms.gateway.auth import Accounts, Authority
from oms.gateway.bodies import checked_key, decode_body, read_query
from oms.gateway.candles import CandleQuestions
from oms.gateway.commands import Commands
from oms.gateway.guard import Guard, require_safe_bind
from oms.gateway.health import Alert, Asked, Promise, readiness
from oms.gateway.listening import CannotListenError, PortTakenError, free_socket
from oms.gateway.market_stream import MarketChannels
from oms.gateway.metrics import Metrics
from oms.gateway.openapi import document
from oms.gateway.operations import Health
from oms.gateway.picture import Picture
from oms.gateway.problems import (
    RETRY_AFTER_SECONDS,
    BodyTooLargeError,
    MethodNotAllowedError,
    NotFoundError,
    Problem,
    UpgradeRequiredError,
    internal_problem,
    problem_of,
)
from oms.gateway.questions import Questions
from oms.gateway.reads import Past, Reads
from oms.gateway.reconciling import Reconciling, VenueMetrics, Watching
from oms.gateway.replies import Reply
from oms.gateway.routes import ROUTES, Ask, Door, Route
from oms.gateway.settings import BODY_MAX, Settings
from oms.gateway.sight import Sight
from oms.gateway.stream import Streams
from oms.gateway.timeline import MessageLog
from oms.gateway.tokens import TokenStore
from oms.gateway.views import View, encode
from oms.market_data import MarketData
from oms.ports import Clock, Ids, Spawn
from oms.store.holdups import Holdup
from oms.values import AccountId

UNIX: Final = "unix://"
POSITION_HEADER: Final = "OMS-Position"
SHUTDOWN_SECONDS: Final = 5.0  # for requests under way when we stop

log = structlog.get_logger()


def build(
    *,
    engines: Mapping[AccountId, Engine],
    reads: Reads,
    past: Past,
    log: MessageLog,
    tokens: TokenStore,
    clock: Clock,
    ids: Ids,
    spawn: Spawn,
    settings: Settings,
    promises: Mapping[str, Promise] | None = None,
    alerts: Mapping[str, Alert] | None = None,
    watchers: Mapping[AccountId, Watching] | None = None,
    markets: Mapping[AccountId, MarketData] | None = None,
    holdups: Callable[[], Sequence[Holdup]] = tuple,
) -> web.Application:
    """Return the application that serves `engines`. GET /health/ready checks `promises` beside our own, shows `alerts`;
    `watchers` are what keeps the accounts in step with their venues, `markets` who knows what their markets did,
    `holdups` who keeps others waiting in the database.
    """
    accounts, metrics, sight = Accounts(engines), Metrics(list(engines.values()), holdups), Sight(log)
    watching = {} if watchers is None else watchers
    venues = VenueMetrics(metrics.registry, list(engines.values()), watching, clock)
    authority = Authority(Picture(tokens, clock, spawn))
    commands = Commands(accounts, log=log, ids=ids, metrics=metrics, clock=clock)
    known = {} if markets is None else markets
    bars = CandleQuestions(accounts, known, clock)
    questions = Questions(accounts, reads=reads, past=past, log=log, sight=sight, wait_seconds=settings.wait_seconds)
    streams = Streams(
        authority=authority,
        commands=commands,
        markets=MarketChannels(accounts, known),
        log=log,
        sight=sight,
        metrics=metrics,
        clock=clock,
        ids=ids,
        spawn=spawn,
        settings=settings,
    )
    gateway = _Gateway(
        accounts=accounts,
        authority=authority,
        door=Door(commands, questions, bars, Reconciling(accounts, watching, ids)),
        guard=Guard((settings.host, *settings.hosts)),
        metrics=metrics,
        clock=clock,
        ids=ids,
    )
    operations = _Operations(
        accounts,
        reads=reads,
        log=log,
        spawn=spawn,
        metrics=metrics,
        venues=venues,
        promises={} if promises is None else promises,
        alerts={} if alerts is None else alerts,
        lag_max=settings.lag_max,
    )
    application = web.Application(middlewares=[gateway.answered], client_max_size=BODY_MAX)
    for route in ROUTES:
        application.router.add_route(route.method, route.path, gateway.handler(route))
    application.router.add_route("GET", "/v1/stream", streams.serve)
    application.router.add_route("GET", "/health/live", operations.live)
    application.router.add_route("GET", "/health/ready", operations.ready)
    application.router.add_route("GET", "/metrics", operations.figures)
    application.router.add_route("GET", "/openapi.json", operations.description)
    application.on_shutdown.append(lambda _: streams.close())
    return application


class _HungUpError(Exception):
    """The client is gone, and the rest of its body with it."""


class _Gateway:
    """The way of a request through the door."""

    def __init__(
        self,
        *,
        accounts: Accounts,
        authority: Authority,
        door: Door,
        guard: Guard,
        metrics: Metrics,
        clock: Clock,
        ids: Ids,
    ) -> None:
        self._accounts = accounts
        self._authority = authority
        self._door = door
        self._guard = guard
        self._metrics = metrics
        self._clock = clock
        self._ids = ids

    def handler(self, route: Route) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        """Return what serves `route`."""

        async def handle(request: web.Request) -> web.StreamResponse:
            caller = await self._authority.bearer(request.headers.get(AUTHORIZATION))
            caller.need(route.scope)
            key = request.headers.get("Idempotency-Key")
            ask = Ask(
                caller=caller,
                query=read_query(route.query, request.query),
                body=await _body(route, request),
                order=request.match_info.get("client_order_id", ""),
                key=checked_key(key) if route.keyed or key is not None else None,
            )
            answer = await route.answer(self._door, ask)
            reply = answer if isinstance(answer, Reply) else Reply(route.status, answer.position, answer)
            return self._response(reply)

        return handle

    @web.middleware
    async def answered(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        """Answer `request`; the one place where an error becomes an answer."""
        started = self._clock.monotonic()
        try:
            self._guard.check(request)
            response = await handler(request)
        except OmsError as error:
            response = self._problem(problem_of(error, position=self._accounts.position))
        except web.HTTPException as error:  # aiohttp's own: no such path, no such method, a body too large
            response = self._problem(problem_of(_refusal(error, request), position=self._accounts.position))
        except _HungUpError:  # nothing was done, and nobody is there to be told
            log.info("a client hung up in the middle of a body", method=request.method, path=request.path)
            return web.Response(status=400)
        except Exception:  # the boundary: no traceback reaches a client
            problem = internal_problem(self._ids.next())
            log.exception("a request failed", incident=problem.incident, method=request.method, path=request.path)
            response = self._problem(problem)
        resource = request.match_info.route.resource
        label = "unknown" if resource is None else f"{request.method} {resource.canonical}"
        self._metrics.seconds.labels(label).observe(self._clock.monotonic() - started)
        return response

    def _response(self, reply: Reply) -> web.Response:
        if isinstance(reply.body, Problem):
            return self._problem(reply.body)
        return _json(reply.status, reply.position, reply.body)

    def _problem(self, problem: Problem) -> web.Response:
        self._metrics.refusals.labels(problem.code).inc()
        position = self._accounts.position if problem.position is None else problem.position
        response = _json(problem.status, position, problem, "application/problem+json")
        if problem.status == web.HTTPUnauthorized.status_code:
            response.headers["WWW-Authenticate"] = "Bearer"
        if problem.retryable:
            response.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
        return response


class _Operations:
    """What whoever runs the OMS asks; nothing here says what anybody trades."""

    def __init__(
        self,
        accounts: Accounts,
        *,
        reads: Reads,
        log: MessageLog,
        spawn: Spawn,
        metrics: Metrics,
        venues: VenueMetrics,
        promises: Mapping[str, Promise],
        alerts: Mapping[str, Alert],
        lag_max: int,
    ) -> None:
        self._accounts = accounts
        self._head = Asked(log.head, spawn)
        self._read = Asked(reads.position, spawn)
        self._metrics = metrics
        self._venues = venues
        self._promises = promises
        self._alerts = alerts
        self._lag_max = lag_max
        self._document = document()

    async def live(self, _: web.Request) -> web.Response:
        position = self._accounts.position
        return _json(200, position, Health(ok=True, position=position))

    async def ready(self, _: web.Request) -> web.Response:
        engines = self._accounts.engines.values()
        health = await readiness(
            engines, self._head, self._read, self._promises, alerts=self._alerts, lag_max=self._lag_max
        )
        return _json(200 if health.ok else 503, health.position, health)

    async def figures(self, _: web.Request) -> web.Response:
        try:
            read = await self._read()
        except LogUnavailableError:
            read = 0  # a scrape must not fail because the database does: the lag shows it
        self._venues.look()
        body = self._metrics.scrape(log=self._accounts.position, read=read)
        return web.Response(body=body, content_type="text/plain", charset="utf-8")

    async def description(self, _: web.Request) -> web.Response:
        return web.Response(body=self._document, content_type="application/json")


async def _body(route: Route, request: web.Request) -> Any:  # noqa: ANN401  # of the route's type
    if route.body is None:
        return None
    try:
        raw = await request.read()
    except ConnectionError as error:
        raise _HungUpError from error
    return route.body() if route.body_optional and not raw else decode_body(route.body, raw)


def _json(status: int, position: int, body: View | Problem, media: str = "application/json") -> web.Response:
    return web.Response(status=status, body=encode(body), content_type=media, headers={POSITION_HEADER: str(position)})


def _refusal(error: web.HTTPException, request: web.Request) -> OmsError:
    match error:
        case web.HTTPRequestEntityTooLarge():
            return BodyTooLargeError(f"a body is at most {BODY_MAX} bytes")
        case web.HTTPMethodNotAllowed():
            return MethodNotAllowedError(f"{request.path[:100]} does not take {request.method}")
        case web.HTTPBadRequest() | web.HTTPUpgradeRequired():
            return UpgradeRequiredError(f"{request.path[:100]} is a WebSocket")
        case _:
            return NotFoundError(f"nothing is at {request.path[:100]}")


class Server:
    """A gateway that listens. `url` is its address."""

    def __init__(self, runner: web.AppRunner, url: str) -> None:
        self._runner = runner
        self.url = url

    async def close(self) -> None:
        """Take no more requests, tell every stream where to resume, finish what is under way."""
        await self._runner.cleanup()
        if self.url.startswith(UNIX):
            Path(self.url.removeprefix(UNIX)).unlink(missing_ok=True)  # noqa: ASYNC240 - nothing is under way any more


async def serve(application: web.Application, settings: Settings) -> Server:
    """Listen as `settings` say.

    Raises:
        UnsafeBindError: that would be beyond this machine without TLS.
        PortTakenError: another program listens there.
        CannotListenError: the address is not this machine's, or the certificate cannot be used.
    """
    tls = settings.certificate is not None
    runner = web.AppRunner(application, access_log=None, handle_signals=False, shutdown_timeout=SHUTDOWN_SECONDS)
    if settings.socket is not None:
        return await _serve_socket(runner, settings.socket)
    require_safe_bind(settings.host, tls=tls, auth=True)
    await runner.setup()
    try:
        site = web.TCPSite(runner, settings.host, settings.port, ssl_context=_tls(settings))
        await site.start()
    except OSError as error:  # ssl's errors are among them
        await runner.cleanup()
        where = f"{settings.host}:{settings.port}"
        if error.errno == errno.EADDRINUSE:
            raise PortTakenError(f"another program listens on {where}") from error
        raise CannotListenError(f"cannot listen on {where}: {error.strerror or error}") from error
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return Server(runner, f"{'https' if tls else 'http'}://{host}:{runner.addresses[0][1]}")


async def _serve_socket(runner: web.AppRunner, place: str) -> Server:
    """Listen on a unix socket that nobody but its owner may open. Raises PortTakenError, CannotListenError."""
    path = free_socket(place)
    await runner.setup()
    before = os.umask(0o177)
    try:
        await web.UnixSite(runner, path).start()
    except OSError as error:
        await runner.cleanup()
        raise CannotListenError(f"cannot listen on {path}: {error.strerror or error}") from error
    finally:
        os.umask(before)
    return Server(runner, f"{UNIX}{path}")


def _tls(settings: Settings) -> ssl.SSLContext | None:
    if settings.certificate is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(settings.certificate, settings.key)
    return context
