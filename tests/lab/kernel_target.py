# SPDX-License-Identifier: Apache-2.0
"""The kernel's own NVMe-oF target (nvmet): the reference for measurements, and the proof that the lab works."""

from .fabric import RDMA, Fabric
from .guest import Guest, RXE_ADDRESS
from .initiator import Target

NVMET = "/sys/kernel/config/nvmet"


class KernelTarget:
    def __init__(self, guest: Guest):
        self.guest = guest
        self._ports: dict[tuple[str, int], int] = {}
        guest.out(f"""set -e
            modprobe -a nvmet nvmet-rdma nvmet-tcp
            [ -d {NVMET} ] || mount -t configfs configfs /sys/kernel/config""")

    def ram_disk(self, mib: int = 64) -> str:
        self.guest.out(f"modprobe brd rd_nr=1 rd_size={mib * 1024}")
        return "/dev/ram0"

    def map_image(self, conf: str, image: str) -> str:
        """An RBD image through the kernel's client. Without udev it must not wait for udev."""
        self.guest.out("modprobe rbd")
        return self.guest.out(f"rbd -c {conf} map -o noudev {image}").strip()

    def expose(self, nqn: str, device: str, *, fabric: Fabric = RDMA, address: str = RXE_ADDRESS,
               port: int = 4420) -> Target:
        subsystem = f"{NVMET}/subsystems/{nqn}"
        self.guest.out(f"""set -e
            mkdir {subsystem} {subsystem}/namespaces/1
            echo 1 > {subsystem}/attr_allow_any_host
            echo -n {device} > {subsystem}/namespaces/1/device_path
            echo 1 > {subsystem}/namespaces/1/enable""")
        self.guest.out(f"ln -s {subsystem} {self._port(fabric.transport, address, port)}/subsystems/{nqn}")
        return Target(nqn, address, port, fabric)

    def withdraw(self, nqn: str) -> None:
        subsystem = f"{NVMET}/subsystems/{nqn}"
        self.guest.out(f"rm -f {NVMET}/ports/*/subsystems/{nqn}; rmdir {subsystem}/namespaces/1 {subsystem}")

    def close(self) -> None:
        self.guest.run(f"""cd {NVMET} || exit
            rm -f ports/*/subsystems/*
            rmdir subsystems/*/namespaces/* subsystems/* ports/*""")
        self._ports.clear()

    def _port(self, transport: str, address: str, port: int) -> str:
        number = self._ports.get((transport, port))
        if number is None:
            number = self._ports[transport, port] = len(self._ports) + 1
            folder = f"{NVMET}/ports/{number}"
            self.guest.out(f"""set -e
                mkdir {folder}
                echo ipv{6 if ':' in address else 4} > {folder}/addr_adrfam
                echo {transport} > {folder}/addr_trtype
                echo {address} > {folder}/addr_traddr
                echo {port} > {folder}/addr_trsvcid""")
        return f"{NVMET}/ports/{number}"
