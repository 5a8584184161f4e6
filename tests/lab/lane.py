# SPDX-License-Identifier: Apache-2.0
"""Long commands in the background, one after another, beside what else there is to do.

A lane may have a loopback device of its own, and nothing else of a network: servers choose ports that are free, and
between the choice and the use another lane could take them.
"""

import contextlib
import os
import subprocess
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from . import places, processes
from .namespace import Loopback

OWN_NETWORK = "CAUSEWAY_OWN_NETWORK"
"""Set in the environment of commands in such a lane: its addresses are theirs to change."""


@dataclass(frozen=True)
class Ended:
    """How a command ended: its exit status (1 if it took too long), and how many seconds it ran."""
    status: int
    seconds: float


class Lane:
    """Commands run in the order in which they are added. Each writes into a log of its own."""

    def __init__(self, own_loopback: bool = False):
        """`own_loopback`: where we are root. Commands in such a lane cannot download anything."""
        self._worker = ThreadPoolExecutor(max_workers=1)
        self._closing = threading.Event()
        self._network = Loopback() if own_loopback and os.geteuid() == 0 else None

    def add(self, argv, log: Path, minutes: float) -> "Future[Ended]":
        """`minutes`: when it is ended at the latest, counted from its own beginning."""
        return self._worker.submit(self._run, argv, log, minutes)

    def close(self) -> None:
        """Ends the command that runs, and drops those that wait."""
        self._closing.set()
        self._worker.shutdown(cancel_futures=True)
        if self._network:
            self._network.close()

    def _run(self, argv, log: Path, minutes: float) -> Ended:
        began = time.monotonic()
        if self._network:
            argv = ["env", f"{OWN_NETWORK}=1", *argv]
        process = processes.spawn(argv, network=self._network, log=log, cwd=places.CHECKOUT)    # ends with this thread
        try:
            while process.poll() is None and not self._closing.is_set():
                if time.monotonic() > began + 60 * minutes:
                    with open(log, "a") as file:
                        file.write(f"\nnot done after {minutes} minutes\n")
                    break
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(0.3)
            return Ended(1 if process.returncode is None else process.returncode, time.monotonic() - began)
        finally:
            processes.end(process, grace=30)
