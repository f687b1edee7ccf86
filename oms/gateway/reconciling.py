"""What an operator asks about the venue: its breaks, a comparison with it, and what that would append."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final, Protocol

import msgspec
from prometheus_client import CollectorRegistry, Gauge, Histogram

from oms.account.state import Account
from oms.answers import Receipt
from oms.breaks.decisions import Disagreement, ExplainBreak, ResolveBreak
from oms.breaks.events import BreakKind
from oms.engine import Engine
from oms.errors import LogUnavailableError, OvertakenError, UnknownBreakError, VenueUnreachableError
from oms.gateway.auth import Accounts, Caller
from oms.gateway.bodies import BreakBody, ReconcileBody, checked_text
from oms.gateway.health import lost_calls
from oms.gateway.operations import AccountBreaks, Comparison, Comparisons, OpenBreak, Would
from oms.ports import Clock, Ids, NewEvent
from oms.reconcile import Part
from oms.rehearsal import Rehearsed
from oms.standing import Standing
from oms.survey import Survey
from oms.values import AccountId, Provenance
from oms.venue import NoAnswerError

_DELAYS: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 120.0)


class Watching(Protocol):
    """What keeps one account in step with its venue (`oms.watcher`)."""

    @property
    def survey(self) -> Survey: ...
    @property
    def standing(self) -> Standing | None: ...
    @property
    def live(self) -> bool:
        """Whether the private stream is a witness now."""
        ...

    @property
    def complete_seconds_ago(self) -> float | None:
        """How long ago a comparison was last complete; None: never."""
        ...

    @property
    def skew_ms(self) -> float:
        """How far the venue's clock was ahead of ours when last measured."""
        ...

    async def compare(self) -> bool:
        """Compare everything once; whether all of it could be asked. Raises NoAnswerError, LogUnavailableError."""
        ...

    async def compare_well(self) -> Standing:
        """Compare until what disagrees counts; return how it stands. Raises as `compare`."""
        ...

    async def rehearse(self) -> Rehearsed:
        """Compare, and return what that would append; nothing is."""
        ...


class Reconciling:
    """Everything an operator can ask and order about the venue."""

    def __init__(self, accounts: Accounts, watchers: Mapping[AccountId, Watching], ids: Ids) -> None:
        self._accounts = accounts
        self._watchers = watchers
        self._ids = ids

    async def reconcile(self, caller: Caller, body: ReconcileBody) -> Comparisons:
        """Compare with the venue now, on every account the token sees if none is named.

        Raises:
            VenueUnreachableError, LogUnavailableError: the comparison broke off.
        """
        compared = [
            await self._compare(engine, self._watchers[engine.account], dry_run=body.dry_run)
            for engine in self._accounts.visible(caller, body.account)
            if engine.account in self._watchers
        ]
        return Comparisons(position=self._accounts.position, items=compared)

    async def explain(self, caller: Caller, body: BreakBody) -> AccountBreaks:
        """Say what an open break comes from. Raises UnknownBreakError."""
        engine = self._broken(caller, body)
        reason = checked_text(body.reason, "reason")
        command = ExplainBreak(account=engine.account, break_id=body.break_id, reason=reason)
        receipt = await engine.execute(command, actor=caller.strategy, cause=self._ids.next())
        return open_breaks(caller, engine, receipt)

    async def resolve(self, caller: Caller, body: BreakBody) -> AccountBreaks:
        """End an open break by a person's word; a balance, which is taken over by that, is looked at first.

        Raises:
            UnknownBreakError, OvertakenError: it is no more, or has moved.
            VenueUnreachableError, LogUnavailableError: nobody could look at it; it stays.
        """
        engine = self._broken(caller, body)
        reason = checked_text(body.reason, "reason")
        await self._look_at(engine, body.break_id)
        command = ResolveBreak(account=engine.account, break_id=body.break_id, reason=reason)
        receipt = await engine.execute(command, actor=caller.strategy, cause=self._ids.next())
        return open_breaks(caller, engine, receipt)

    def _broken(self, caller: Caller, body: BreakBody) -> Engine:
        """Return the engine of the account that a break is of. Raises UnknownBreakError for another token's market."""
        engine = self._accounts.one(caller, body.account)
        known = engine.book.account.breaks.open.get(body.break_id)
        if known is not None and known.symbol is not None and not caller.trades(known.symbol):
            raise UnknownBreakError(f"no break {body.break_id} is open on account {engine.account}")
        return engine

    async def _look_at(self, engine: Engine, break_id: str) -> None:
        """See that a balance differs as its break says. Raises as `resolve`."""
        seen = engine.book.account.breaks.open.get(break_id)
        if seen is None or seen.kind is not BreakKind.BALANCE:
            return
        try:
            with _said_to_break_off(engine.account):
                await self._watchers[engine.account].compare()
            found = _found(self._watchers[engine.account].standing, break_id)
        except (VenueUnreachableError, LogUnavailableError) as error:
            error.outcome = "none"  # of the break
            raise
        if break_id in engine.book.account.breaks.open and (found is None or found.difference != seen.difference):
            now = "they agree" if found is None else f"here it is {found.ours}, and the venue says {found.theirs}"
            raise OvertakenError(
                f"{break_id} was seen as {seen.ours} here and {seen.theirs} at the venue: {now} by now",
                next_step="compare again, with oms reconcile, and resolve what is still open then",
            )

    async def _compare(self, engine: Engine, watching: Watching, *, dry_run: bool) -> Comparison:
        with _said_to_break_off(engine.account):
            if dry_run:
                rehearsed = await watching.rehearse()
                return comparison(engine.account, rehearsed.standing, rehearsed.events)
            return comparison(engine.account, await watching.compare_well(), ())


def _found(standing: Standing | None, break_id: str) -> Disagreement | None:
    """Return what was found of a break; None where it agrees. Raises VenueUnreachableError: that could not be asked."""
    assert standing is not None, "it was compared just now"
    found = next((each for each in standing.disagreements if each.break_id == break_id), None)
    if found is None and standing.failures:
        causes = "; ".join(f"{part}: {cause}" for part, cause in standing.failures.items())
        raise VenueUnreachableError(f"nobody can tell what {break_id} comes to now: {causes}")
    return found


@contextmanager
def _said_to_break_off(account: AccountId) -> Iterator[None]:
    """Say of a comparison that broke off that it did. Raises VenueUnreachableError, LogUnavailableError."""
    try:
        yield
    except NoAnswerError as error:
        raise VenueUnreachableError(f"the comparison of {account} broke off: {error.cause}") from error
    except LogUnavailableError as error:
        raise LogUnavailableError(
            f"the comparison of {account} broke off: {error.cause}",
            next_step="ask again once the database is back: what was recorded meanwhile stays",
        ) from error


def comparison(account: AccountId, standing: Standing, events: Sequence[NewEvent]) -> Comparison:
    """Return how a comparison went, as it is shown."""
    return Comparison(
        account=account,
        result=standing.result.value,
        failures={part.value: cause for part, cause in standing.failures.items()},
        disagreements={each.break_id: (each.ours, each.theirs) for each in standing.disagreements},
        orders={name: sighting.value for name, sighting in standing.orders.items()},
        events=[
            Would(stream=event.stream, version=event.version, type=event.topic, data=_body(event.state))
            for event in events
        ],
    )


def open_breaks(caller: Caller, engine: Engine, receipt: Receipt) -> AccountBreaks:
    """Return the breaks that `caller` sees of those that were open when the receipt's command became durable: memory
    may hold more than the log.
    """
    account = receipt.state
    assert isinstance(account, Account)
    return AccountBreaks(
        position=receipt.position,
        account=engine.account,
        items=[
            OpenBreak(
                break_id=each.break_id,
                kind=each.kind.value,
                ours=each.ours,
                theirs=each.theirs,
                explanation=each.explanation,
            )
            for each in account.breaks.open.values()
            if each.symbol is None or caller.trades(each.symbol)
        ],
    )


def _body(state: bytes) -> Mapping[str, Any]:
    return msgspec.json.decode(state, type=dict[str, Any])


class VenueMetrics:
    """The figures of what is between us and the venue."""

    def __init__(
        self,
        registry: CollectorRegistry,
        engines: Sequence[Engine],
        watchers: Mapping[AccountId, Watching],
        clock: Clock,
    ) -> None:
        self._engines = engines
        self._watchers = watchers
        self._clock = clock
        self._delay = Histogram(
            "oms_fill_delay_seconds",
            "From a trade to its booking, by the witness that told first",
            ["account", "source"],
            buckets=_DELAYS,
            registry=registry,
        )
        self._failed = Gauge(
            "oms_reconciliation_failed", "Whether a part could not be compared", ["account", "part"], registry=registry
        )
        self._age = Gauge(
            "oms_reconciliation_age_seconds", "Since a comparison was complete", ["account"], registry=registry
        )
        self._ahead = Gauge(
            "oms_venue_clock_ahead_seconds",
            "How far the venue's clock is ahead of ours: requests are corrected by it",
            ["account"],
            registry=registry,
        )
        self._live = Gauge("oms_stream_live", "Whether the private stream is heard", ["account"], registry=registry)
        self._breaks = Gauge("oms_breaks_open", "Open breaks", ["account", "kind"], registry=registry)
        self._oldest = Gauge(
            "oms_break_age_seconds", "How long the oldest break is open", ["account"], registry=registry
        )
        self._quarantined = Gauge(
            "oms_payloads_quarantined", "Payloads that nobody here could read", ["account"], registry=registry
        )
        self._lost = Gauge(
            "oms_venue_call_lost", "Calls that the venue has retired", ["account", "market", "call"], registry=registry
        )
        for account, watching in watchers.items():
            watching.survey.on_fill.append(self._heard(account))

    def _heard(self, account: AccountId) -> "_Heard":
        return _Heard(self._delay, account)

    def look(self) -> None:
        """Take the figures of now."""
        self._lost.clear()
        for engine in self._engines:
            for market, calls in lost_calls(engine).items():
                for call in calls:
                    self._lost.labels(engine.account, market, call).set(1)
        for account, watching in self._watchers.items():
            failures = {} if watching.standing is None else watching.standing.failures
            for part in Part:
                self._failed.labels(account, part.value).set(part in failures or watching.standing is None)
            ago = watching.complete_seconds_ago
            self._age.labels(account).set(float("inf") if ago is None else ago)
            self._live.labels(account).set(watching.live)
            self._ahead.labels(account).set(watching.skew_ms / 1000)
        for engine in self._engines:
            self._quarantined.labels(engine.account).set(len(engine.book.account.quarantined))
            breaks = engine.book.account.breaks.open.values()
            for kind in BreakKind:
                self._breaks.labels(engine.account, kind.value).set(sum(each.kind is kind for each in breaks))
            oldest_ns = min((each.opened_ns for each in breaks), default=None)
            age = 0.0 if oldest_ns is None else (self._clock.now_ns() - oldest_ns) / 1e9
            self._oldest.labels(engine.account).set(max(age, 0.0))


class _Heard:
    """Counts how late the trades of one account were told."""

    def __init__(self, delay: Histogram, account: AccountId) -> None:
        self._delay = delay
        self._account = account

    def __call__(self, source: Provenance, seconds: float) -> None:
        self._delay.labels(self._account, source.value).observe(seconds)
