"""A network of our own, so that addresses and ports collide with nobody's.

The namespace has no name and no process: it is held by an open file, so it is gone when we are, however we end,
with its bridge and its taps. Processes started in it hold it too.
"""

import ctypes
import os
import threading

from . import processes

CLONE_NEWNET = 0x40000000


class Network:
    """A network namespace with a bridge at `address`; guests plug into it with `tap()`."""

    BRIDGE = "lab0"

    def __init__(self, address: str = "10.9.0.1/24"):
        self._file = _fresh_namespace()
        self._taps = 0
        self.address = address.partition("/")[0]
        self.ip("link", "set", "lo", "up")
        self.ip("link", "add", self.BRIDGE, "type", "bridge")
        self.ip("addr", "add", address, "dev", self.BRIDGE)
        self.ip("link", "set", self.BRIDGE, "up")

    def enter(self) -> list[str]:
        """What to put before a command to run it in here; it must inherit `descriptors()`."""
        return ["nsenter", f"--net=/proc/self/fd/{self._file}", "--"]

    def descriptors(self) -> tuple[int, ...]:
        return (self._file,)

    def ip(self, *words) -> str:
        return processes.run(["ip", *words], network=self).stdout

    def tap(self) -> str:
        """A new tap device on the bridge; its name."""
        name = f"tap{self._taps}"
        self._taps += 1
        self.ip("tuntap", "add", name, "mode", "tap")
        self.ip("link", "set", name, "master", self.BRIDGE, "up")
        return name

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def _fresh_namespace() -> int:
    """An open file of a new network namespace. A thread steps into it and ends; nobody else moves."""
    libc = ctypes.CDLL(None, use_errno=True)
    outcome: list[int | OSError] = []

    def step_in():
        if libc.unshare(CLONE_NEWNET):
            outcome.append(OSError(ctypes.get_errno(), "cannot make a network namespace"))
        else:
            outcome.append(os.open("/proc/thread-self/ns/net", os.O_RDONLY))

    thread = threading.Thread(target=step_in)
    thread.start()
    thread.join()
    if isinstance(outcome[0], OSError):
        raise outcome[0]
    return outcome[0]
