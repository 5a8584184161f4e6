# SPDX-License-Identifier: Apache-2.0
"""A machine on which commands run: a guest, or this machine. Its users need not know which."""

import time
from dataclasses import dataclass
from pathlib import Path

from .processes import CommandFailed


class Timeout(CommandFailed):
    """A command exceeded its time limit and was killed."""


@dataclass(frozen=True)
class Result:
    command: str
    rc: int
    out: str
    err: str
    seconds: float

    @property
    def ok(self) -> bool:
        return self.rc == 0

    def check(self) -> "Result":
        if not self.ok:
            raise CommandFailed(f"{self.command}: exit status {self.rc}\n{self.out}{self.err}")
        return self


class Machine:
    """`start` is what each kind brings; the rest is built on it."""

    share: Path
    """A folder of this machine ..."""
    inside: str
    """... and its path over there."""

    def start(self, command: str | list[str], *, env: dict | None = None, cwd: str = "/root", input: str = ""):
        """Starts a command and returns at once: `wait()`, `kill()`, `output()`, `errors()`, `running`, `pid`, `rc`.

        A string goes to the shell, a list does not.
        """
        raise NotImplementedError

    def run(self, command: str | list[str], timeout: float = 60, **how) -> Result:
        """Runs a command to its end. Its failure is in the result."""
        return self.start(command, **how).wait(timeout)

    def out(self, command: str | list[str], timeout: float = 60, **how) -> str:
        """The output of a command that must succeed."""
        return self.run(command, timeout, **how).check().out

    def until(self, command: str, timeout: float = 30, every: float = 0.2) -> Result:
        """Repeats a command until it succeeds."""
        end = time.monotonic() + timeout
        while not (result := self.run(command, timeout=timeout)).ok:
            if time.monotonic() > end:
                raise CommandFailed(f"for {timeout} s: {command}\n{result.out}{result.err}")
            time.sleep(every)
        return result
