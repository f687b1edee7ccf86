"""Every route of the door in one table: what it takes, what it needs, what it answers. OpenAPI is made from it."""

from collections.abc import Awaitable, Callable
from typing import Any, Final

from msgspec import Struct

from oms.gateway.bodies import (
    AmendBody,
    BatchBody,
    BreakBody,
    BreaksQuery,
    CancelAllBody,
    CancelBody,
    ClaimBody,
    ClaimShareBody,
    EventsQuery,
    FillsQuery,
    HaltBody,
    LegsQuery,
    LeverageBody,
    MarketsQuery,
    NameQuery,
    NoQuery,
    OrdersQuery,
    PlaceBody,
    PositionModeBody,
    ReadQuery,
    ReconcileBody,
)
from oms.gateway.candles import CandleQuestions, Candles, CandlesQuery
from oms.gateway.commands import Commands
from oms.gateway.operations import AccountBreaks, Comparisons
from oms.gateway.questions import Questions
from oms.gateway.reconciling import Reconciling
from oms.gateway.replies import Halts, Items, Reply
from oms.gateway.tokens import Scope
from oms.gateway.views import (
    Balances,
    Breaks,
    Events,
    Fills,
    Instruments,
    LeverageView,
    OrderAnswer,
    Orders,
    PositionModeView,
    Positions,
    ShareView,
    Timeline,
)

Answer = (
    Reply
    | Orders
    | Fills
    | Positions
    | Balances
    | Breaks
    | AccountBreaks
    | Comparisons
    | Instruments
    | Candles
    | OrderAnswer
    | Timeline
    | Events
)


class Door(Struct, frozen=True):
    """Who answers."""

    commands: Commands
    questions: Questions
    candles: CandleQuestions
    reconciling: Reconciling


class Ask(Struct, frozen=True, kw_only=True):
    """One authorised request, decoded: `query` and `body` are of the route's types, `order` stands in the path.

    `key` is the Idempotency-Key.
    """

    caller: Any
    query: Any
    body: Any
    order: str
    key: str | None


class Route(Struct, frozen=True, kw_only=True):
    """One call. `keyed` ones need an Idempotency-Key; `shows` is what a success looks like, with `status`."""

    method: str
    path: str
    summary: str
    scope: Scope
    answer: Callable[[Door, Ask], Awaitable[Answer]]
    shows: type[Struct]
    status: int = 200
    query: type[Struct] = NoQuery
    body: type[Struct] | None = None
    body_optional: bool = False
    keyed: bool = False


ROUTES: Final = (
    Route(
        method="POST",
        path="/v1/orders",
        summary="Place an order; answered once it is durable. The same id and body again get the first answer.",
        scope=Scope.ORDERS_WRITE,
        answer=lambda door, ask: door.commands.place(ask.caller, ask.body),
        body=PlaceBody,
        shows=OrderAnswer,
        status=202,
    ),
    Route(
        method="POST",
        path="/v1/orders/batch",
        summary="Place several orders, each with an outcome of its own.",
        scope=Scope.ORDERS_WRITE,
        answer=lambda door, ask: door.commands.place_all(ask.caller, ask.body),
        body=BatchBody,
        shows=Items,
    ),
    Route(
        method="GET",
        path="/v1/orders",
        summary="Orders, the latest first.",
        scope=Scope.READ,
        answer=lambda door, ask: door.questions.orders(ask.caller, ask.query),
        query=OrdersQuery,
        shows=Orders,
    ),
    Route(
        method="GET",
        path="/v1/orders/{client_order_id}",
        summary="One order.",
        scope=Scope.READ,
        answer=lambda door, ask: door.questions.order(ask.caller, ask.order, ask.query),
        query=ReadQuery,
        shows=OrderAnswer,
    ),
    Route(
        method="GET",
        path="/v1/orders/{client_order_id}/timeline",
        summary="The whole story of one order: events, causes, actors, times, and the bytes behind them.",
        scope=Scope.READ,
        answer=lambda door, ask: door.questions.timeline(ask.caller, ask.order, ask.query),
        query=ReadQuery,
        shows=Timeline,
    ),
    Route(
        method="PATCH",
        path="/v1/orders/{client_order_id}",
        summary="Ask for another price or quantity of a working order; answered once the request is durable.",
        scope=Scope.ORDERS_WRITE,
        answer=lambda door, ask: door.commands.amend(
            ask.caller, ask.query.account, ask.order, key=ask.key or "", body=ask.body
        ),
        query=NameQuery,
        body=AmendBody,
        keyed=True,
        shows=OrderAnswer,
        status=202,
    ),
    Route(
        method="DELETE",
        path="/v1/orders/{client_order_id}",
        summary="Ask for an order's end; answered once the request is durable.",
        scope=Scope.ORDERS_CANCEL,
        answer=lambda door, ask: door.commands.cancel(
            ask.caller, ask.query.account, ask.order, key=ask.key or "", body=ask.body
        ),
        query=NameQuery,
        body=CancelBody,
        body_optional=True,
        keyed=True,
        shows=OrderAnswer,
        status=202,
    ),
    Route(
        method="POST",
        path="/v1/orders/{client_order_id}/claim",
        summary="Give an order that nobody here had asked for to a strategy, with what it traded so far.",
        scope=Scope.RISK_WRITE,
        answer=lambda door, ask: door.commands.claim(ask.caller, ask.query.account, ask.order, body=ask.body),
        query=NameQuery,
        body=ClaimBody,
        shows=OrderAnswer,
    ),
    Route(
        method="POST",
        path="/v1/cancel-all",
        summary="Ask for the end of every open order in scope, each with an outcome of its own.",
        scope=Scope.ORDERS_CANCEL,
        answer=lambda door, ask: door.commands.cancel_all(ask.caller, ask.body, key=ask.key),
        body=CancelAllBody,
        body_optional=True,
        shows=Items,
    ),
    Route(
        method="POST",
        path="/v1/halt",
        summary="Stop everything that opens, of a strategy or in a market or on all accounts; cancels pass.",
        scope=Scope.RISK_WRITE,
        answer=lambda door, ask: door.commands.halt(ask.caller, ask.body),
        body=HaltBody,
        shows=Halts,
    ),
    Route(
        method="POST",
        path="/v1/resume",
        summary="End the halt of that very scope.",
        scope=Scope.RISK_WRITE,
        answer=lambda door, ask: door.commands.resume(ask.caller, ask.body),
        body=HaltBody,
        shows=Halts,
    ),
    Route(
        method="PUT",
        path="/v1/leverage",
        summary="Ask for another leverage of a perpetual; it shows once it was read back from the venue.",
        scope=Scope.RISK_WRITE,
        answer=lambda door, ask: door.commands.set_leverage(ask.caller, ask.body, key=ask.key or ""),
        body=LeverageBody,
        keyed=True,
        shows=LeverageView,
        status=202,
    ),
    Route(
        method="PUT",
        path="/v1/position-mode",
        summary="Ask for one-way or hedge mode; refused while anything is open, believed once it was read back.",
        scope=Scope.RISK_WRITE,
        answer=lambda door, ask: door.commands.set_position_mode(ask.caller, ask.body, key=ask.key or ""),
        body=PositionModeBody,
        keyed=True,
        shows=PositionModeView,
        status=202,
    ),
    Route(
        method="GET",
        path="/v1/positions",
        summary="Position legs of the token's accounts.",
        scope=Scope.READ,
        answer=lambda door, ask: door.questions.positions(ask.caller, ask.query),
        query=LegsQuery,
        shows=Positions,
    ),
    Route(
        method="POST",
        path="/v1/positions/claim",
        summary="Give a strategy the share of a leg that no order of anybody here has made, or a part of it.",
        scope=Scope.RISK_WRITE,
        answer=lambda door, ask: door.commands.claim_share(ask.caller, ask.body, key=ask.key or ""),
        body=ClaimShareBody,
        keyed=True,
        shows=ShareView,
    ),
    Route(
        method="GET",
        path="/v1/balances",
        summary="Balances of the token's accounts.",
        scope=Scope.READ,
        answer=lambda door, ask: door.questions.balances(ask.caller, ask.query),
        query=LegsQuery,
        shows=Balances,
    ),
    Route(
        method="GET",
        path="/v1/fills",
        summary="Fills, the latest first.",
        scope=Scope.READ,
        answer=lambda door, ask: door.questions.fills(ask.caller, ask.query),
        query=FillsQuery,
        shows=Fills,
    ),
    Route(
        method="GET",
        path="/v1/breaks",
        summary="Disagreements with the venue, the latest opened first.",
        scope=Scope.READ,
        answer=lambda door, ask: door.questions.breaks(ask.caller, ask.query),
        query=BreaksQuery,
        shows=Breaks,
    ),
    Route(
        method="POST",
        path="/v1/breaks/explain",
        summary="Say what an open break comes from; it stays open.",
        scope=Scope.RISK_WRITE,
        answer=lambda door, ask: door.reconciling.explain(ask.caller, ask.body),
        body=BreakBody,
        shows=AccountBreaks,
    ),
    Route(
        method="POST",
        path="/v1/breaks/resolve",
        summary="End an open break by a person's word; of a balance the venue's figure becomes ours.",
        scope=Scope.RISK_WRITE,
        answer=lambda door, ask: door.reconciling.resolve(ask.caller, ask.body),
        body=BreakBody,
        shows=AccountBreaks,
    ),
    Route(
        method="POST",
        path="/v1/reconcile",
        summary="Compare with the venue now; with dry_run show the events that this would append.",
        scope=Scope.RISK_WRITE,
        answer=lambda door, ask: door.reconciling.reconcile(ask.caller, ask.body),
        body=ReconcileBody,
        body_optional=True,
        shows=Comparisons,
    ),
    Route(
        method="GET",
        path="/v1/candles",
        summary="A market's bars, oldest first; not from the log.",
        scope=Scope.READ,
        answer=lambda door, ask: door.candles.candles(ask.caller, ask.query),
        query=CandlesQuery,
        shows=Candles,
    ),
    Route(
        method="GET",
        path="/v1/instruments",
        summary="The markets of the token's accounts, with their grids.",
        scope=Scope.READ,
        answer=lambda door, ask: door.questions.instruments(ask.caller, ask.query),
        query=MarketsQuery,
        shows=Instruments,
    ),
    Route(
        method="GET",
        path="/v1/events",
        summary="The log, as far as the token may see it, in order.",
        scope=Scope.READ,
        answer=lambda door, ask: door.questions.events(ask.caller, ask.query),
        query=EventsQuery,
        shows=Events,
    ),
)
