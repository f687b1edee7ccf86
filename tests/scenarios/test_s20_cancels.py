"""S20: whatever is asked to be canceled, nothing leaves that could reach more than one order."""

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from adapters.bitmart.perp import codec as perp
from adapters.bitmart.spot import codec as spot
from adapters.bitmart.spot.venue import BitmartSpot
from oms.errors import CommandRefusedError
from oms.values import ClientOrderId, Symbol, VenueOrderId
from oms.venue import NoAnswerError, OrderRef
from tests.adapters.bitmart import fakes
from tests.adapters.bitmart.fakes import CREDENTIALS, ENDPOINTS, FakeLink, LoopClock, PlainIds, ok, virtual
from tests.adapters.bitmart.perp.desk import row
from tests.adapters.bitmart.test_composite import Account
from tests.adapters.bitmart.test_venue import row as spot_row

CANCELS: Final = {
    spot.CANCEL_ORDER,
    spot.CANCEL_ORDERS,
    spot.CANCEL_ALL,
    spot.ALGO_CANCEL,
    perp.CANCEL_ORDER,
    perp.CANCEL_ORDERS,
    perp.CANCEL_PLAN_ORDER,
    perp.CANCEL_TRAIL_ORDER,
}
BY_VENUE, BY_CLIENT = re.compile(r"[1-9][0-9]{0,31}", re.ASCII), re.compile(r"[A-Za-z0-9]{1,32}")
SPELLINGS: Final = {  # field: whether it takes a list, and what an id of one order looks like there
    "order_id": (False, BY_VENUE),
    "client_order_id": (False, BY_CLIENT),
    "orderIds": (True, BY_VENUE),
    "clientOrderIds": (True, BY_CLIENT),
}
LOOKED_UP: Final = spot_row()
ids = st.text(max_size=40) | st.sampled_from(
    ["", " ", "0", "00", "null", "None", "77", "-", "PLAN_7", "oms1", "\u0667"]
)


@given(
    symbol=st.sampled_from(["BTC/USDT", "BTC/USDT:USDT"]),
    client_order_id=ids,
    venue_order_id=st.none() | ids,
    conditional=st.booleans(),
    known=st.sampled_from([None, "plan", "trailing", "limit"]),
)
@example(symbol="BTC/USDT", client_order_id="", venue_order_id=None, conditional=False, known=None)
@example(symbol="BTC/USDT", client_order_id=" ", venue_order_id=" ", conditional=True, known=None)
@example(symbol="BTC/USDT:USDT", client_order_id="", venue_order_id="0", conditional=False, known=None)
@example(symbol="BTC/USDT:USDT", client_order_id="", venue_order_id="", conditional=True, known="trailing")
def test_s20_a_cancel_either_names_one_order_or_is_refused_here(
    symbol: str, client_order_id: str, venue_order_id: str | None, *, conditional: bool, known: str | None
) -> None:
    asked = OrderRef(
        client_order_id=ClientOrderId(client_order_id),
        symbol=Symbol(symbol),
        venue_order_id=None if venue_order_id is None else VenueOrderId(venue_order_id),
        conditional=conditional,
    )

    @virtual
    async def story() -> None:
        account = Account()
        for path in CANCELS:
            account.link.on(path, ok({}))
        account.link.on(spot.QUERY_ALGO_CLIENT_ORDER, ok(LOOKED_UP))  # whichever order it is asked for
        if known is not None:  # the adapter has seen under which calls that order lives
            where = perp.OPEN_ORDERS if known == "limit" else perp.PLAN_ORDERS
            account.link.on(where, ok([row(venue_order_id or "77", client_order_id, type=known)]))
            await account.venue.open_orders()
        refused = False
        try:
            await account.venue.cancel(asked)
        except (ValueError, CommandRefusedError, NoAnswerError):
            refused = True
        left = [call for call in account.link.calls if call.path in CANCELS]
        assert left or refused, "neither sent nor refused"
        for call in left:
            names_one(call.path, call.fields(), asked)

    story()


@given(orders=st.lists(st.tuples(ids, st.none() | ids), min_size=1, max_size=12))
def test_s20_a_batch_of_cancels_names_every_order_or_is_refused_here(orders: Sequence[tuple[str, str | None]]) -> None:
    asked = [
        OrderRef(
            client_order_id=ClientOrderId(client),
            symbol=fakes.BTC,
            venue_order_id=None if venue is None else VenueOrderId(venue),
        )
        for client, venue in orders
    ]

    @virtual
    async def story() -> None:
        link = FakeLink()
        link.on(spot.CANCEL_ORDERS, ok({"successIds": [], "failIds": [], "totalCount": 0}))
        venue = BitmartSpot(CREDENTIALS, ENDPOINTS, link=link, clock=LoopClock(), ids=PlainIds(), spawn=fakes.spawn)
        with suppress(ValueError, CommandRefusedError, NoAnswerError):
            await venue.cancel_many(asked)
        known = {each for order in orders for each in order}
        for call in link.calls:
            if call.path in CANCELS:
                body = call.fields()
                (field,) = set(body) & set(SPELLINGS)
                many, sound = SPELLINGS[field]
                assert many
                assert body[field]
                assert all(sound.fullmatch(each) and each in known for each in body[field])

    story()


def names_one(path: str, body: Mapping[str, Any], asked: OrderRef) -> None:
    """See that a cancel as it left names `asked`, by one sound id, and nothing else."""
    assert path not in {spot.CANCEL_ALL, perp.CANCEL_ORDERS}, "that is for whole symbols"
    (field,) = set(body) & set(SPELLINGS)  # exactly one, and never null or empty beside it
    many, sound = SPELLINGS[field]
    (name,) = body[field] if many else (body[field],)
    looked_up = {LOOKED_UP["orderId"]} if asked.client_order_id == LOOKED_UP["clientOrderId"] else set()
    assert name in {asked.client_order_id, asked.venue_order_id} | looked_up
    assert sound.fullmatch(name)
    assert set(body) <= {"symbol", field} | ({"type"} if path == spot.ALGO_CANCEL else set())


def test_s20_nothing_but_the_two_ids_makes_a_reference() -> None:
    """So that a path that builds a cancel of something else has to be seen here."""
    assert OrderRef.__struct_fields__ == ("client_order_id", "symbol", "venue_order_id", "conditional")
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"symbol": "BTC/USDT"}, OrderRef)
