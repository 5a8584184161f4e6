# SPDX-License-Identifier: Apache-2.0
"""The whole lab: a network of our own, a Ceph cluster on its bridge, a guest plugged into it with soft-RoCE up."""

import contextlib

from .ceph import Cluster
from .guest import Guest
from .namespace import Network
from .places import Run


class Lab:
    """`with Lab("name") as lab:` gives `lab.cluster` and `lab.guest`, its soft-RoCE up.

    `lab.guest_conf` is Ceph's configuration as guests see it. A `Run` in the name's place is used and not ended. With a
    `network` there is no cluster: the guest is to reach one that is there already. `outlive`: what is started does not
    end with us. `step` is told of each step.
    """

    def __init__(self, run: str | Run, *, network=None, smp: int = 2, memory: str = "3G", outlive: bool = False,
                 step=None):
        self.run = run
        self.cluster: Cluster | None = None
        self.guest_conf: str | None = None
        self._network = network
        self._smp, self._memory, self._outlive = smp, memory, outlive
        self._step = step or contextlib.nullcontext
        self._guests = 0

    def __enter__(self) -> "Lab":
        with contextlib.ExitStack() as undo:
            if isinstance(self.run, str):
                self.run = undo.enter_context(Run(self.run))
            if self._network is None:
                self._start_cluster(undo)
            with self._step("boot a guest with a stock Debian kernel"):
                self.guest = undo.enter_context(self.new_guest())
            if self.cluster:
                self.guest_conf = self.cluster.guest_conf(self.guest.share)
            with self._step("bring soft-RoCE up in the guest"):
                self.guest.setup_rxe()
            self._undo = undo.pop_all()
        return self

    def __exit__(self, *_) -> None:
        self._undo.close()

    def new_guest(self, **how) -> Guest:
        """One more host, not booted yet: `with lab.new_guest() as other:`. Addresses count up from 10.9.0.2."""
        self._guests += 1
        address = {"address": f"10.9.0.{1 + self._guests}/24"} if self.cluster else {}
        return Guest(self.run.folder / f"guest{self._guests}", logs=self.run.logs, network=self._network,
                     **{"smp": self._smp, "memory": self._memory, "outlive": self._outlive, **address, **how})

    def replace_guest(self) -> None:
        """For a guest that hangs or cannot be cleaned: a fresh one in its place, and in the same object."""
        self.guest.stop()
        self.guest.boot()
        self.guest.setup_rxe()

    def pids(self) -> list[int]:
        """All processes of the lab."""
        return [self.guest.emulator.pid, *(self.cluster.pids() if self.cluster else [])]

    def _start_cluster(self, undo: contextlib.ExitStack) -> None:
        with self._step("start a Ceph cluster of one node, in memory"):
            self._network = undo.enter_context(contextlib.closing(Network()))
            cluster = Cluster(self.run.folder / "ceph", logs=self.run.logs, network=self._network, outlive=self._outlive)
            self.cluster = undo.enter_context(cluster)
