"""What the log adds up to is kept now and then, so that a start folds only what came since."""

from pathlib import Path
from typing import Final

from oms.store.database import run_script

revision: Final = "0017"
down_revision: Final = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_script(Path(__file__).with_suffix(".sql"))
