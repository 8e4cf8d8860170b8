"""The first schema. SQL lives beside this file under the same name."""

from csp_controlplane.store.migrations.sql import run_sibling_sql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sibling_sql(__file__)


def downgrade() -> None:
    raise NotImplementedError("migrations only go forward: restore a backup instead")
