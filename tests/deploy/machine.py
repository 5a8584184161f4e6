# SPDX-License-Identifier: Apache-2.0
"""A machine with PCI devices and disks, as /sys, /proc and /dev show it, in a folder; and the little that a kernel does in it."""

import errno
import os
from pathlib import Path

NVME = "0x010802"
REALLY_OPEN = os.open


class Machine:
    """What it has is made by its methods, the way a kernel lays it out. `claimed`: numbers of disks that are held exclusively."""

    def __init__(self, root: Path):
        self.root = root
        self.claimed: set[str] = set()
        self.held_groups: set[str] = set()
        self.refuses: set[str] = set()
        """Addresses that vfio-pci does not take."""
        self._minor = 0
        for folder in ("sys/class/block", "sys/class/vfio", "sys/block", "dev/vfio"):
            (root / folder).mkdir(parents=True)
        for driver in ("nvme", "vfio-pci", "ahci", "pcieport", "uio_pci_generic"):
            (root / "sys/bus/pci/drivers" / driver).mkdir(parents=True)
        self.file("sys/bus/pci/drivers_probe", "")
        self.file("proc/swaps", "Filename\tType\tSize\tUsed\tPriority\n")
        self.process(1, "init")

    # Hardware

    def pci(self, address: str, kind: str = NVME, driver: str | None = "nvme", group: int | None = 1) -> None:
        device = self.device(address)
        self.file(f"{device}/class", kind)
        self.file(f"{device}/driver_override", "(null)\n")
        if driver:
            self.drive(address, driver)
        if group is not None:
            folder = self.root / f"sys/kernel/iommu_groups/{group}"
            (folder / "devices" / address).mkdir(parents=True)
            (self.root / device / "iommu_group").symlink_to(folder)

    def drive(self, address: str, driver: str | None) -> None:
        link = self.root / self.device(address) / "driver"
        link.unlink(missing_ok=True)
        if driver:
            link.symlink_to(self.root / "sys/bus/pci/drivers" / driver)
            self.file(f"sys/bus/pci/drivers/{driver}/unbind", "")

    def device(self, address: str) -> str:
        return f"sys/bus/pci/devices/{address}"

    def disk(self, address: str, name: str = "nvme0n1", controller: str = "nvme0") -> str:
        """A namespace's disk; its MAJOR:MINOR."""
        return self._block(f"{self.device(address)}/nvme/{controller}/{name}")

    def multipath_disk(self, address: str, path: str = "nvme0c0n1", head: str = "nvme0n1", controller: str = "nvme0") -> str:
        """A hidden path below the controller, and the head above all paths."""
        (self.root / self.device(address) / "nvme" / controller / path).mkdir(parents=True)
        return self._block(f"sys/devices/virtual/nvme-subsystem/nvme-subsys0/{head}")

    def partition(self, disk: str, name: str) -> str:
        folder = (self.root / "sys/class/block" / disk).resolve().relative_to(self.root.resolve()) / name
        self.file(f"{folder}/partition", "1")
        return self._block(str(folder))

    def stacked(self, name: str, *below: str) -> str:
        """A device of device mapper, md or bcache on others."""
        number = self._block(f"sys/devices/virtual/block/{name}")
        for lower in below:
            self.file(f"sys/class/block/{lower}/holders/{name}", "")
        return number

    # What uses it

    def process(self, pid: int, name: str) -> None:
        self.file(f"proc/{pid}/comm", name)
        self.file(f"proc/{pid}/mountinfo", "")
        (self.root / f"proc/{pid}/fd").mkdir()
        (self.root / f"proc/{pid}/ns").mkdir()
        (self.root / f"proc/{pid}/ns/mnt").symlink_to(f"mnt:[{pid}]")

    def mount(self, number: str, point: str, source: str = "/dev/whatever", pid: int = 1) -> None:
        with open(self.root / f"proc/{pid}/mountinfo", "a") as table:
            table.write(f"29 1 {number} / {point} rw,relatime shared:1 - ext4 {source} rw\n")

    def swap(self, name: str) -> None:
        with open(self.root / "proc/swaps", "a") as table:
            table.write(f"{name}\tpartition\t1048572\t0\t-2\n")

    def open(self, pid: int, what: str) -> None:
        """`what` is `block MAJOR:MINOR` or `char MAJOR:MINOR`."""
        self.file(f"proc/{pid}/fd/5", what)

    def file(self, path: str, content: str) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)

    def _block(self, folder: str) -> str:
        self._minor += 1
        number = f"259:{self._minor}"
        self.file(f"{folder}/dev", number)
        name = Path(folder).name
        (self.root / "sys/class/block" / name).symlink_to(self.root / folder)
        self.file(f"dev/{name}", f"block {number}")
        return number

    # What a kernel does

    def device_of_file(self, file: Path | int) -> str:
        """Files of this folder say themselves which device they are."""
        return Path(f"/proc/self/fd/{file}" if isinstance(file, int) else file).read_text()

    def opened(self, path: Path, flags: int) -> int:
        path = Path(path)
        if path.parent.name == "vfio" and path.name in self.held_groups:
            raise OSError(errno.EBUSY, "Device or resource busy")
        if flags & os.O_EXCL and path.read_text().removeprefix("block ") in self.claimed:
            raise OSError(errno.EBUSY, "Device or resource busy")
        return REALLY_OPEN(path, flags & ~os.O_EXCL)

    def written(self, path: Path, text: str) -> None:
        path.write_text(text)
        if path.name == "unbind":
            self.drive(text, None)
        if path.name == "drivers_probe":
            override = (self.root / self.device(text) / "driver_override").read_text().strip()
            if not (override == "vfio-pci" and text in self.refuses):
                self.drive(text, override or "nvme")

    def content(self) -> dict[str, str]:
        """Every file and every link, so that a change shows."""
        return {str(path.relative_to(self.root)): os.readlink(path) if path.is_symlink() else path.read_text()
                for path in sorted(self.root.rglob("*")) if path.is_symlink() or path.is_file()}
