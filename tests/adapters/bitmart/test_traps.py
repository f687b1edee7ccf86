"""PROTOCOL 9 is a checklist: README.md has a row for each trap, and what the row names has the test."""

import re
from pathlib import Path

import pytest

HERE = Path(__file__).parent
TRAPS = 51
SPOT_ALONE = {2, 7, 13, 21, 26, 27}  # what perpetuals do not have: market buys by notional, batches, ...
PERPETUALS_ALONE = {4, 6, 11, 15, 16, 17, 18, 19, 24, 29, 32, 38, 39, 46, 48}
ROWS = {
    int(number): (spot.strip(), perpetuals.strip())
    for number, spot, perpetuals in re.findall(
        r"^\| 9\.(\d+) \|[^|]*\|([^|]*)\|([^|]*)\|$", (HERE / "README.md").read_text(), re.MULTILINE
    )
}


def test_every_trap_has_its_row() -> None:
    assert set(ROWS) == set(range(1, TRAPS + 1))
    assert {number for number, (_, perpetuals) in ROWS.items() if perpetuals == "-"} == SPOT_ALONE
    assert {number for number, (spot, _) in ROWS.items() if spot == "-"} == PERPETUALS_ALONE


@pytest.mark.parametrize("number", sorted(ROWS))
def test_the_files_of_a_row_have_the_test(number: int) -> None:
    files = [name for cell in ROWS[number] for name in re.findall(r"`([^`]+)`", cell)]
    assert files
    for name in files:
        assert re.search(rf"def test_\w*9_{number}(_|\()", (HERE / name).read_text()), f"{name} tells no 9.{number}"
