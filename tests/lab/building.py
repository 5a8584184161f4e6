# SPDX-License-Identifier: Apache-2.0
"""Building a preset into a log; and any other long command."""

import contextlib
import fcntl
import subprocess
import time
from pathlib import Path

from . import places, processes
from .progress import Progress

MINUTES = 50    # beside tests that go before it


def logged(argv, log: Path, progress: Progress, minutes: float | None) -> int:
    """Runs a command into a log, in bounded time (None: as long as it takes), showing the log's last line as it goes. Its exit status; 1 when it has not ended in time."""
    process = processes.spawn(argv, log=log, cwd=places.CHECKOUT)
    deadline = time.monotonic() + 60 * minutes if minutes else float("inf")
    try:
        while process.poll() is None:
            if time.monotonic() > deadline:
                with open(log, "a") as file:
                    file.write(f"\nnot done after {minutes} minutes\n")
                return 1
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(0.3)
            progress.detail = processes.last_line(log)
        return process.returncode
    finally:
        processes.end(process, grace=30)


def build(preset: str, log: Path, progress: Progress, folders: tuple[str, ...] = (), also: tuple[str, ...] = (),
          minutes: float | None = MINUTES) -> bool:
    """Configures and builds; with `folders` or `also`, only the test programs of those folders and those targets. Two runs in one checkout take turns."""
    def ran(*argv) -> bool:
        return logged(argv, log, progress, minutes) == 0

    with progress.step(f"build {preset}") as step, _turn(preset):
        step.failed = not (ran("cmake", "--preset", preset)
                           and ran("nice", "cmake", "--build", "--preset", preset, *_targets(preset, folders, also)))
    return not step.failed


def _targets(preset: str, folders: tuple[str, ...], also: tuple[str, ...]) -> list[str]:
    """The test programs of `folders`, and `also`, as words for the build; neither, no words: everything."""
    if not folders and not also:
        return []
    listed = processes.run(["ninja", "-C", places.CHECKOUT / "build" / preset, "-t", "targets", "all"]).stdout
    programs = [line.partition(":")[0] for line in listed.splitlines() if "CXX_EXECUTABLE" in line]
    beginnings = tuple(f"{folder}/" for folder in folders)
    return ["--target", *(p for p in programs if p.startswith(beginnings) and p.endswith("_test")), *also]


@contextlib.contextmanager
def _turn(preset: str):
    places.LAB.mkdir(parents=True, exist_ok=True)
    with open(places.LAB / f"build-{preset}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
