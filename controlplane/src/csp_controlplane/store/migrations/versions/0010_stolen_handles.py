"""A handle is refused that comes from another worker's address."""

from csp_controlplane.store.migrations.sql import run_sibling_sql

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sibling_sql(__file__)


def downgrade() -> None:
    raise NotImplementedError("migrations only go forward: restore a backup instead")
