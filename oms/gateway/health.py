"""Whether this OMS keeps its promises, one by one."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Final, Protocol

from oms.engine import Engine
from oms.errors import LogUnavailableError
from oms.gateway.operations import Check, Health
from oms.heartbeat import COMMIT_SECONDS
from oms.lease import Lease
from oms.ports import Spawn

READ_MODELS: Final = "read models"
ANSWER_SECONDS: Final = 0.8  # that the database has to say something; whoever asks for health may wait two

Promise = Callable[[], str | None]  # what is broken, None while it is kept
Alert = Callable[[], str | None]  # what a person should look at, None while there is nothing


class Asked:
    """Asks the database how far something is, one question at a time: nobody adds to what waits while it is silent."""

    def __init__(self, ask: Callable[[], Awaitable[int]], spawn: Spawn) -> None:
        self._ask = ask
        self._spawn = spawn
        self._answer: asyncio.Future[int | LogUnavailableError] | None = None

    async def __call__(self) -> int:
        """Return the position. Raises LogUnavailableError, within a second."""
        if self._answer is None or self._answer.done():
            self._answer = asyncio.get_running_loop().create_future()
            self._spawn(self._fill(self._answer), name="health")
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                found = await asyncio.shield(self._answer)
        except TimeoutError as error:
            raise LogUnavailableError(f"the database has not answered within {ANSWER_SECONDS} seconds") from error
        if isinstance(found, LogUnavailableError):
            raise found
        return found

    async def _fill(self, answer: asyncio.Future[int | LogUnavailableError]) -> None:
        try:
            answer.set_result(await self._ask())
        except LogUnavailableError as error:
            answer.set_result(error)


class Follower(Protocol):
    """What writes the read models."""

    @property
    def trouble(self) -> str | None:
        """Why nothing moves, if nothing does."""
        ...

    def broken(self) -> str | None:
        """Return why nothing has moved for long; None while it does."""
        ...


async def readiness(
    engines: Iterable[Engine],
    head: Asked,
    read: Asked,
    promises: Mapping[str, Promise],
    *,
    alerts: Mapping[str, Alert],
    lag_max: int,
) -> Health:
    """Return every promise with what is broken of it: the log, which ends at `head`, the engines, the read models,
    which are at `read`, and `promises`; and, as remarks, what the `alerts` say. A silent database is waited for no
    longer than a second, and all that needs none is told all the same.
    """
    ended, reached = await asyncio.gather(head(), read(), return_exceptions=True)
    engines = list(engines)
    known = max((engine.position for engine in engines), default=0)
    position = known if isinstance(ended, BaseException) else ended
    checks = [Check(name="log", ok=not isinstance(ended, BaseException), detail=_cause(ended))]
    checks.extend(_engine(engine) for engine in engines)
    checks.extend(_calls(engine) for engine in engines if lost_calls(engine))
    checks.append(_reads(reached, position, lag_max))
    for name, promise in promises.items():
        broken = promise()
        checks.append(Check(name=name, ok=broken is None, detail=broken or ""))
    checks.extend(Check(name=name, ok=True, detail=text) for name, alert in alerts.items() if (text := alert()))
    return Health(ok=all(check.ok for check in checks), position=position, checks=checks)


def _cause(said: int | BaseException) -> str:
    """Return what the database said instead of a position. What nobody foresaw goes on up."""
    if isinstance(said, LogUnavailableError):
        return said.cause
    if isinstance(said, BaseException):
        raise said
    return ""


def _engine(engine: Engine) -> Check:
    name = f"account {engine.account}"
    if engine.fenced.is_set():
        return Check(name=name, ok=False, detail="another writer has taken it over")
    if not engine.ready:
        return Check(name=name, ok=False, detail="takes no commands: the log is away, or the OMS is stopping")
    if engine.committing_seconds > COMMIT_SECONDS:
        detail = f"the log has not said for {engine.committing_seconds:.0f} seconds what became of the last commands"
        return Check(name=name, ok=False, detail=detail)
    if not engine.trading:
        return Check(name=name, ok=False, detail="has not been reconciled with its venue yet")
    return Check(name=name, ok=True)


def fresh(lease: Lease) -> Promise:
    """Return the promise that something may leave: the gate before the venue is shut while the lease is not fresh."""
    return lambda: None if lease.fresh else "not renewed a moment ago: nothing is sent to the venue before it is"


def lost_calls(engine: Engine) -> Mapping[str, frozenset[str]]:
    """Return what a venue has retired of the calls that we know, by the market's name; nothing lost is left out."""
    decider = engine.decider
    kinds = {instrument.wallet: symbol for symbol, instrument in decider.instruments.items()}
    found = [decider.capabilities(symbol) for symbol in kinds.values()]
    return {each.name: each.lost for each in found if each.lost}


def _calls(engine: Engine) -> Check:
    """Return what is lost as a remark: what needs it is denied by name, and all the rest keeps its promises."""
    lost = [f"{name} has retired {', '.join(sorted(calls))}" for name, calls in lost_calls(engine).items()]
    return Check(name=f"calls of {engine.account}", ok=True, detail="; ".join(lost))


def _reads(reached: int | BaseException, head: int, lag_max: int) -> Check:
    if isinstance(reached, BaseException):
        return Check(name=READ_MODELS, ok=False, detail=_cause(reached))
    behind = head - reached
    detail = f"{behind} events behind, {lag_max} are allowed" if behind > 0 else ""
    return Check(name=READ_MODELS, ok=behind <= lag_max, detail=detail)
