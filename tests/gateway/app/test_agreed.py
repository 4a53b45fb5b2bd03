"""Edited contracts take force for as long as the process lives, whatever became of an edit before."""

import asyncio
from pathlib import Path

from gateway.app.agreed import Agreed
from gateway.contract.load import Contracts
from gateway.rollout.plan import Live, Plan, Source
from gateway.routing.table import RouteTable

ROUTE = "route: GET /api/{name}/{{id}}\neffect: read\nstickiness: client_ip\n"


def write(folder: Path, name: str) -> None:
    """A contract of one route."""
    (folder / f"{name}.get").mkdir(parents=True)
    (folder / f"{name}.get" / "route.yaml").write_text(ROUTE.format(name=name))


async def test_an_edit_after_one_that_nobody_could_act_on_takes_force(tmp_path: Path) -> None:
    """Whoever is told of contracts fails the first time; the folder is followed all the same."""
    write(tmp_path, "lots")
    live, told = Live(Plan(RouteTable(()), {}, Source.DEFAULT), fresh=False), asyncio.Queue[int]()
    agreed = Agreed(tmp_path, None, live)

    async def tell(contracts: Contracts) -> None:
        told.put_nowait(len(contracts.routes))
        if len(contracts.routes) < 3:
            raise OSError("a worker did not listen")

    agreed.tell = tell
    following = asyncio.create_task(agreed.follow())
    try:
        async with asyncio.timeout(30):
            await asyncio.sleep(0.5)  # or the first edit would be what it begins with
            write(tmp_path, "runs")
            await told.get()
            write(tmp_path, "items")
            while await told.get() < 3:
                pass
    finally:
        following.cancel()
    assert len(live.plan.table.routes) == 3
