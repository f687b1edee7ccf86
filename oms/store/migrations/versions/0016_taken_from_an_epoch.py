"""An account is taken over from an epoch and no other: whoever was stopped while it started fences nobody."""

from pathlib import Path
from typing import Final

from oms.store.database import run_script

revision: Final = "0016"
down_revision: Final = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_script(Path(__file__).with_suffix(".sql"))
