"""The domain tables as legacy has them: adopted where they are, created where there are none.

Not reversible: the rows belong to legacy as long as it lives, so going back only forgets that the tables
were adopted, and drops nothing. Going forward again adopts them again.

What Supabase brings itself is not part of this history: the schemas auth (but for `auth.uid`, which the
policies need) and realtime, and the trigger of the stand-in that announces inserts.
"""

from pathlib import Path

from alembic import op
from sqlalchemy import text

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TABLES = frozenset(
    {
        "users",
        "scenarios",
        "streams",
        "qc_gates",
        "phases",
        "production_runs",
        "lots",
        "lot_genealogy",
        "qc_decisions",
    }
)


def upgrade() -> None:
    """Leave an existing legacy database as it is; make its tables in an empty one."""
    found = text("SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename = ANY(:names)")
    present = set(op.get_bind().scalars(found, {"names": list(TABLES)}))
    if present == TABLES:
        return
    if present:
        missing = ", ".join(sorted(TABLES - present))
        raise RuntimeError(f"this database has some of legacy's tables but not {missing}: nothing was changed")
    # without parameters psycopg sends the file as one simple query, colons and percent signs included
    whole = Path(__file__).with_suffix(".sql").read_text(encoding="utf-8")
    op.get_bind().exec_driver_sql(whole, execution_options={"no_parameters": True})


def downgrade() -> None:
    """Forget the adoption; the tables stay."""
