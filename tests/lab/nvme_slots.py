# SPDX-License-Identifier: Apache-2.0
"""NVMe controllers of a guest: emulated, each in a PCIe slot of its own behind a virtual IOMMU, to be taken out and put back.

Hot plug is PCIe's own, as with real drives: ACPI's, which is the emulator's default, would hide it. The IOMMU's addresses have
48 bits, as servers' have; the emulator's default of 39 is less than a process's addresses.
"""

from dataclasses import dataclass, field
from pathlib import Path

from . import places
from .guest import Guest
from .machine import Machine
from .qmp import QmpError

BIND = places.CHECKOUT / "deploy/causeway-bind"

KERNEL_WORDS = "intel_iommu=on"
"""Debian's kernel leaves Intel's IOMMU off."""

_IOMMU = ["-global", "ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off",
          "-device", "intel-iommu,intremap=on,aw-bits=48"]
_FIRST_PORT = 0x10
_GONE_WITHIN = 60

# Of a port's PCI Express capability.
_SLOT_CONTROL = "CAP_EXP+18.w"
_INTERRUPTS = 0x0020
_WHEN_EMPTY = 0x0008
_POWER, _POWER_ON, _POWER_OFF = 0x0700, 0x0100, 0x0700    # the controller's bit and its indicator's two


@dataclass(frozen=True)
class Namespace:
    """`metadata`: bytes beside each block. `protection`: the type of protection information in them; 0: none. `null`: a medium that does nothing and reads as zeroes, for measuring."""
    block_size: int = 4096
    metadata: int = 0
    protection: int = 0
    mib: int = 32
    null: bool = False


@dataclass
class Slot:
    """A slot and the controller that is in it when the guest boots. Namespaces count from 1.

    They belong to an NVM subsystem: it stays when the controller is taken out, and another finds them there. For a kernel they
    are therefore disks with a multipath head.
    """
    name: str
    namespaces: list[Namespace]
    number: int = field(default=0, init=False)    # from 0, once it is part of a guest

    def address(self, machine: Machine) -> str:
        """The controller's, such as 0000:01:00.0."""
        return machine.out(f"ls {self._port_in_sysfs()} | grep -x '0000:[0-9a-f:]*[.]0'").strip()

    def put_back(self, guest: Guest) -> None:
        """Inserts another controller into the empty slot. The guest sees it a moment later: `wait_until_seen`."""
        guest.qmp.command("device_add", **self._controller())

    def wait_until_seen(self, machine: Machine, timeout: float = _GONE_WITHIN) -> str:
        """Its address, once the guest has found it."""
        machine.until(f"ls {self._port_in_sysfs()} | grep -qx '0000:[0-9a-f:]*[.]0'", timeout)
        return self.address(machine)

    def ask_to_take_out(self, guest: Guest) -> None:
        """Presses the attention button: five seconds later the guest releases the controller, which is then removed."""
        guest.qmp.command("device_del", id=self.name)

    def pull_out(self, guest: Guest) -> None:
        """As a hand does: the controller is gone before the guest is notified.

        The emulator lets go at once of what is in a slot without power. Linux is not to see the power go, or it takes the slot
        for one that it has emptied itself. Of a slot with a button it then wants to hear only that the link went down, which the
        emulator does not say; so it is told that the slot is empty.
        """
        off, back = _POWER_OFF, _POWER_ON | _INTERRUPTS | _WHEN_EMPTY
        guest.out(f"setpci -s {self._port_address()} {_SLOT_CONTROL}={off:x}:{_POWER | _INTERRUPTS:x} "
                  f"{_SLOT_CONTROL}={back:x}:{_POWER | _INTERRUPTS | _WHEN_EMPTY:x}")

    def wait_until_gone(self, guest: Guest, timeout: float = _GONE_WITHIN) -> None:
        """Waits until the guest and the emulator have released the controller.

        The last that a guest does is to turn the power's indicator off. DEVICE_DELETED is not waited for: the emulator sends that when it
        frees the memory, whenever that is.
        """
        guest.until(f"[ $((0x$(setpci -s {self._port_address()} {_SLOT_CONTROL}) & {_POWER:#x})) = {_POWER_OFF} ]", timeout)
        plugged = [each["name"] for each in guest.qmp.command("qom-list", path="/machine/peripheral")]
        if self.name in plugged:
            raise QmpError(f"{self.name} is still plugged into a slot without power")

    def qemu(self, folder: Path) -> list[str]:
        words = ["-device", f"pcie-root-port,id={self._port()},chassis={self.number + 1},slot={self.number + 1},"
                            f"addr={_FIRST_PORT + self.number:#x}",
                 "-device", f"nvme-subsys,id={self.name}-subsystem,nqn=subsystem-{self.name}",
                 "-device", ",".join(f"{key}={value}" for key, value in self._controller().items())]
        for nsid, namespace in enumerate(self.namespaces, 1):
            medium = f"{self.name}-{nsid}"
            words += ["-blockdev", self._medium(medium, namespace, folder)]
            words += ["-device", f"nvme-ns,drive={medium},bus={self.name},nsid={nsid},ms={namespace.metadata},pi={namespace.protection},shared=on,"
                                 f"logical_block_size={namespace.block_size},physical_block_size={namespace.block_size}"]
        return words

    def _controller(self) -> dict[str, str]:
        return {"driver": "nvme", "id": self.name, "bus": self._port(), "serial": self.name,
                "subsys": f"{self.name}-subsystem"}

    def _medium(self, medium: str, namespace: Namespace, folder: Path) -> str:
        size = namespace.mib << 20
        if namespace.null:
            return f"driver=null-co,node-name={medium},size={size},read-zeroes=on"
        file = folder / f"{medium}.raw"
        with open(file, "wb") as sparse:
            sparse.truncate(size + size // namespace.block_size * namespace.metadata)
        return f"driver=raw,node-name={medium},discard=unmap,file.driver=file,file.filename={file}"

    def _port(self) -> str:
        return f"{self.name}-port"

    def _port_address(self) -> str:
        return f"0000:00:{_FIRST_PORT + self.number:02x}.0"

    def _port_in_sysfs(self) -> str:
        return f"/sys/bus/pci/devices/{self._port_address()}"


def guest(folder: Path, *slots: Slot, words: str = "", **how) -> Guest:
    """A guest with an IOMMU and these slots, not booted yet."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    extra = list(_IOMMU)
    for number, slot in enumerate(slots):
        slot.number = number
        extra += slot.qemu(folder)
    return Guest(folder, extra_qemu=extra, words=f"{KERNEL_WORDS} {words}", **how)
