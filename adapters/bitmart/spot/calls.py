"""The spot calls of one account: sent, read, and known by what they are good for."""

from collections.abc import Collection
from typing import Final

from adapters.bitmart.answers import Reading, Reports
from adapters.bitmart.limits import Purpose
from adapters.bitmart.rest import Rest
from adapters.bitmart.spot import codec
from oms.venue import Evidence, LastLook, nothing_holds

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
