# SPDX-License-Identifier: Apache-2.0
"""The emulator's own control: what happens to a guest's hardware while it runs. QMP, over a unix socket."""

import json
import time
from pathlib import Path

from .channel import connect

ANSWERS_WITHIN = 20


class QmpError(Exception):
    """The emulator refused a command, or behaved unexpectedly."""


class Qmp:
    """One connection. Events are passed over. One thread at a time."""

    def __init__(self, path: Path):
        self._socket = connect(path)
        self._buffer = b""
        self._next(time.monotonic() + ANSWERS_WITHIN)    # its greeting
        self.command("qmp_capabilities")

    def command(self, name: str, **arguments):
        """Runs a command and returns the emulator's answer. Underscores in the names of arguments become hyphens."""
        request = {"execute": name, "arguments": {key.replace("_", "-"): value for key, value in arguments.items()}}
        self._socket.sendall(json.dumps(request).encode() + b"\n")
        deadline = time.monotonic() + ANSWERS_WITHIN
        while "event" in (answer := self._next(deadline)):
            pass
        if "error" in answer:
            raise QmpError(f"{name} {arguments}: {answer['error']['desc']}")
        return answer["return"]

    def close(self) -> None:
        self._socket.close()

    def _next(self, deadline: float) -> dict:
        while b"\n" not in self._buffer:
            self._socket.settimeout(max(0.001, deadline - time.monotonic()))
            try:
                more = self._socket.recv(1 << 16)
            except TimeoutError:
                raise QmpError("the emulator does not answer") from None
            if not more:
                raise QmpError("the emulator ended")
            self._buffer += more
        line, self._buffer = self._buffer.split(b"\n", 1)
        return json.loads(line)
