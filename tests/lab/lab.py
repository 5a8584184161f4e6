"""The whole lab: a network of our own, a Ceph cluster on its bridge, a guest plugged into it with soft-RoCE up."""

import contextlib

from .ceph import Cluster
from .guest import Guest
from .namespace import Network
from .places import Run


class Lab:
    """`with Lab("demo") as lab:` gives `lab.cluster`, `lab.guest` and `lab.guest_conf`, Ceph's configuration as the guest sees it."""

    def __init__(self, name: str, *, smp: int = 2, memory: str = "3G", outlive: bool = False, progress=lambda step: None):
        self.run = Run(name)
        self.outlive = outlive
        """Set it at any time before `close`: all that runs is left running."""
        self._smp, self._memory, self._progress = smp, memory, progress
        self._guests = 0

    def __enter__(self) -> "Lab":
        with contextlib.ExitStack() as undo:
            undo.callback(self.run.close)
            self.network = undo.enter_context(contextlib.closing(Network()))
            self._stack = undo
            self._progress("starting a Ceph cluster of one node, in memory")
            self.cluster = Cluster(self.run.folder / "ceph", logs=self.run.logs, network=self.network)
            self.cluster.outlive = self.outlive
            undo.enter_context(self.cluster)
            self._progress("booting a guest with a stock Debian kernel")
            self.guest = undo.enter_context(self.new_guest())
            self.guest_conf = self.cluster.guest_conf(self.guest.share)
            self._progress("bringing soft-RoCE up in the guest")
            self.guest.setup_rxe()
            self._stack = undo.pop_all()
        return self

    def new_guest(self, **how) -> Guest:
        """One more host on the same bridge, not booted yet: `with lab.new_guest() as other:`. Addresses count up from 10.9.0.2."""
        self._guests += 1
        guest = Guest(self.run.folder / f"guest{self._guests}", logs=self.run.logs, network=self.network,
                      address=f"10.9.0.{1 + self._guests}/24", **{"smp": self._smp, "memory": self._memory, **how})
        guest.outlive = self.outlive
        return guest

    def __exit__(self, *exception) -> None:
        self.close()

    def close(self) -> None:
        self._stack.close()

    def leave_running(self) -> None:
        """Forgets to end anything. Needs `outlive` from the start, or the kernel ends it with us."""
        self.run.keep()
        self._stack.pop_all()
