"""The log: events, seals, venue messages, epochs; what refuses to change them; how a batch is appended."""

from pathlib import Path
from typing import Final

from oms.store.database import run_script

revision: Final = "0001"
down_revision: Final = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_script(Path(__file__).with_suffix(".sql"))
