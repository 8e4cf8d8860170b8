"""The workers of a chaos run: the supervisor's registry and socket, in a process of their own."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

# The registry is put together as the tests do it.
sys.path.append(str(Path(__file__).parents[2] / "tests"))

from csp_controlplane.supervisor.settings import SupervisorSettings
from support.pool_of_workers import pool_of_workers

RECORDING = Path(__file__).with_name("recording_worker.py")


async def main(directory: Path, journals: Path, model: str) -> None:
    """Until it is ended."""
    argv = (sys.executable, str(RECORDING), str(journals))
    settings = SupervisorSettings(warm=1, warm_total=1, max_workers=40)
    async with pool_of_workers(
        directory, argv=argv, settings=settings, model_base_url=model, adopts=True
    ) as pool:
        print(json.dumps({"socket": str(pool.layout.socket)}), flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]))
