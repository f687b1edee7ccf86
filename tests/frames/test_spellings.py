"""The same value in another of the venue's spellings is the same value (PROTOCOL 9.28): a number or a yes as a text and
the reverse, more zeros, an exponent, another case of a word, a list that is null, a field nobody knows.

Every place of every payload of `cases` is respelled, one at a time.
"""

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from adapters.bitmart.decode import Market, decode
from oms.reports import OrderReport, Refusal, Report, Unreadable
from tests.frames import cases
from tests.frames.cases import Case

MARKETS: tuple[tuple[str, Market], ...] = (("spot", "spot"), ("perp", "futures"))


def whole(report: Report) -> bool:
    """Whether it was understood: of what was not, the spelling is what is told."""
    return not isinstance(report, Unreadable | Refusal) and not (isinstance(report, OrderReport) and not report.status)


CASES = [
    pytest.param(market, case.values[0], id=f"{folder} {case.id}")
    for folder, market in MARKETS
    for case in cases.of(folder)
    if not case.values[0].text and all(map(whole, case.values[0].reports))
]

NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?")
WORDS = {  # fields that hold a word of the venue's vocabulary, and no name
    *("side", "type", "state", "order_state", "entrust_type", "tradeRole", "exec_type", "trade_status", "status"),
    *("open_type", "margin_type", "position_mode", "position_side"),
}
NOT_THE_SAME = {"code", "errorCode"}  # of these the digits are told on, as they came
EXPONENT_MAX = 15  # digits

Slot = tuple[Any, Any]
_decode = msgspec.json.Decoder(float_hook=Decimal).decode
_encode = msgspec.json.Encoder(decimal_format="number").encode


def slots(node: Any) -> Iterator[Slot]:
    inside = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in list(inside):
        yield node, key
        yield from slots(value)


def spellings(key: Any, value: Any) -> Iterator[Any]:
    """Return what may stand for `value` and mean the same."""
    if key in NOT_THE_SAME:
        return
    if isinstance(value, bool):
        yield from (str(value), str(value).lower(), int(value), str(int(value)))
        return
    if isinstance(value, int | Decimal):
        yield str(value)
    if isinstance(value, int):
        yield msgspec.Raw(f"{value}.0".encode())
        yield msgspec.Raw(f"{Decimal(value):e}".encode())
    if isinstance(value, str) and NUMBER.fullmatch(value):
        yield msgspec.Raw(value.encode())
        if "." in value:
            yield f"{value}000"
            yield f"{Decimal(value):E}" if len(value) < EXPONENT_MAX else value
    if isinstance(value, str) and key in WORDS:
        yield from (value.upper(), value.lower(), value.capitalize(), f" {value} ")
    if value == []:
        yield None
    if isinstance(value, dict):
        yield value | {"a_field_of_next_year": {"x": [1, None]}}


def shown(reports: tuple[Report, ...]) -> list[Report]:
    """Return the reports, without how the word for a status was spelled."""
    return [
        msgspec.structs.replace(report, raw_status=None) if isinstance(report, OrderReport) else report
        for report in reports
    ]


@pytest.mark.parametrize(("market", "case"), CASES)
def test_another_spelling_of_the_same_value_is_read_as_the_same(market: Market, case: Case) -> None:
    tree = [_decode(bytes(case.payload))]
    for node, key in list(slots(tree)):
        value = node[key]
        for spelling in spellings(key, value):
            node[key] = spelling
            payload = _encode(tree[0])
            assert shown(decode(market, case.kind, case.path, payload)) == shown(case.reports), (key, payload)
        node[key] = value
