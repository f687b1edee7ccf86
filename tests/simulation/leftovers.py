"""What is left lying about when nothing happens any more: tasks, timers, and what the parts of a process keep (I19).

A world comes to rest twice, with polls, late frames and the end of every stream between. What is there at the first
rest is within bounds, whatever has happened by then; and at the second there is no more of it.
"""

import asyncio
import types
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from msgspec import Struct

from oms.book import Book
from tests.simulation.loop import VirtualLoop
from tests.simulation.running import Running

OURS: Final = ("oms.", "adapters.bitmart.")
KEPT: Final = (dict, set, list, deque)
NOT_LOOKED_INTO: Final = (Book, type, types.FunctionType, Struct)
BOUNDS: Final = {"tasks": 20, "timers": 30}
BOUND: Final = 64  # of everything else: these worlds are small
# What may be more at the second rest: the tail of the log is kept up to a number of its own, and so are the names of
# the venue's orders, of which a snapshot brings those that it has; the last comparison keeps what it found, no more;
# of prices, liquidations and what the stream told there is one for each market, of looks back one for each break.
LIVELY: Final = frozenset(
    {
        "timers",
        "Seen._figures",
        "Standing.orders",
        "Decider.marks",
        "Decider.liquidations",
        "Decider.looks",  # one for each coin whose balance ever differed
        "Lookback._looked",
        "Opening._asked",  # the last that differed
        "Names._names",
        "Witness._told",
    }
)
BY_ITSELF: Final = frozenset({"Tail._events"})


class Rest:
    """One rest: how much there was of what."""

    def __init__(self, loop: asyncio.AbstractEventLoop, processes: Iterable[Running], leader: Running) -> None:
        assert isinstance(loop, VirtualLoop)
        self.counts: Counter[str] = Counter(kept(leader))
        self.counts["tasks"] = sum(each.process.living for each in processes if each.process.alive)
        self.counts["timers"] = loop.due


def grown(first: Rest, second: Rest) -> Iterator[str]:
    """Yield what there was too much of at the first rest, and more of at the second."""
    for rest in (first, second):
        for name, count in rest.counts.items():
            if count > BOUNDS.get(name, BOUND) and name not in BY_ITSELF:
                yield f"{count} {name} are left at rest"
    for name, count in second.counts.items():
        if count > first.counts[name] and name not in LIVELY | BY_ITSELF:
            yield f"{first.counts[name]} {name} were left at the first rest, {count} at the second"


def kept(leader: Running) -> Mapping[str, int]:
    """Return how many things each part of a process keeps, by class and attribute; but for the book, which grows with
    what there is to know, and for what is bounded by its own making.
    """
    counts: Counter[str] = Counter()
    seen: set[int] = set()
    waiting: list[Any] = [leader.engine, leader.dispatcher, leader.watcher, leader._venue, leader.tail, leader.lease]
    while waiting:
        one = waiting.pop()
        if id(one) in seen or isinstance(one, NOT_LOOKED_INTO):
            continue
        seen.add(id(one))
        for name, value in _attributes(one):
            if isinstance(value, asyncio.Queue):
                counts[f"{_name_of(_kind_of(one))}.{name}"] += value.qsize()
            elif isinstance(value, KEPT):
                if getattr(value, "maxlen", None) is None:
                    counts[f"{_name_of(_kind_of(one))}.{name}"] += len(value)
                waiting += (each for each in _elements(value) if _ours(each))
            elif _ours(value):
                waiting.append(value)
    return counts


def _attributes(one: Any) -> Iterator[tuple[str, Any]]:
    yield from getattr(one, "__dict__", {}).items()
    for name in _slots_of(_kind_of(one)):
        if hasattr(one, name):
            yield name, getattr(one, name)


def _kind_of(one: Any) -> Any:
    return type(one)  # said to be anything, as a `type[Any]` counts as unhashable for a type checker


@lru_cache(maxsize=4096)
def _slots_of(kind: type) -> Sequence[str]:
    return tuple(name for each in kind.__mro__ for name in getattr(each, "__slots__", ()))


def _elements(value: Any) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value


def _ours(value: Any) -> bool:
    return bool(_name_of(_kind_of(value)))


@lru_cache(maxsize=4096)
def _name_of(kind: type) -> str:
    """Return the name of the OMS's class that it is, or is made out of; empty for anything else."""
    return next((each.__name__ for each in kind.__mro__ if each.__module__.startswith(OURS)), "")
