"""Leases: who leads an account, and a take-over that is conditional on the epoch before."""

from pathlib import Path
from typing import Final

from oms.store.database import run_script

revision: Final = "0007"
down_revision: Final = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_script(Path(__file__).with_suffix(".sql"))
