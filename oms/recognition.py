"""Whose order it is that the venue shows without a name of ours, pure: told by what our log holds."""

from collections import ChainMap
from collections.abc import Iterable, Mapping, MutableMapping, Sequence

from msgspec.structs import replace

from oms.book import Book, order_stream
from oms.order.decisions import external_id, is_namesake
from oms.order.state import CLOSED, Life, Order
from oms.reconcile import OPEN, Picture, address
from oms.reports import OrderReport, Report, TradeReport, VenueOrderStatus
from oms.values import ZERO, ClientOrderId, Provenance, Symbol, VenueOrderId
from oms.venue import Answer

_VenueId = tuple[Symbol, VenueOrderId | None]


def recognized(book: Book, answer: Answer) -> Answer:
    """Return the answer under our own ids: a venue may keep no name of orders that wait for a price, nor of what they
    send, and a row of any order may lose its name (PROTOCOL 9.51). Then it shows them by its ids alone, which stand in
    our log, whatever a restart has made the adapter forget. Under the name of another market's order they are nobody's.
    """
    if any(_is_namesake(each, book) for each in answer.reports):
        apart = [replace(each, client_order_id=None) if _is_namesake(each, book) else each for each in answer.reports]
        answer = replace(answer, reports=tuple(apart))
    if not (book.waited or any(_is_strange(each, book) for each in answer.reports)):
        return answer
    ours: ChainMap[_VenueId, ClientOrderId] = ChainMap({}, book.waited)  # type: ignore[arg-type]  # no id is no key
    withheld = [*_claimed(book, answer, ours), *_early(book, answer)]
    orders = _shown(answer)
    strangers = {
        (waiting.symbol, waiting.venue_order_id): external_id(waiting)
        for waiting in orders
        if _waits_unnamed(waiting, ours, book) and waiting not in withheld
    }
    for sent in orders:
        parent, itself = (sent.symbol, sent.triggered_by), (sent.symbol, sent.venue_order_id)
        name = ours.get(parent) or strangers.get(parent)
        # What was booked as somebody else's stays where it was, once the order that had sent it has learned so.
        if name is not None and not (itself in ours and _over(book, name)):
            ours[itself] = name
    reports = tuple(_recognized(each, ours, book) for each in answer.reports if each not in withheld)
    return replace(answer, reports=reports, complete=answer.complete and not withheld)


def recognized_all(book: Book, picture: Picture) -> Picture:
    """Return what the venue said in one comparison under our own ids, as the book stands now: what was told since it
    was asked may say whose an order is.
    """
    return replace(
        picture,
        open_orders=None if picture.open_orders is None else recognized(book, picture.open_orders),
        trades=None if picture.trades is None else recognized(book, picture.trades),
        looked_up={stream: recognized(book, each) for stream, each in picture.looked_up.items()},
        fills={stream: recognized(book, each) for stream, each in picture.fills.items()},
    )


def _claimed(book: Book, answer: Answer, ours: MutableMapping[_VenueId, ClientOrderId]) -> Sequence[OrderReport]:
    """Add the orders that wait without a name, and are what an order of ours must have become of which no answer came:
    of its very terms, and the only one. Return those that may be ours where more than one fits.
    """
    awaited = [order for order in _unanswered(book) if order.request.trigger is not None]
    fits: dict[_VenueId, list[Order]] = {}
    withheld: list[OrderReport] = []
    strangers = [each for each in _shown(answer) if awaited and _waits_unnamed(each, ours, book)]
    for each in strangers:
        fits[each.symbol, each.venue_order_id] = [order for order in awaited if _of_its_terms(each, order)]
    for each in strangers:
        orders = fits[each.symbol, each.venue_order_id]
        if len(orders) == 1 and sum(orders[0] in others for others in fits.values()) == 1:
            ours[each.symbol, each.venue_order_id] = orders[0].request.client_order_id
        elif orders:
            withheld.append(each)
    return withheld


def _early(book: Book, answer: Answer) -> Sequence[OrderReport]:
    """Return pictures that a stream shows without a name, and that may be of an order of ours whose answer has not
    come: by then it is known under which id, and any query shows it again, whosever it is.
    """
    if answer.source is not Provenance.STREAM:
        return ()
    strangers = [
        each
        for each in _shown(answer)
        if each.client_order_id is None
        and _is_strange(each, book)
        and book.known_as(each.symbol, each.venue_order_id) is None
    ]
    awaited = [order.request for order in _unanswered(book) if order.request.trigger is None] if strangers else ()
    return [
        each
        for each in strangers
        if any(
            (each.symbol, each.side) == (asked.symbol, asked.side)
            and each.price in {None, asked.price}
            and each.quantity in {None, asked.quantity}
            for asked in awaited
        )
    ]


def _unanswered(book: Book) -> Iterable[Order]:
    """Yield the orders of ours that the venue may have under an id that nobody has told yet."""
    for stream in book.open:
        order = book.orders[stream]
        if order.venue_order_id is None and order.life in {Life.SENDING, Life.IN_DOUBT}:
            yield order


def _waits_unnamed(report: OrderReport, ours: Mapping[_VenueId, ClientOrderId], book: Book) -> bool:
    return (
        report.client_order_id is None
        and report.trigger_price is not None
        and report.triggered_by is None
        and report.status in OPEN
        and (report.symbol, report.venue_order_id) not in ours
        and address(book.name, report) not in book.orders
        and book.known_as(report.symbol, report.venue_order_id) is None
    )


def _of_its_terms(report: OrderReport, order: Order) -> bool:
    request = order.request
    return (
        request.trigger is not None
        and (report.symbol, report.side, report.quantity) == (request.symbol, request.side, request.quantity)
        and report.position_leg in {None, request.position_leg}
        and report.trigger_price == request.trigger.price
    )


def _recognized(report: Report, ours: Mapping[_VenueId, ClientOrderId], book: Book) -> Report:
    if not isinstance(report, OrderReport | TradeReport) or report.venue_order_id is None:
        return report
    name = ours.get((report.symbol, report.venue_order_id))
    if name is None:
        known = book.known_as(report.symbol, report.venue_order_id) if _is_strange(report, book) else None
        return report if known is None else replace(report, client_order_id=known.request.client_order_id)
    if name == report.client_order_id:
        return report
    if report.client_order_id is not None and not _over(book, report.client_order_id):
        return report  # one that waited, and has still to learn that its price came: see `owned`
    return replace(report, client_order_id=name)


def _is_strange(report: Report, book: Book) -> bool:
    """Whether a report is about an order that the book does not hold under the name that it says."""
    return isinstance(report, OrderReport | TradeReport) and address(book.name, report) not in book.orders


def _is_namesake(report: Report, book: Book) -> bool:
    if not isinstance(report, OrderReport | TradeReport) or report.client_order_id is None:
        return False
    order = book.orders.get(order_stream(book.name, report.client_order_id))
    return order is not None and report.venue_order_id is not None and is_namesake(report, order)


def _over(book: Book, name: ClientOrderId) -> bool:
    """Whether an order of ours is over."""
    order = book.orders.get(order_stream(book.name, name))
    return order is not None and order.life in CLOSED


def owned(book: Book, stream: str, report: OrderReport | TradeReport) -> tuple[str, OrderReport | TradeReport] | None:
    """Return what is to be recorded of a report, and of which order: what an order that waited has sent may have been
    booked as somebody else's before anybody could know whose it was, and its trades are booked once. None: nothing now;
    the venue will say it again.
    """
    owner = book.waited.get((report.symbol, report.venue_order_id or VenueOrderId("")))
    if owner is None:
        return stream, report
    owning = order_stream(book.name, owner)
    if owning == stream:
        return stream, report
    order = book.orders.get(stream)
    waits = order is not None and order.waits and order.life not in CLOSED
    if order is not None and waits and isinstance(report, OrderReport) and report.triggered_by is not None:
        sent = OrderReport(
            symbol=report.symbol,
            status=VenueOrderStatus.CANCELED,
            venue_order_id=order.venue_order_id,
            cum_quantity=ZERO,
            cancel_reason=f"its price came: see {owner}",
        )
        return stream, sent
    return (owning, report) if owning in book.orders else None


def _shown(answer: Answer) -> Sequence[OrderReport]:
    return [each for each in answer.reports if isinstance(each, OrderReport)]
