"""Sessions that begin as another one's, and links that show a session to whoever has them."""

from csp_controlplane.store.migrations.sql import run_sibling_sql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sibling_sql(__file__)


def downgrade() -> None:
    raise NotImplementedError("migrations only go forward: restore a backup instead")
