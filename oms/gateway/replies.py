"""What a command is answered with, over HTTP, a stream or the SDK alike."""

from collections.abc import Sequence

from msgspec import Struct

from oms.gateway.problems import Problem
from oms.gateway.views import HaltView, OrderAnswer, View


class Reply(Struct, frozen=True):
    """An answer before it is bytes. `position` is the log position it reflects."""

    status: int
    position: int
    body: View | Problem


class Item(View, frozen=True, kw_only=True):
    """What became of one of several: the order, or the problem."""

    client_order_id: str
    status: int
    order: OrderAnswer | None = None
    problem: Problem | None = None


class Items(View, frozen=True, kw_only=True):
    """What became of each, in the order asked."""

    position: int
    items: Sequence[Item]


class HaltItem(View, frozen=True, kw_only=True):
    """One account after a halt or a resume: every halt that is on, or the problem. A `note` says that a resume ended
    nothing.
    """

    account: str
    status: int
    halts: Sequence[HaltView] = ()
    problem: Problem | None = None
    note: str | None = None


class Halts(View, frozen=True, kw_only=True):
    """What became of a halt or a resume on each account."""

    position: int
    items: Sequence[HaltItem]
