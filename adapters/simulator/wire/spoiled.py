"""Data in which something has a value of no type that it could have."""

from typing import Final

import msgspec

Element = dict[str, object]
FIELDS_MAX: Final = 64  # above what any row has


def spoiled(element: Element) -> Element:
    """Return an element that nobody can read."""
    return {name: _lost(value) for name, value in element.items()}


def spoiled_row(body: bytes, which: int) -> bytes:
    """Return an answer one of whose rows has one field that nobody can read; the answer itself where it lists nothing.
    `which` may be any number.
    """
    answer = msgspec.json.decode(body)
    rows = _rows(answer.get("data"))
    if not rows:
        return body
    place, field = divmod(which, FIELDS_MAX)
    row = rows[place % len(rows)]
    name = list(row)[field % len(row)]
    row[name] = _lost(row[name])
    return msgspec.json.encode(answer)


def _lost(value: object) -> object:
    return {"lost": value}


def _rows(data: object) -> list[Element]:
    """Return the rows of what an answer holds: a list, or an object with one in it."""
    held = list(data.values()) if isinstance(data, dict) else [data]
    lists = (each for each in held if isinstance(each, list))
    return next((each for each in lists if each and all(isinstance(row, dict) and row for row in each)), [])
