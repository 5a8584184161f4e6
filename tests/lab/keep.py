# SPDX-License-Identifier: Apache-2.0
"""Leaving a lab running after the command that made it has ended, and ending it later.

The run's folder gets three small scripts to paste: `guest COMMAND`, `rbd WORDS`, `end`.
"""

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from . import places, processes, qemu
from .channel import Channel

STATE = "kept.json"


@dataclass
class Kept:
    """The processes to end, and commands to run before and after that."""
    pids: list[int] = field(default_factory=list)
    before: list[list[str]] = field(default_factory=list)
    after: list[list[str]] = field(default_factory=list)

    def leave(self, run: places.Run, guest: Path | None, rbd: list[str]) -> str:
        """Writes the scripts and says how to use them."""
        run.keep()
        state = {"processes": [[pid, started_at(pid)] for pid in self.pids],
                 "before": self.before, "after": self.after}
        (run.folder / STATE).write_text(json.dumps(state, indent=1))
        shown = os.path.relpath(run.folder)
        lines = ["left running; to use it, from here:", ""]
        if guest:
            script(run.folder / "guest", this_module("guest", str(guest)) + ' "$@"')
            lines.append(f"    {shown}/guest nvme list           a command in the guest")
        script(run.folder / "rbd", shlex.join(rbd) + ' "$@"')
        script(run.folder / "end", this_module("end", str(run.folder)))
        lines += [f"    {shown}/rbd ls                    the cluster's images",
                  f"    {shown}/end                       ends it all"]
        return "\n".join(lines)


def end(folder: Path) -> int:
    """Ends the processes that `leave` left. A process id that another process has got meanwhile is ignored."""
    state = json.loads((folder / STATE).read_text())
    for command in state["before"]:
        subprocess.run(command, stdin=subprocess.DEVNULL)
    for command in state["after"]:
        subprocess.run(command, stdin=subprocess.DEVNULL)
    for pid, started in state["processes"]:
        if started_at(pid) == started:
            os.kill(pid, signal.SIGKILL)
    for pid, started in state["processes"]:
        while started_at(pid) == started:
            time.sleep(0.05)
    shutil.rmtree(folder)
    return 0


def in_guest(folder: Path, words: list[str]) -> int:
    """Runs a command in a guest that another process booted, its output as it comes."""
    channel = Channel(folder / qemu.AGENT, lambda: "")
    process = channel.start(words[0] if len(words) == 1 else words)
    shown = 0
    while True:
        channel.wait_for(lambda: not process.running or len(process.output()) > shown, 3600)
        over = not process.running
        text = process.output()
        print(text[shown:], end="", flush=True)
        shown = len(text)
        if over:
            print(process.errors(), end="", file=sys.stderr)
            return process.rc


def started_at(pid: int) -> int | None:
    """When a process began, in clock ticks since boot: with the process id, its name for all time."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    except FileNotFoundError:
        return None


def this_module(*words: str) -> str:
    path = shlex.quote(str(places.CHECKOUT / "tests"))
    return f"PYTHONPATH={path} exec {sys.executable} -m lab.keep {shlex.join(words)}"


def script(path: Path, command: str) -> None:
    path.write_text(f"#!/bin/sh\n{command}\n")
    path.chmod(0o755)


if __name__ == "__main__":
    processes.turn_signals_into_interrupts()
    what, where, *words = sys.argv[1:]
    sys.exit(end(Path(where)) if what == "end" else in_guest(Path(where), words))
