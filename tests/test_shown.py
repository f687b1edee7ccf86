"""`docs/bitmart.md` names what shows each promise: tests that are there."""

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
PAGE = TESTS.parent / "docs" / "bitmart.md"
ROWS = [
    (what.strip(), re.findall(r"`([\w/]+\.py)::(\w+)`", shown))
    for what, shown in re.findall(r"^\| ([^|]+) \| ([^|]+) \|$", PAGE.read_text(), re.MULTILINE)
    if what.strip() != "what"
]


def test_the_page_has_rows() -> None:
    assert len(ROWS) > 30


@pytest.mark.parametrize(("what", "shown"), ROWS, ids=[what[:60] for what, _ in ROWS])
def test_what_a_row_names_is_there(what: str, shown: list[tuple[str, str]]) -> None:
    assert shown, f"nothing shows that {what}"
    for file, test in shown:
        assert re.search(rf"def {test}\(", (TESTS / file).read_text()), f"{file} has no {test}"
