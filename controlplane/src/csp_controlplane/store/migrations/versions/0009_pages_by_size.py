"""Pages of the log that end where they become large."""

from csp_controlplane.store.migrations.sql import run_sibling_sql

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sibling_sql(__file__)


def downgrade() -> None:
    raise NotImplementedError("migrations only go forward: restore a backup instead")
