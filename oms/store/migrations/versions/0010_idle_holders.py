"""Whoever holds the log's lock and falls silent is ended by the server."""

from pathlib import Path
from typing import Final

from oms.store.database import run_script

revision: Final = "0010"
down_revision: Final = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_script(Path(__file__).with_suffix(".sql"))
