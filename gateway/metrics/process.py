"""What a process costs (processor time, memory, files), by the names that every exporter uses; and what runs."""

from __future__ import annotations

import platform
from functools import cache
from importlib.metadata import version

import psutil

from gateway.metrics.catalogue import BUILD, CPU, FILES, MEMORY, STARTED, WORKERS
from gateway.metrics.snapshot import Snapshot


def process_figures() -> Snapshot:
    """The rows of this process."""
    process = psutil.Process()
    with process.oneshot():
        times = process.cpu_times()
        return {
            WORKERS.name: [([], [1])],
            BUILD.name: [([_version(), platform.python_version()], [1])],
            CPU.name: [([], [times.user + times.system])],
            MEMORY.name: [([], [process.memory_info().rss])],
            FILES.name: [([], [process.num_fds()])],
            STARTED.name: [([], [process.create_time()])],
        }


@cache
def _version() -> str:
    return version("strangler-gateway")
