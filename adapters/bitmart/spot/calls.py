"""The spot calls of one account: sent, read, and known by what they are good for."""

from collections.abc import Collection
from typing import Final

from adapters.bitmart.answers import Reading, Reports, bisected
from adapters.bitmart.limits import Purpose
from adapters.bitmart.refusals import OUT_OF_RANGE
from adapters.bitmart.rest import Rest
from adapters.bitmart.spot import codec, requests
from oms.values import Provenance, Symbol
from oms.venue import Answer, Evidence, LastLook, nothing_holds

LIVING_SINCE_MS: Final = 365 * 86_400_000  # further back than any live order; unasked, the venue shows 7 days (9.47)

# What is lost once the venue has switched a path off (PROTOCOL 9.51), in the words of `Capabilities.lost`.
CAPABILITY_OF: Final = {
    codec.SUBMIT_ORDER: "submit",
    codec.BATCH_ORDERS: "submit_many",
    codec.CANCEL_ORDER: "cancel",
    codec.CANCEL_ORDERS: "cancel_many",
    codec.CANCEL_ALL: "cancel_all",
    codec.QUERY_ORDER: "order",
    codec.QUERY_CLIENT_ORDER: "order_by_client_id",
    codec.QUERY_OPEN_ORDERS: "open_orders",
    codec.QUERY_HISTORY_ORDERS: "order_history",
    codec.QUERY_TRADES: "trades",
    codec.QUERY_ORDER_TRADES: "order_trades",
    codec.WALLET: "balances",
    codec.SYMBOLS_DETAILS: "instruments",
    codec.USER_FEE: "fees",
    codec.TRADE_FEE: "fees_by_symbol",
    codec.ALGO_SUBMIT: "triggers",
    codec.ALGO_CANCEL: "cancel_triggers",
    codec.ALGO_CANCEL_ALL: "cancel_all_triggers",
    codec.QUERY_ALGO_ORDER: "trigger",
    codec.QUERY_ALGO_CLIENT_ORDER: "trigger_by_client_id",
    codec.QUERY_ALGO_OPEN_ORDERS: "open_triggers",
    codec.QUERY_ALGO_HISTORY_ORDERS: "trigger_history",
}


class Calls:
    """Sends and reads. Nothing is ever repeated here, and "could not ask" never looks like an empty answer."""

    def __init__(self, rest: Rest) -> None:
        self.rest = rest
        self.reading = Reading(rest, codec.answer, CAPABILITY_OF)

    @property
    def lost(self) -> frozenset[str]:
        """What the venue has retired since we started."""
        return self.reading.lost

    async def command(
        self, path: str, body: bytes, purpose: Purpose, last_look: LastLook = nothing_holds
    ) -> tuple[Evidence, Reports]:
        """Send a command once; raises NoAnswerError where its answer settles nothing, or `last_look` held it back."""
        evidence = await self.rest.signed(path, body, purpose, last_look)
        return evidence, self.reading.settled(path, evidence)

    async def ask(
        self, path: str, body: bytes, purpose: Purpose, last_look: LastLook = nothing_holds
    ) -> tuple[Evidence, Reports]:
        """Send a command once and return what came, whatever it settles."""
        evidence = await self.rest.signed(path, body, purpose, last_look)
        return evidence, self.reading.read(path, evidence)

    async def query(self, path: str, body: bytes, *, tolerated: Collection[str] = ()) -> tuple[Evidence, Reports]:
        """Ask something; raises NoAnswerError for a refusal that is not `tolerated`."""
        evidence = await self.rest.signed(path, body)
        return evidence, self.reading.listed(path, evidence, tolerated=tolerated)

    async def living(self, path: str, symbol: Symbol | None = None, mode: str | None = requests.SPOT) -> Answer:
        """Return a list of what is open, however old, of one market or all; raises like any query."""
        now_ms = self.rest.server_clock.now_ms()

        def body(since_ms: int, until_ms: int) -> bytes:
            until = None if until_ms == now_ms else until_ms  # none: to this very moment
            return requests.query_list(since_ms, until, symbol, mode)

        answer = await bisected(
            lambda since_ms, until_ms: self.rest.signed(path, body(since_ms, until_ms)),
            lambda evidence: self.reading.listed(path, evidence, tolerated=(OUT_OF_RANGE,)),
            [(now_ms - LIVING_SINCE_MS, now_ms)],
            rows_max=requests.ROWS_MAX,
            narrowest_refused=LIVING_SINCE_MS,
        )
        if answer.complete or answer.reports:
            return answer
        # Too far back for the venue: what it shows unasked, and say that it is not all.
        evidence, reports = await self.query(path, requests.query_list(symbol=symbol, mode=mode))
        return Answer(reports=reports, evidence=evidence, source=Provenance.POLL, complete=False)
