"""PROTOCOL 12 is what a simulated BitMart has to be: README.md has each of its lines, with tests that are there."""

import re
from pathlib import Path

import pytest

HERE = Path(__file__).parent
LINES = range(1, 14)
ROWS = [
    (int(line), what.strip(), re.findall(r"`([\w/]+\.py)::(\w+)`", shown))
    for line, what, shown in re.findall(
        r"^\| 12\.(\d+) \|([^|]*)\|([^|]*)\|$", (HERE / "README.md").read_text(), re.MULTILINE
    )
]


def test_every_line_has_its_rows() -> None:
    assert [line for line, _, _ in ROWS] == sorted(line for line, _, _ in ROWS)
    assert {line for line, _, _ in ROWS} == set(LINES)


@pytest.mark.parametrize(("line", "what", "shown"), ROWS)
def test_what_a_row_names_is_there(line: int, what: str, shown: list[tuple[str, str]]) -> None:
    assert shown, f"nothing shows 12.{line}, {what}"
    for name, test in shown:
        assert re.search(rf"def {test}\(", (HERE / name).read_text()), f"{name} has no {test}"
