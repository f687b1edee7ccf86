"""Whether this OMS keeps its promises, one by one."""

from collections.abc import Callable, Iterable, Mapping
from typing import Final, Protocol

from oms.engine import Engine
from oms.errors import LogUnavailableError
from oms.gateway.operations import Check, Health
from oms.gateway.reads import Reads
from oms.heartbeat import COMMIT_SECONDS
from oms.lease import Lease
from oms.ports import EventLog

READ_MODELS: Final = "read models"

Promise = Callable[[], str | None]  # what is broken, None while it is kept
Alert = Callable[[], str | None]  # what a person should look at, None while there is nothing


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
    log: EventLog,
    reads: Reads,
    promises: Mapping[str, Promise],
    *,
    alerts: Mapping[str, Alert],
    lag_max: int,
) -> Health:
    """Return every promise with what is broken of it: the log, the engines, the read models, and `promises`; and, as
    remarks, what the `alerts` say.
    """
    checks, head = [], 0
    try:
        head = await log.head()
        checks.append(Check(name="log", ok=True))
    except LogUnavailableError as error:
        checks.append(Check(name="log", ok=False, detail=error.cause))
    engines = list(engines)
    checks.extend(_engine(engine) for engine in engines)
    checks.extend(_calls(engine) for engine in engines if lost_calls(engine))
    checks.append(await _reads(reads, head, lag_max))
    for name, promise in promises.items():
        broken = promise()
        checks.append(Check(name=name, ok=broken is None, detail=broken or ""))
    checks.extend(Check(name=name, ok=True, detail=text) for name, alert in alerts.items() if (text := alert()))
    return Health(ok=all(check.ok for check in checks), position=head, checks=checks)


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


async def _reads(reads: Reads, head: int, lag_max: int) -> Check:
    try:
        behind = head - await reads.position()
    except LogUnavailableError as error:
        return Check(name=READ_MODELS, ok=False, detail=error.cause)
    detail = f"{behind} events behind, {lag_max} are allowed" if behind > 0 else ""
    return Check(name=READ_MODELS, ok=behind <= lag_max, detail=detail)
