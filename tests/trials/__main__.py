"""`python -m tests.trials`, or `make trials`: one trial after the other on both fronts; 0 when all was as wanted.

`writes` has no front of its own; `shadow` takes long, wants a quiet machine, and is run by itself.
"""

from __future__ import annotations

import sys

from tests.trials import clients, crowd, restarts, streams, writes
from tests.trials.verdict import conclude

ALL = {"streams": streams.trial, "clients": clients.trial, "restarts": restarts.trial, "crowd": crowd.trial}

if __name__ == "__main__":
    sys.exit(max([*(conclude(name, trial) for name, trial in ALL.items()), writes.run()]))
