"""Payloads that were understood, spoiled: types swapped, fields dropped, bytes cut, numbers and depths past measure."""

from collections.abc import Callable
from random import Random  # noqa: TID251 -- its seed is drawn by hypothesis
from typing import Any, Final

import msgspec

NASTY: Final[tuple[Any, ...]] = (  # none that could be changed: they are put into many payloads
    None, True, False, 0, -1, 1, 2**53 + 1, 2**63, 2**64, -(2**63), "", "-", "0", "-0", " ", "NaN", "Infinity", "-1",
    "1e999999", "1e-999999", "1_000", "٣", "\x00", "🙈", "\ud7ff", "9" * 81, "0." + "1" * 80, "x" * 5000,
    "1790000000000", 1790000000000, "2026-13-45T00:00:00Z", "9999-12-31T23:59:59.999Z", "BTCUSDT", "PLAN_", "T", 1e308,
    *map(msgspec.Raw, (
        b"[]", b"{}", b"[[]]", b'{"a":1}', b"[null]", b"1e999999", b"-1e999999", b"1E-999999", b"1" * 400, b"1" * 6000,
        b"0.1e1", b"-0", b"[" * 3000 + b"]" * 3000, b'{"a":' * 3000 + b"1" + b"}" * 3000,
    )),
)  # fmt: skip
PIECES: Final = (b"{", b"}", b"[", b"]", b'"', b",", b":", b"\\", b"\x00", b"\xff", b"\xed\xa0\x80", b"null", b"1e9")

BYTES_SPOILED: Final = 0.15  # of the payloads: most of what is no JSON any more is refused at once

Slot = tuple[Any, Any]  # a list or an object, and an index or a key of it


def mutated(payload: bytes, rng: Random) -> bytes:
    """Return `payload` with up to four things wrong in its structure, and perhaps in its bytes."""
    try:
        tree = [msgspec.json.decode(payload)]
        for _ in range(rng.randint(0, 4)):
            if slots := _slots(tree):
                rng.choice(SPOILERS)(*rng.choice(slots), rng, slots)
        payload = msgspec.json.encode(tree[0])
    except (msgspec.MsgspecError, RecursionError, IndexError, OverflowError):
        pass  # not JSON, or spoiled beyond being spelled: then as bytes
    if rng.random() < BYTES_SPOILED:
        payload = rng.choice(CUTTERS)(payload, rng)
    return payload


def _slots(tree: Any) -> list[Slot]:
    """Return every place of a tree that holds something."""
    found, rest = [], [tree]
    while rest:
        node = rest.pop()
        inside = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
        for key, value in inside:
            found.append((node, key))
            rest.append(value)
    return found


def _drop(node: Any, key: Any, rng: Random, slots: list[Slot]) -> None:
    del node[key]


def _replace(node: Any, key: Any, rng: Random, slots: list[Slot]) -> None:
    node[key] = rng.choice(NASTY)


def _respell(node: Any, key: Any, rng: Random, slots: list[Slot]) -> None:
    value = node[key]
    if isinstance(value, str):
        node[key] = msgspec.Raw(value.encode()) if value.replace(".", "", 1).isdecimal() else [value]
    elif isinstance(value, int | float):
        node[key] = str(value)
    else:
        node[key] = {"0": value} if isinstance(value, list) else [value]


def _swap(node: Any, key: Any, rng: Random, slots: list[Slot]) -> None:
    other, place = rng.choice(slots)
    if not isinstance(node[key], list | dict) and not isinstance(other[place], list | dict):  # a tree stays a tree
        node[key], other[place] = other[place], node[key]


def _repeat(node: Any, key: Any, rng: Random, slots: list[Slot]) -> None:
    if isinstance(node, list):
        node.extend([node[key]] * rng.randint(1, 20) if not isinstance(node[key], list | dict) else [rng.choice(NASTY)])


def _rename(node: Any, key: Any, rng: Random, slots: list[Slot]) -> None:
    if isinstance(node, dict):
        node[str(key).upper()] = node.pop(key)


SPOILERS: Final[tuple[Callable[[Any, Any, Random, list[Slot]], None], ...]] = (
    _drop, _replace, _replace, _respell, _swap, _repeat, _rename,
)  # fmt: skip


def _cut(payload: bytes, rng: Random) -> bytes:
    return payload[: rng.randint(0, len(payload))]


def _flip(payload: bytes, rng: Random) -> bytes:
    where = rng.randint(0, len(payload))
    return payload[:where] + bytes([rng.randint(0, 255)]) + payload[where + 1 :]


def _insert(payload: bytes, rng: Random) -> bytes:
    where = rng.randint(0, len(payload))
    return payload[:where] + rng.choice(PIECES) * rng.choice((1, 2, 5000)) + payload[where:]


def _splice(payload: bytes, rng: Random) -> bytes:
    first, second = rng.randint(0, len(payload)), rng.randint(0, len(payload))
    return payload[:first] + payload[second:]


CUTTERS: Final[tuple[Callable[[bytes, Random], bytes], ...]] = (_cut, _flip, _insert, _splice)
