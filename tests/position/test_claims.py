"""A share of a leg that no order here has made goes to strategies: in parts, at a price, never more than there is."""

from decimal import Decimal

import pytest
from hypothesis import given as forall
from hypothesis import strategies as st

from oms.book import Book, position_stream
from oms.decide import Decider, Said
from oms.errors import NotClaimableError, OffGridError
from oms.order.events import OrderClaimed
from oms.order.messages import ClaimOrder
from oms.position.claims import ClaimShare
from oms.position.events import LegTakenOver, ShareClaimed
from oms.reports import VenueOrderStatus
from oms.risk import Limits
from oms.values import AccountId, ClientOrderId, PositionLeg, Provenance, Side, StrategyId, VenueOrderId
from tests.order.story import BTC_PERPETUAL, FUTURES, shown, trade

MAIN, A, B = AccountId("main"), StrategyId("a"), StrategyId("b")
SYMBOL = BTC_PERPETUAL.symbol
LEG = position_stream(MAIN, SYMBOL, PositionLeg.NET)
DECIDER = Decider(MAIN, instruments={SYMBOL: BTC_PERPETUAL}, capabilities=lambda _: FUTURES, limits=Limits())


def taken_over(quantity: str, price: str = "60000") -> LegTakenOver:
    size = Decimal(quantity)
    return LegTakenOver(
        quantity=size,
        total=size,
        cost_change=size * Decimal(price) * BTC_PERPETUAL.contract_size,
        reason="opening",
        price=Decimal(price),
        contract_size=BTC_PERPETUAL.contract_size,
    )


def book_with(*events: LegTakenOver) -> Book:
    book = Book(MAIN, tallied=[A])
    for event in events:
        book.leg(LEG, event)
    book.cut()
    return book


def share(strategy: StrategyId = A, quantity: str | None = None, request_id: str = "k1", **more: Decimal) -> ClaimShare:
    return ClaimShare(
        account=MAIN,
        symbol=SYMBOL,
        position_leg=PositionLeg.NET,
        request_id=request_id,
        strategy=strategy,
        reason="his",
        quantity=None if quantity is None else Decimal(quantity),
        **more,
    )


def say(book: Book, message: object, stream: str | None = None) -> list[object]:
    told = message if stream is None else ((stream, message),)
    said = Said(message=told, actor="desk", cause="k", source=Provenance.COMMAND)  # type: ignore[arg-type]
    return [event for _, event, _ in DECIDER.decide(said, book).facts]


def held(book: Book, strategy: StrategyId) -> tuple[Decimal, Decimal | None]:
    leg = book.shares[strategy, SYMBOL, PositionLeg.NET]
    return leg.quantity, leg.average_price


@pytest.mark.parametrize("sign", ["", "-"])
def test_a_part_of_what_was_there_is_given_at_the_legs_average_and_the_leg_stays_as_it_is(sign: str) -> None:
    book = book_with(taken_over(f"{sign}10"))
    before = book.positions[LEG]
    [claimed] = say(book, share(quantity="4"))
    assert isinstance(claimed, ShareClaimed)
    assert (claimed.quantity, claimed.price, claimed.strategy) == (Decimal(f"{sign}4"), 60_000, A)
    assert book.nobodys(LEG) == Decimal(f"{sign}6")
    assert held(book, A) == (Decimal(f"{sign}4"), 60_000)
    after = book.positions[LEG]
    assert (after.quantity, after.open_cost, after.realized) == (before.quantity, before.open_cost, before.realized)
    [rest] = say(book, share(B, request_id="k2"))
    assert isinstance(rest, ShareClaimed)
    assert (rest.quantity, book.nobodys(LEG)) == (Decimal(f"{sign}6"), 0)


def test_the_same_request_gives_once() -> None:
    book = book_with(taken_over("10"))
    assert len(say(book, share(quantity="4"))) == 1
    assert say(book, share(quantity="4")) == []
    assert book.nobodys(LEG) == 6


@pytest.mark.parametrize(
    ("command", "why"),
    [
        (share(quantity="10.5"), "10.5 of .* cannot be given: 10 is nobody's"),
        (share(quantity="0"), "cannot be given"),
        (share(quantity="-1"), "cannot be given"),
        (share(StrategyId("external")), "is no strategy"),
        (share(StrategyId("")), "is no strategy"),
        (share(price=Decimal(0)), "name a price|nobody can say"),
        (share(price=Decimal("1e41")), "nobody can say"),
        (share(quantity="4", price=Decimal("9." + "9" * 90)), "nobody can say"),
    ],
)
def test_what_is_not_there_to_be_given_is_refused_and_changes_nothing(command: ClaimShare, why: str) -> None:
    book = book_with(taken_over("10"))
    with pytest.raises(NotClaimableError, match=why):
        say(book, command)
    assert book.nobodys(LEG) == 10
    with pytest.raises(NotClaimableError, match="no share of"):
        say(book_with(), share())


@pytest.mark.parametrize("quantity", ["0.5", "9.5", "0.00001"])
def test_half_a_contract_is_given_to_nobody(quantity: str) -> None:
    book = book_with(taken_over("10"))
    with pytest.raises(OffGridError, match=f"{quantity} of .* is no multiple of 1"):
        say(book, share(quantity=quantity))
    assert book.nobodys(LEG) == 10


def test_all_that_is_there_is_given_though_it_is_off_the_grid_and_so_is_a_part_where_nobody_knows_the_grid() -> None:
    book = book_with(taken_over("10.5"))
    assert len(say(book, share(quantity="4"))) == 1
    assert len(say(book, share(quantity="6.5", request_id="k2"))) == 1
    assert book.nobodys(LEG) == 0
    unknown = Decider(MAIN, instruments={}, capabilities=lambda _: FUTURES, limits=Limits())
    said = Said(message=share(quantity="0.5"), actor="desk", cause="k", source=Provenance.COMMAND)
    assert len(unknown.decide(said, book_with(taken_over("10"))).facts) == 1


def test_a_claim_that_was_not_committed_is_taken_back() -> None:
    book = book_with(taken_over("10"))
    say(book, share(quantity="4"))
    book.undo(book.cut())
    assert book.nobodys(LEG) == 10
    assert (A, SYMBOL, PositionLeg.NET) not in book.shares
    assert len(say(book, share(quantity="4"))) == 1, "nor was the request"


def external(name: str, side: Side, quantity: str) -> tuple[str, object]:
    report = shown(
        VenueOrderStatus.NEW,
        symbol=SYMBOL,
        client_order_id=None,
        venue_order_id=VenueOrderId(name),
        side=side,
        quantity=Decimal(quantity),
        price=Decimal(61_000),
    )
    return f"order/main/external{name}", report


def filled(name: str, side: Side, quantity: str) -> tuple[str, object]:
    done = trade(
        f"t{name}",
        quantity,
        symbol=SYMBOL,
        price="61000",
        side=side,
        client_order_id=None,
        venue_order_id=VenueOrderId(name),
    )
    return f"order/main/external{name}", done


def test_what_somebodys_order_made_is_nobodys_share_until_the_order_or_the_share_is_claimed() -> None:
    book = book_with(taken_over("10"))
    for name in ("7", "8"):
        stream, seen = external(name, Side.BUY, "5")
        say(book, seen, stream)
        stream, fill = filled(name, Side.BUY, "5")
        say(book, fill, stream)
    assert book.nobodys(LEG) == 20
    command = ClaimOrder(account=MAIN, client_order_id=ClientOrderId("external7"), strategy=A, reason="his")
    assert say(book, command) == [OrderClaimed(strategy=A, reason="his")]
    assert (book.nobodys(LEG), held(book, A)) == (15, (5, 61_000))
    say(book, share(B))
    assert book.nobodys(LEG) == 0


def test_a_share_of_a_leg_that_is_flat_needs_a_price() -> None:
    """A liquidation closes what a strategy holds: the leg is flat, the strategy's share is not."""
    book = book_with(taken_over("10"))
    say(book, share())
    stream, seen = external("9", Side.SELL, "10")
    say(book, seen, stream)
    stream, fill = filled("9", Side.SELL, "10")
    say(book, fill, stream)
    assert (book.positions[LEG].quantity, book.nobodys(LEG), held(book, A)) == (0, -10, (10, 60_000))
    with pytest.raises(NotClaimableError, match="nobody can say what a share of"):
        say(book, share(request_id="k2"))
    say(book, share(request_id="k2", price=Decimal(59_000)))
    assert (book.nobodys(LEG), held(book, A)) == (0, (0, None))
    assert book.loss(A) == 10, "ten contracts of a thousandth, bought at 60000, gone at 59000"


@forall(
    st.lists(
        st.tuples(
            st.sampled_from(["hand", "claim"]), st.sampled_from(Side), st.integers(1, 5), st.sampled_from([A, B])
        ),
        max_size=12,
    )
)
def test_shares_add_up_to_the_leg_whatever_is_claimed(steps: list[tuple[str, Side, int, StrategyId]]) -> None:
    book = Book(MAIN, tallied=[A, B])
    for number, (what, side, size, strategy) in enumerate(steps):
        if what == "hand":
            for stream, told in (external(f"{number}", side, str(size)), filled(f"{number}", side, str(size))):
                say(book, told, stream)
        elif book.nobodys(LEG):
            there = min(Decimal(size), abs(book.nobodys(LEG)))
            say(book, share(strategy, str(there), request_id=f"k{number}", price=Decimal(60_000)))
        total = sum((leg.quantity for leg in book.shares.values()), Decimal(0))
        assert total == (book.positions[LEG].quantity if LEG in book.positions else 0)
