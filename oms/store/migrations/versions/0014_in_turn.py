"""Whoever takes a position in the log by hand waits for its lock, and is ended when he falls silent."""

from pathlib import Path
from typing import Final

from oms.store.database import run_script

revision: Final = "0014"
down_revision: Final = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_script(Path(__file__).with_suffix(".sql"))
