"""An account's stream may say what its opening holds of the time before.

No table changes: a program that cannot read that event is to refuse the database.
"""

from typing import Final

revision: Final = "0013"
down_revision: Final = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Leave everything as it is."""
