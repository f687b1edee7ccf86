"""An order's stream may say that the venue counts less of it than it had told.

No table changes: a program that cannot read that event is to refuse the database.
"""

from typing import Final

revision: Final = "0015"
down_revision: Final = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Leave everything as it is."""
