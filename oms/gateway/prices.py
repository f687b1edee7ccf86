"""What is true of positions now and stands in no log: marks, what is earned at them, and where a leg is taken over."""

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal

from msgspec import Struct

from oms.engine import Engine
from oms.gateway.views import PositionView
from oms.instrument import Instrument
from oms.market_data import Quote
from oms.position.liquidation import Key, liquidation_prices
from oms.position.state import Position
from oms.sums import symbol_of, traded
from oms.values import EXACT, AccountId, PositionLeg, Purse, Symbol, worth


class Now(Struct, frozen=True):
    """The last known marks of an account's perpetuals, the prices of liquidation (ours and the venue's), and the grids
    and best prices of its markets.
    """

    marks: Mapping[Symbol, Decimal]
    ours: Mapping[Key, Decimal]
    theirs: Mapping[Key, Decimal]
    instruments: Mapping[Symbol, Instrument]
    quotes: Callable[[Symbol], Quote]


def now_of(engines: Iterable[Engine]) -> dict[AccountId, Now]:
    """Return what is known of each account's perpetuals."""
    return {engine.account: _now(engine) for engine in engines}


def priced(leg: PositionView, now: Mapping[AccountId, Now]) -> Mapping[str, Decimal | bool | None]:
    """Return the fields of a leg that follow from prices of now; none of an account that is not there. What it is worth
    follows from the mark, else from what it would trade at, else from what it cost.
    """
    known, symbol = now.get(AccountId(leg.account)), Symbol(leg.symbol)
    if known is None:
        return {}
    mark, key = known.marks.get(symbol), (symbol, leg.leg)
    unrealized = None
    if mark is not None:
        unrealized = EXACT.subtract(worth(leg.quantity, mark, leg.contract_size), leg.open_cost)
    price = mark or _closing(leg, known) or leg.average_price
    market = known.instruments.get(symbol)
    return {
        "value": None if price is None else worth(abs(leg.quantity), price, leg.contract_size),
        "dust": None if market is None else market.dust(leg.quantity, price),
        "mark_price": mark,
        "unrealized": unrealized,
        "liquidation_price": known.ours.get(key) if leg.quantity else None,
        "venue_liquidation_price": known.theirs.get(key) if leg.quantity else None,
    }


def _closing(leg: PositionView, known: Now) -> Decimal | None:
    """Return the best price that closing the leg would get, where a whole book tells one."""
    quote = known.quotes(Symbol(leg.symbol))
    return quote.bid if leg.quantity > 0 else quote.ask


def _now(engine: Engine) -> Now:
    decider, book = engine.decider, engine.book
    legs: dict[Purse, dict[Key, Position]] = {}  # by the purse that backs them
    for stream, leg in book.positions.items():
        base, settle = traded(stream)
        if base is None and leg.quantity:
            key = (symbol_of(stream), PositionLeg(stream.rpartition("/")[2]))
            legs.setdefault(settle, {})[key] = leg
    ours: dict[Key, Decimal] = {}
    for settle, each in legs.items():
        ours |= liquidation_prices(each, decider.instruments, decider.marks, book.available(settle))
    return Now(decider.marks, ours, decider.liquidations, decider.instruments, decider.quotes)
