# SPDX-License-Identifier: Apache-2.0
"""A booted guest: Debian's stock kernel on this machine's own files, with commands run in it from here.

The guest's root is this machine's, read-only, with memory above it for what is written: everything installed here,
and every binary just built, runs there by the same path. `share` on this side is `/out` on that side, writable.
"""

import shutil
import subprocess
import time
from pathlib import Path

from . import initramfs, kernel, processes, qemu
from .channel import Channel, GuestDied, Process
from .debian import Debian
from .machine import Machine
from .qmp import Qmp

BOOTS_WITHIN = 90
RXE_ADDRESS = "10.77.1.1"
RXE_ADDRESS_V6 = "fd77::1"

LOOPBACK_WORDS = "hardened_usercopy=off"
"""For the kernel's command line, where a host and a gateway in one guest talk over TCP. What nvme-tcp sends from two large
pages that happen to lie side by side is one piece, over loopback for the receiver too. In 6.1 the check of the copy to user
space takes that for an overrun of the first page, and ends the receiver (`kernel BUG at mm/usercopy.c`). From a network card
the receiver has pages of its own."""


class Guest(Machine):
    def __init__(self, folder: Path, *, logs: Path | None = None, network=None, address: str = "10.9.0.2/24",
                 smp: int = 2, memory: str = "3G", debian: Debian | None = None,
                 words: str = "", extra_qemu=(), outlive: bool = False):
        """Nothing runs yet. `network`: plug into it, with `address`. `debian`: its root and kernel instead of this
        machine's root and the default kernel. `words`: more for the kernel's command line. `outlive`: the emulator does
        not end with us.
        """
        self.folder = Path(folder)
        self.share = self.folder / "out"
        self.inside = "/out"
        self.serial = Path(logs or folder) / f"{self.folder.name}.serial"
        self.network = network
        self.address = address.partition("/")[0]
        self._address = address
        self._smp, self._memory, self._debian, self._words = smp, memory, debian, words
        self._extra_qemu = list(extra_qemu)
        self._outlive = outlive
        self.emulator: subprocess.Popen | None = None
        self.channel: Channel | None = None
        self._qmp: Qmp | None = None
        self.boot_seconds = 0.0

    def __enter__(self) -> "Guest":
        return self.boot()

    def __exit__(self, *_) -> None:
        self.stop()

    def boot(self, timeout: float = BOOTS_WITHIN) -> "Guest":
        started = time.monotonic()
        self.share.mkdir(parents=True, exist_ok=True)
        (self.folder / qemu.AGENT).unlink(missing_ok=True)    # of an earlier boot
        try:
            self.emulator = processes.spawn(self._command_line(), network=self.network, cwd=self.folder,
                                            log=self.serial.with_suffix(".qemu"), outlive=self._outlive)
            self._connect(started + timeout)
            self._bring_network_up()
        except BaseException:
            self.stop()
            raise
        self.boot_seconds = time.monotonic() - started
        return self

    def stop(self) -> None:
        """Ends the emulator. Nothing in the guest is worth a shutdown; logs in its share are kept with ours."""
        if self.channel:
            self.channel.close()
            self.channel = None
        if self._qmp:
            self._qmp.close()
            self._qmp = None
        processes.end(self.emulator, grace=0)
        if self.share.is_dir() and self.serial.parent.is_dir():
            for log in self.share.glob("*.log"):
                shutil.copy(log, self.serial.parent / f"{self.folder.name}-{log.name}")

    kill = stop
    """Ends the emulator, as a host that loses power."""

    def start(self, command, **how) -> Process:
        if self.channel is None:
            raise GuestDied("the guest is not running")
        return self.channel.start(command, **how)

    @property
    def qmp(self) -> Qmp:
        """The emulator's control."""
        if self._qmp is None:
            self._qmp = Qmp(self.folder / qemu.MONITOR)
        return self._qmp

    def setup_rxe(self, netdev: str = "dummy0", address: str = RXE_ADDRESS, address_v6: str | None = RXE_ADDRESS_V6,
                  mtu: int = 9000, name: str = "rxe0") -> None:
        """Soft-RoCE on a dummy device (made here) or on the guest's network card, and the modules of both sides.

        With a 9000-byte MTU RDMA packets carry 4096 bytes.
        """
        if netdev.startswith("dummy"):
            self.out(f"modprobe dummy numdummies=0 && ip link add {netdev} type dummy")
        v6 = f"ip addr add {address_v6}/64 dev {netdev} nodad" if address_v6 else "true"
        self.out(f"""set -e
            ip link set {netdev} mtu {mtu} up
            ip addr show dev {netdev} | grep -q 'inet {address}/' || ip addr add {address}/24 dev {netdev}
            {v6}
            modprobe -a rdma_rxe ib_uverbs rdma_ucm nvme-rdma
            rdma link add {name} type rxe netdev {netdev}""")

    def kernel_complaints(self) -> str:
        """Errors in the kernel's log: warnings with a stack, lockups, oopses."""
        return self.run("dmesg | grep -E 'WARNING:|BUG:|Oops|blocked for more than|soft lockup|rcu.*stall'").out

    def iommu_faults(self) -> str:
        """The accesses of devices that the IOMMU prevented."""
        return self.run("dmesg | grep 'DMAR:.*fault'").out

    def _command_line(self) -> list[str]:
        the_kernel = self._debian.kernel if self._debian else kernel.get()
        command = qemu.machine(the_kernel, initramfs.for_9p_root(the_kernel), smp=self._smp, memory=self._memory,
                               words=f"{LOOPBACK_WORDS} {self._words}", serial=self.serial)
        command += qemu.share("root", self._debian.root if self._debian else "/")
        command += qemu.share("modules", the_kernel.modules)
        command += qemu.share("out", self.share, writable=True) + qemu.control() + qemu.monitor()
        if self.network:
            command += self.network.card(int(self.address.rpartition(".")[2]))
        return command + self._extra_qemu

    def _connect(self, deadline: float) -> None:
        while not (self.folder / qemu.AGENT).exists():
            self._still_booting(deadline)
            time.sleep(0.02)
        self.channel = Channel(self.folder / qemu.AGENT, self._obituary)
        while not self.channel.wait_for(lambda: self.channel.hello is not None, 1):
            self._still_booting(deadline)

    def _still_booting(self, deadline: float) -> None:
        if self.emulator.poll() is not None or time.monotonic() > deadline:
            raise GuestDied(f"the guest did not boot\n{self._obituary()}")

    def _bring_network_up(self) -> None:
        self.out("ip link set lo up")
        if self.network:
            self.out(f"modprobe -a virtio_net nvme-tcp && ip addr add {self._address} dev eth0 && ip link set eth0 up")
            if self.network.gateway:
                self.out(f"ip route add default via {self.network.gateway}")

    def _obituary(self) -> str:
        said = processes.tail(self.serial.with_suffix(".qemu"), 5)
        return f"-- end of its console, {self.serial}:\n{processes.tail(self.serial, 120)}\n{said}"
