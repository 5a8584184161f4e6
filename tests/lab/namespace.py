# SPDX-License-Identifier: Apache-2.0
"""Networks of our own, so that addresses and ports collide with no others, and the network outside.

The former are namespaces without a name and without a process. An open file holds each, so it is gone when we are,
however we end, with its bridge and its taps. Processes started in it hold it too.
"""

import ctypes
import os
import threading

from . import processes

CLONE_NEWNET = 0x40000000


class Loopback:
    """A network namespace with the loopback device alone."""

    def __init__(self):
        self._file = _fresh_namespace()
        self.ip("link", "set", "lo", "up")

    def enter(self) -> list[str]:
        """What to put before a command to run it in here; it must inherit `descriptors()`."""
        return ["nsenter", f"--net=/proc/self/fd/{self._file}", "--"]

    def descriptors(self) -> tuple[int, ...]:
        return (self._file,)

    def ip(self, *words) -> str:
        return processes.run(["ip", *words], network=self).stdout

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


class Network(Loopback):
    """A network namespace with a bridge at `address`; guests plug into it with `card()`."""

    BRIDGE = "lab0"
    BRIDGE_MAC = "52:54:00:0a:09:00"    # number 0 of the cards
    gateway = None

    def __init__(self, address: str = "10.9.0.1/24"):
        super().__init__()
        self._taps = 0
        self.address = address.partition("/")[0]
        # A bridge without an address of its own takes the lowest of its ports, so that it changes when a guest plugs in.
        # Guests that know the former one would lose the cluster until their ARP entry expires, up to 45 s later.
        self.ip("link", "add", self.BRIDGE, "address", self.BRIDGE_MAC, "type", "bridge")
        self.ip("addr", "add", address, "dev", self.BRIDGE)
        self.ip("link", "set", self.BRIDGE, "up")

    def card(self, number: int) -> list[str]:
        """The emulator's words for a network card on the bridge; `number` tells it from the other guests' cards."""
        tap = f"tap{self._taps}"
        self._taps += 1
        self.ip("tuntap", "add", tap, "mode", "tap")
        self.ip("link", "set", tap, "master", self.BRIDGE, "up")
        return ["-netdev", f"tap,id=net,ifname={tap},script=no,downscript=no",
                "-device", f"virtio-net-pci,netdev=net,romfile=,mac=52:54:00:0a:09:{number:02x}"]


class Outside:
    """The world as this machine sees it, for a guest that has to reach it: the emulator translates its addresses."""

    gateway = "10.0.2.2"
    GUEST = "10.0.2.15/24"

    def enter(self) -> list[str]:
        return []

    def descriptors(self) -> tuple[int, ...]:
        return ()

    def card(self, number: int) -> list[str]:
        return ["-netdev", "user,id=net", "-device", "virtio-net-pci,netdev=net,romfile="]


def _fresh_namespace() -> int:
    """An open file of a new network namespace. A thread enters it and ends; no other thread does."""
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
