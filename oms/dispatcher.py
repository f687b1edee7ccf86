"""From committed intents to venue calls, and from their answers to reports.

Nothing is sent that the log does not hold: the engine hands intents over after their commit. One call per intent, never
repeated blindly; what an answer does not settle is left in doubt for the watcher to settle by asking.
"""

import asyncio
from collections import deque
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Final

from oms.account.state import Account
from oms.decide import Addressed
from oms.elapsed import Elapsed
from oms.engine import Engine
from oms.errors import FencedError
from oms.evidence import concluded, kept
from oms.folding import Fact
from oms.obstacles import barred
from oms.order.amends import Amend
from oms.order.events import AmendRequested, CancelRequested, SendStarted, VenueAccepted
from oms.order.messages import (
    AmendRejected,
    AmendUnanswered,
    CancelRejected,
    CancelUnanswered,
    OrderNews,
    SubmitExpired,
    SubmitHalted,
    SubmitRefused,
    SubmitRepeated,
    SubmitWithdrawn,
)
from oms.order.state import MAYBE_OVER, Life, Order
from oms.ports import Clock, Ids, Spawn
from oms.proofs import settled
from oms.reports import Ack, OrderReport, Refusal, RefusalClass, Report
from oms.risk import Denial
from oms.sending import (
    FIRED,
    amend_verdict,
    amendment,
    batched,
    cancel_verdict,
    fired,
    new_order,
    not_sent,
    order_ref,
    submit_verdict,
    unknown,
)
from oms.settings import Settings
from oms.values import Provenance, Symbol
from oms.venue import Answer, Evidence, NoAnswerError, Venue

AGAIN_SECONDS: Final = 3.0  # a cancel that has not ended its order by then is sent again
UNASKED_SECONDS: Final = 12.0  # where nobody could ask meanwhile whether it has
BACK_OFF_SECONDS: Final = (0.25, 1.0)  # before the second and the third send of one order
SOON_SECONDS: Final = 0.05  # between looks whether a halt, or its end, has become durable
HANDED_LOOKS: Final = 100  # after which nobody hands out what memory knows


class Dispatcher:
    """Sends what one account's engine has committed."""

    def __init__(self, engine: Engine, venue: Venue, *, clock: Clock, ids: Ids, spawn: Spawn) -> None:
        self._engine = engine
        self._venue = venue
        self._clock = clock
        self._ids = ids
        self._spawn = spawn
        self._logged = engine.book.account  # as the log has it: memory runs ahead
        self._sending: dict[str, asyncio.Event] = {}  # streams whose submit is not answered yet
        self._unsettled: set[tuple[str, int]] = set()  # sends, by stream and attempt, whose end is not in the log yet
        self._wanted_until: dict[str, float] = {}  # until when an order that is held back for rates is worth sending
        self._paused: dict[str, asyncio.Event] = {}  # streams that are held back; set: look again
        self._cancelling: set[str] = set()  # streams whose cancel is not answered yet
        self._amending: dict[str, deque[str]] = {}  # changes by stream whose answers are awaited, the first one's first
        self._changes = Elapsed(clock)  # answered changes that do not show yet
        self._cancelled: dict[str, float] = {}  # when a cancel was last sent, for streams of the last few seconds
        self._settings = Settings(engine, venue, clock=clock, ids=ids, spawn=spawn)
        engine.on_commit.append(self._handed)
        engine.on_recovered.append(self._recovered)

    @property
    def in_flight(self) -> int:
        """Calls whose answers are awaited."""
        return len(self._sending) + len(self._cancelling) + len(self._amending)

    async def drain(self, seconds: float) -> bool:
        """Wait for the answers of what is under way, at most `seconds`; whether all of them came."""
        deadline = self._clock.monotonic() + seconds
        while self.in_flight and self._clock.monotonic() < deadline:  # noqa: ASYNC110  # bounded by the deadline
            await asyncio.sleep(0.01)
        return not self.in_flight

    def begin(self) -> None:
        """Go on with what the process before this one left: both sides are compared by now."""
        self._settings.begin()
        self.resume_cancels()

    def resume_cancels(self, unasked: Collection[str] = ()) -> None:
        """Send the cancels again that still wait for their order's end after a while: cancelling twice is safe. Those
        of orders that just could not be asked for, and may be over, after a longer one. Look whether changes were
        applied that should show by now.

        What is not committed yet is left to its commit.
        """
        now, soon, late = self._clock.monotonic(), AGAIN_SECONDS, UNASKED_SECONDS
        sent = self._cancelled.items()
        self._cancelled = {stream: at for stream, at in sent if now - at < (late if stream in unasked else soon)}
        uncommitted = self._engine.uncommitted()
        book = self._engine.book
        due = {
            stream: book.orders[stream]
            for stream in book.unsettled
            if stream not in self._cancelled and stream not in uncommitted
        }
        self._cancel_pending(due)
        changes = {(stream, each.request_id) for stream in book.unsettled for each in book.orders[stream].amends}
        self._changes.keep(changes)
        for stream, order in due.items():
            if order.amends and stream not in self._amending:
                self._look_for_amends(stream, order)

    def _recovered(self) -> None:
        """Doubt what nobody here answers for, before anybody is woken who might place more."""
        self._logged = self._engine.book.account
        changing = {(stream, each) for stream, waiting in self._amending.items() for each in waiting}
        with suppress(FencedError):  # the account's new writer doubts them as it starts
            self._engine.doubt_unsent("the log was lost while sending", self._unsettled, changing)
            self.resume_cancels()

    def _handed(self, committed: Sequence[Fact]) -> None:
        ending: dict[str, Order] = {}
        for stream, event, order in committed:
            if isinstance(order, Account):
                self._logged = order
            if not isinstance(order, Order):
                continue
            match event:
                case SendStarted():
                    self._sending[stream] = asyncio.Event()
                    self._unsettled.add((stream, order.attempts))
                    if event.attempt == 1:
                        validity = self._venue.capabilities(order.request.symbol).submit_validity
                        self._wanted_until[stream] = self._clock.monotonic() + validity
                    self._spawn(self._submit(stream, order), name=f"submit {stream}")
                case CancelRequested() | VenueAccepted():
                    ending[stream] = order
                case AmendRequested():
                    waiting = self._amending.get(stream)
                    if waiting is not None:
                        waiting.append(event.request_id)
                    else:
                        self._amending[stream] = deque([event.request_id])
                        self._spawn(self._amend(stream), name=f"amend {stream}")
                case _:
                    pass
        if ending:
            self._cancel_pending(ending)

    def _cancel_pending(self, orders: Mapping[str, Order]) -> None:
        """Send the cancels that orders, by stream, wait for, unless one is on its way: those of one market together, as
        many as its venue takes at once. One in doubt is cancelled once found.
        """
        together: dict[Symbol, dict[str, str]] = {}
        for stream, order in orders.items():
            sendable = order.life is Life.WORKING or stream in self._sending
            if order.cancels and stream in self._paused:
                self._paused[stream].set()
            if not order.cancels or not sendable or stream in self._cancelling:
                continue
            self._cancelling.add(stream)
            self._cancelled[stream] = self._clock.monotonic()
            if stream in self._sending or order.waits:
                self._spawn(self._cancel(stream, order.cancels[0]), name=f"cancel {stream}")
            else:
                together.setdefault(order.request.symbol, {})[stream] = order.cancels[0]
        for symbol, pending in together.items():
            can = self._venue.capabilities(symbol)
            most = 1 if "cancel_many" in can.lost else can.cancels_at_once
            for part in batched(pending.items(), most):
                self._spawn_cancels(dict(part))

    def _spawn_cancels(self, pending: Mapping[str, str]) -> None:
        if len(pending) > 1:
            self._spawn(self._cancel_together(pending), name=f"cancel {len(pending)} orders")
        for stream, request_id in pending.items() if len(pending) == 1 else ():
            self._spawn(self._cancel(stream, request_id), name=f"cancel {stream}")

    # ------------------------------------------------------------------------------------------------ submit

    async def _submit(self, stream: str, order: Order) -> None:
        answered = self._sending[stream]
        news: OrderNews | None = None
        try:
            news, evidence = await self._ask_submit(stream, order)
            if isinstance(news, SubmitRepeated):
                await asyncio.sleep(BACK_OFF_SECONDS[min(order.attempts, len(BACK_OFF_SECONDS)) - 1])
                if self._is_canceled(stream) and not self._is_over_time(order):
                    news = SubmitWithdrawn()
            messages = () if evidence is None else kept(evidence, self._ids, self._clock)
            await self._engine.report([(stream, news)], evidence=messages)
        except FencedError:
            pass  # the account's new writer will ask the venue what became of it
        finally:
            if self._sending.get(stream) is answered:  # a repeat is handed out within the report
                del self._sending[stream]
            self._unsettled.discard((stream, order.attempts))
            if not isinstance(news, SubmitRepeated):
                self._wanted_until.pop(stream, None)
            answered.set()

    def _stops(self, order: Order) -> tuple[Denial | None, Denial | None]:
        """Return what stops an order by now, by the log, and by what memory is ahead of it with."""
        decider, at_ns = self._engine.decider, self._clock.now_ns()
        by = partial(barred, order.request, policy=decider.policy, plan=decider.wind_down, at_ns=at_ns)
        return by(self._logged), by(self._engine.book.account)

    def _stopped(self, order: Order) -> Denial | None:
        """Return what stops an order: the last look before the wire (S18, S61)."""
        logged, ahead = self._stops(order)
        return logged or ahead

    def _is_over_time(self, order: Order) -> bool:
        expires_ns = order.request.expires_ns
        return expires_ns is not None and expires_ns <= self._clock.now_ns()

    def _holds(self, stream: str, order: Order, change: Amend | None = None) -> str | None:
        if self._is_over_time(order):
            return "its time has run out"
        if self._is_canceled(stream):
            return "its end was asked for"
        if change is not None and fired(self._engine.book.orders.get(stream, order), change):
            return FIRED
        stop = self._stopped(order)
        return None if stop is None else f"{stop.limit}: {stop.detail}"

    def _holds_send(self, stream: str, order: Order) -> str | None:
        return self._holds(stream, order) or (None if self._is_wanted(stream) else "it was wanted sooner")

    async def _ask_submit(self, stream: str, order: Order) -> tuple[OrderNews, Evidence | None]:
        """Send an order once it may leave. What the venue's rates hold back waits for its turn while it is wanted: it
        certainly did not leave, so waiting costs no attempt.
        """
        while True:
            logged, ahead = self._stops(order)
            if logged is not None and ahead is not None:
                return SubmitHalted(limit=logged.limit, reason=logged.detail), None
            if self._is_over_time(order):
                return SubmitExpired(), None
            if self._is_canceled(stream):
                return SubmitWithdrawn(), None
            if not self._is_wanted(stream):  # the log may have been away for long between two sends
                return SubmitRefused(reason="not_sent", text="it could not leave while it was wanted"), None
            if logged is not None or ahead is not None:  # a stop begins or ends, and its commit may still fail
                if not await self._pause(stream, SOON_SECONDS):
                    unsaid = "the log could not say whether it still is"
                    return SubmitRefused(reason="trading_halted", text=unsaid), None
                continue
            try:
                answer = await self._venue.submit(new_order(order), last_look=lambda: self._holds_send(stream, order))
            except NoAnswerError as error:
                if error.sent:
                    return unknown(error.cause, self._valid_until_ns(order)), error.evidence
                if self._holds_send(stream, order) is not None:
                    continue
                if error.again_seconds is None:
                    return not_sent(order, "not_sent", error.cause), error.evidence
                if not await self._pause(stream, error.again_seconds):
                    return SubmitRefused(reason="rate_limit", text=error.cause[:200]), error.evidence
                continue
            return self._verdict(order, answer), answer.evidence

    async def _pause(self, stream: str, seconds: float) -> bool:
        """Wait so long, or until the order's end is asked for; False at once where nobody wants it any more by then."""
        if not self._is_wanted(stream, seconds):
            return False
        woken = self._paused[stream] = asyncio.Event()
        try:
            async with asyncio.timeout(seconds):
                await woken.wait()
        except TimeoutError:
            pass
        finally:
            self._paused.pop(stream, None)
        return True

    def _is_wanted(self, stream: str, seconds: float = 0.0) -> bool:
        """Whether it is still worth sending an order in so many seconds."""
        return self._clock.monotonic() + seconds <= self._wanted_until.get(stream, 0.0)

    def _is_canceled(self, stream: str) -> bool:
        """Whether the log holds that the order's end was asked for."""
        order = self._engine.book.orders.get(stream)
        return order is not None and bool(order.cancels) and stream not in self._engine.uncommitted()

    def _verdict(self, order: Order, answer: Answer) -> OrderNews:
        return submit_verdict(order, answer.reports, self._valid_until_ns(order))

    def _valid_until_ns(self, order: Order) -> int:
        """Return until when a request that has left may still be executed."""
        return self._clock.now_ns() + int(self._venue.capabilities(order.request.symbol).submit_validity * 1e9)

    # ------------------------------------------------------------------------------------------------ amend

    async def _amend(self, stream: str) -> None:
        """Send the changes of one order, one after the other: the venue must not meet them in another order."""
        waiting = self._amending[stream]
        try:
            await self._until_sent(stream)  # a change that overtakes its order finds nothing to change
            while waiting:
                await self._amend_once(stream, waiting[0])
                waiting.popleft()
        except FencedError:
            pass
        finally:
            self._amending.pop(stream, None)

    async def _until_sent(self, stream: str) -> None:
        """Wait while an order is being sent, also once more, of which memory may know before it is handed out."""
        looks = 0
        while (sending := self._sending.get(stream)) is not None or (self._is_sending(stream) and looks < HANDED_LOOKS):
            looks += sending is None
            await (asyncio.sleep(SOON_SECONDS) if sending is None else sending.wait())

    def _is_sending(self, stream: str) -> bool:
        order = self._engine.book.orders.get(stream)
        return order is not None and order.life is Life.SENDING

    async def _amend_once(self, stream: str, request_id: str) -> None:
        began, asked = self._clock.monotonic(), None
        while asked is None:
            order = self._engine.book.orders.get(stream)
            changes = () if order is None else order.amends
            change = next((each for each in changes if each.request_id == request_id), None)
            if order is None or change is None:
                return  # the order's end was faster
            asked = await self._ask_amend(stream, order, change, self._clock.monotonic() - began)
            if asked is None:
                await asyncio.sleep(SOON_SECONDS)
        news, evidence = asked
        messages = () if evidence is None else kept(evidence, self._ids, self._clock)
        await self._engine.report([(stream, news)], evidence=messages)

    async def _ask_amend(
        self, stream: str, order: Order, change: Amend, waited: float
    ) -> tuple[OrderNews, Evidence | None] | None:
        """Send a change if it may leave. None: a stop begins or ends, and its commit may still fail; it is looked at
        again soon, while the change is wanted.
        """
        request_id = change.request_id
        over = fired(order, change) if order.life is Life.WORKING else "not_working"
        if over is not None:
            return AmendRejected(request_id=request_id, reason=over), None
        logged, ahead = self._stops(order)
        if (stop := logged or ahead) is not None:
            wanted = waited < self._venue.capabilities(order.request.symbol).submit_validity
            if wanted and (logged is None or ahead is None):
                return None
            return AmendRejected(request_id=request_id, reason=stop.limit, text=stop.detail), None
        try:
            hold = partial(self._holds, stream, order, change)
            answer = await self._venue.amend(amendment(order, change), last_look=hold)
        except NoAnswerError as error:
            if not error.sent and self._stopped(order) is not None:
                return None
            if not error.sent:
                return AmendRejected(request_id=request_id, reason="not_sent", text=error.cause[:200]), error.evidence
            until_ns = self._valid_until_ns(order)
            lost = AmendUnanswered(request_id=request_id, reason=error.cause[:200], valid_until_ns=until_ns)
            return lost, error.evidence
        until_ns = self._valid_until_ns(order)
        return amend_verdict(request_id, answer.reports, until_ns, order.venue_order_id), answer.evidence

    def _look_for_amends(self, stream: str, order: Order) -> None:
        """Ask for an order whose changes should show by now."""
        can = self._venue.capabilities(order.request.symbol)
        answered = [each.request_id for each in order.amends if each.valid_until_ns]
        due = deque(name for name in answered if settled(self._changes.seconds((stream, name)), can))
        if due and order.life is Life.WORKING:
            self._amending[stream] = due
            self._spawn(self._settle_amends(stream, tuple(due)), name=f"settle the changes of {stream}")

    async def _settle_amends(self, stream: str, due: Sequence[str]) -> None:
        """Record what the venue shows of an order; a change that it does not show by now was not applied."""
        try:
            order = self._engine.book.orders[stream]
            answer = await self._venue.order(order_ref(order))
            shown = [report for report in answer.reports if isinstance(report, OrderReport)]
            if shown:
                news: list[Addressed] = [(stream, each) for each in shown]
                # Once the price has come, nobody can tell which one the order had waited for.
                reason = "not_applied" if order.waits or not order.conditional else FIRED
                overtaken = {each.request_id for each in order.amends if each.overtaken}
                reasons = {name: "overtaken" if name in overtaken else reason for name in due}
                news += [(stream, AmendRejected(request_id=name, reason=why)) for name, why in reasons.items()]
                evidence = kept(answer.evidence, self._ids, self._clock)
                await self._engine.report(concluded(news, evidence), source=Provenance.POLL, evidence=evidence)
            else:
                await asyncio.sleep(AGAIN_SECONDS)
        except NoAnswerError:
            await asyncio.sleep(AGAIN_SECONDS)
        except FencedError:
            pass
        finally:
            waiting = self._amending.pop(stream)
            if len(waiting) > len(due):  # asked for meanwhile
                self._amending[stream] = deque(list(waiting)[len(due) :])
                self._spawn(self._amend(stream), name=f"amend {stream}")

    # ------------------------------------------------------------------------------------------------ cancel

    async def _cancel(self, stream: str, request_id: str) -> None:
        try:
            sending = self._sending.get(stream)
            if sending is not None:
                await sending.wait()  # a cancel that overtakes its order finds nothing to cancel
            order = self._engine.book.orders.get(stream)
            if order is None or request_id not in order.cancels or order.life is not Life.WORKING:
                return
            answer = await self._ask_cancel(order, request_id)
            if answer is not None and not _outrun(order, self._engine.book.orders.get(stream), answer[0]):
                news, evidence = answer
                await self._engine.report([(stream, news)], evidence=kept(evidence, self._ids, self._clock))
        except FencedError:
            pass
        finally:
            self._cancelling.discard(stream)

    async def _ask_cancel(self, order: Order, request_id: str) -> tuple[OrderNews, Evidence] | None:
        """Return what is known of a cancel now; None: nothing new, as it never left, or was turned away. It is sent
        again.
        """
        try:
            answer = await self._venue.cancel(order_ref(order))
        except NoAnswerError as error:
            if not error.sent:
                return None
            return CancelUnanswered(request_id=request_id, reason=error.cause[:200]), error.evidence
        said = next((each for each in answer.reports if isinstance(each, Ack | Refusal)), None)
        if _turned_away(said):
            return None
        return cancel_verdict(request_id, said), answer.evidence

    async def _cancel_together(self, pending: Mapping[str, str]) -> None:
        """Send the cancels of several orders of one market, `pending` by stream, in one call: each has its own answer,
        and what the call leaves open is open for each of them.
        """
        try:
            book = self._engine.book
            orders = {stream: book.orders[stream] for stream in pending if stream in book.orders}
            due = [
                (stream, order)
                for stream, order in orders.items()
                if pending[stream] in order.cancels and order.life is Life.WORKING
            ]
            if not due:
                return  # their ends were faster
            said: Sequence[Report]
            try:
                answer = await self._venue.cancel_many([order_ref(order) for _, order in due])
                said, evidence = answer.reports, answer.evidence
                unheard = None
            except NoAnswerError as error:
                if not error.sent:
                    return  # they are sent again
                said, evidence, unheard = (), error.evidence, error.cause[:200]
            by_name = {each.client_order_id: each for each in said if isinstance(each, Ack | Refusal)}
            news: list[Addressed] = []
            for stream, order in due:
                request_id = pending[stream]
                if unheard is not None:
                    news.append((stream, CancelUnanswered(request_id=request_id, reason=unheard)))
                    continue
                own = by_name.get(order.request.client_order_id)
                if not _turned_away(own or by_name.get(None)):
                    news.append((stream, cancel_verdict(request_id, own)))
            if news:
                await self._engine.report(news, evidence=kept(evidence, self._ids, self._clock))
        except FencedError:
            pass
        finally:
            self._cancelling.difference_update(pending)


def _outrun(asked: Order, now: Order | None, news: OrderNews) -> bool:
    """Whether an order that waited is over for the venue as it has fired meanwhile, which is known by now: its cancel
    stays pending, and goes to what it has become.
    """
    fired = now is not None and asked.waits and now.triggered
    return fired and isinstance(news, CancelRejected) and news.reason in MAYBE_OVER


def _turned_away(said: Ack | Refusal | None) -> bool:
    """Whether the venue did nothing for certain, and will take the same again: there is nothing to write down."""
    return isinstance(said, Refusal) and said.klass in {RefusalClass.TRANSIENT, RefusalClass.RATE_LIMIT}
