"""A request to the model is told when its turn is not in the log yet."""

from csp_controlplane.store.migrations.sql import run_sibling_sql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sibling_sql(__file__)


def downgrade() -> None:
    raise NotImplementedError("migrations only go forward: restore a backup instead")
