"""Runs the command line inside the test's own process, with an environment and a home of the test's own."""

import asyncio
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct

from oms.__main__ import PARTS
from oms.cli.app import main
from tests.cli.recorded import record


class Ran(Struct, frozen=True):
    """What one command did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one document on stdout; whatever else stood there would not parse."""
        return json.loads(self.out)

    @property
    def error(self) -> dict[str, str]:
        """The error, whole."""
        assert set(self.json) == {"error"}
        assert set(self.json["error"]) == {"code", "cause", "outcome", "next_step"}
        assert self.json["error"]["cause"]
        assert self.json["error"]["next_step"]
        return dict(self.json["error"])


Oms = Callable[..., Ran]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def clean_environment(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    for name in list(os.environ):
        if name.startswith("OMS_") and name != "OMS_TEST_POSTGRES":
            monkeypatch.delenv(name)
    monkeypatch.setenv("OMS_HOME", str(home))


@pytest.fixture
def oms(clean_environment: None, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Oms:
    """`oms(*arguments, **environment)` runs one command."""

    def run(*arguments: str, **environment: str) -> Ran:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(sys, "argv", ["oms", *arguments])
        capfd.readouterr()
        code = main(PARTS)
        out, err = capfd.readouterr()
        assert "Traceback" not in out + err
        return Ran(code, out, err)

    return run


@pytest.fixture
def traded(oms: Oms, database: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A database with one order's life in it, which the commands of this test use."""
    asyncio.run(record(database))
    monkeypatch.setenv("OMS_DATABASE_URL", database)
    return database
