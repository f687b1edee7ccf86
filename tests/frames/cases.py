"""Payloads of our own making, from the protocol's facts: what each means stands beside it, for every codec.

`tests/corpus` holds the adapter against recorded payloads, where they are at hand; this needs nothing but the checkout.
A case is the payload (`payload`: JSON, `deflate`: as on the wire; or `text`), where it came from, and its reports as
`oms decode` shows them.
"""

import zlib
from pathlib import Path
from typing import Any

import msgspec
import pytest

from adapters.bitmart.decode import Kind
from oms.reports import Report, Unreadable


class Case(msgspec.Struct, frozen=True):
    means: str
    kind: Kind
    reports: tuple[Report, ...]
    path: str | None = None
    needs_path: bool = False  # nothing in it tells it from answers to other calls
    payload: msgspec.Raw = msgspec.Raw()
    text: str = ""
    deflate: bool = False

    def bytes(self) -> bytes:
        plain = self.text.encode() or bytes(self.payload)
        if not self.deflate:
            return plain
        packer = zlib.compressobj(wbits=-15)
        return packer.compress(plain) + packer.flush()

    def understood(self) -> bool:
        return any(not isinstance(report, Unreadable) for report in self.reports)


def of(folder: str) -> list[Any]:
    """Return the cases of one folder beside this file, as pytest's parameters."""
    return [
        pytest.param(case, id=f"{path.stem}: {case.means}")
        for path in sorted((Path(__file__).parent / folder).glob("*.json"))
        for case in msgspec.json.decode(path.read_bytes(), type=tuple[Case, ...])
    ]
