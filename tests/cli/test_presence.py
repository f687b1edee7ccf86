"""Who runs here: an entry for each process, believed for as long as that lives."""

from pathlib import Path

import pytest

from oms.cli.presence import FOLDER, Entry, announced, leaders

FIRST = Entry(1, "http://127.0.0.1:1", {"main": 3})
SECOND = Entry(2, "http://127.0.0.1:2", {"main": 4})
OTHER = Entry(3, "http://127.0.0.1:3", {"main2": 1})


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path


def test_nobody_runs_where_nothing_was_ever_started(home: Path) -> None:
    assert leaders(home) == {}


def test_an_account_is_led_by_the_highest_epoch_and_no_end_takes_anothers_entry_away(home: Path) -> None:
    with announced(home, OTHER), announced(home, SECOND):
        with announced(home, FIRST):
            assert leaders(home) == {"main": SECOND, "main2": OTHER}
        assert leaders(home) == {"main": SECOND, "main2": OTHER}
    assert leaders(home) == {}


def test_the_entry_of_a_dead_process_is_not_believed_and_the_next_start_takes_it_away(home: Path) -> None:
    with announced(home, FIRST):
        left = (home / FOLDER / "1.json").read_bytes()
    (home / FOLDER / "1.json").write_bytes(left)  # as it is left by a kill: nobody holds its lock
    assert leaders(home) == {}
    with announced(home, SECOND):
        assert [each.name for each in (home / FOLDER).iterdir()] == ["2.json"]


def test_what_is_no_entry_is_none(home: Path) -> None:
    with announced(home, FIRST):
        (home / FOLDER / "9.json").write_text("{")
        assert leaders(home) == {"main": FIRST}
