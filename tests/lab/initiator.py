# SPDX-License-Identifier: Apache-2.0
"""The kernel's NVMe-oF initiator, as an operator uses it: nvme-cli and sysfs."""

import json
import re
import uuid
from dataclasses import dataclass

from .fabric import RDMA, Fabric
from .guest import RXE_ADDRESS
from .machine import Machine

DISCOVERY = "nqn.2014-08.org.nvmexpress.discovery"

PATIENT = "-i 2 -c 1 -l 120 -k 5"
"""Reconnects every second, for two minutes; five seconds without a sign of life are a loss."""


@dataclass(frozen=True)
class Target:
    """The address of a subsystem."""
    nqn: str
    address: str = RXE_ADDRESS
    port: int = 4420
    fabric: Fabric = RDMA

    def words(self) -> str:
        return f"-t {self.fabric.transport} -a {self.address} -s {self.port} {self.fabric.options}"


class Initiator:
    """One host. Guests share this machine's files, so each gets its own host NQN here; `name` makes one more of the same guest."""

    def __init__(self, machine: Machine, name: str = ""):
        self.machine = machine
        host = uuid.uuid5(uuid.NAMESPACE_DNS, name + machine.address)
        self.host_nqn = f"nqn.2014-08.org.nvmexpress:uuid:{host}"
        self._host = f"-q {self.host_nqn} -I {host}"

    def discover(self, target: Target, options: str = "") -> list[dict]:
        """The discovery log's records, less the discovery subsystem's own."""
        text = self.machine.out(f"nvme discover {target.words()} {self._host} {options} -o json")
        return [record for record in json.loads(text)["records"] if record["subnqn"] != DISCOVERY]

    def make_key(self, nqn: str, *, identity: int = 0) -> str:
        """A new key for a subsystem, in this host's keyring, as operators hand it on."""
        said = self.machine.out(f"nvme gen-tls-key --hmac=1 --identity={identity} --hostnqn={self.host_nqn} "
                                f"--subsysnqn={nqn} --insert")
        return re.search(r"NVMeTLSkey-1:\S+", said)[0]

    def connect(self, target: Target, options: str = "-i 2") -> str:
        """Connects; the block device of its first namespace, such as /dev/nvme0n1."""
        self.machine.out(f"nvme connect {target.words()} -n {target.nqn} {self._host} {options}")
        return self.device(target.nqn)

    def connect_all(self, target: Target, options: str = "-i 2") -> None:
        """Connects to all that discovery lists there, except over another fabric: nvme-cli skips those entries."""
        self.machine.out(f"nvme connect-all {target.words()} {self._host} {options}")

    def device(self, nqn: str, nsid: int = 1) -> str:
        """The block device of a connected namespace, once the kernel has made it."""
        return self.machine.until(f"""
            for subsystem in /sys/class/nvme-subsystem/*; do
                [ "$(cat $subsystem/subsysnqn)" = {nqn} ] || continue
                for disk in $subsystem/nvme*n*; do
                    disk=${{disk##*/}}
                    [ "$(cat /sys/block/$disk/nsid)" = {nsid} ] && [ -b /dev/$disk ] && echo /dev/$disk && exit
                done
            done
            false""").out.strip()

    def controllers(self, nqn: str) -> list[str]:
        """Names of the controllers of a subsystem, such as nvme0."""
        return self.machine.out(f"""
            for controller in /sys/class/nvme/nvme*; do
                [ "$(cat $controller/subsysnqn 2>/dev/null)" = {nqn} ] && echo ${{controller##*/}}
            done
            true""").split()

    def wait_for_paths(self, nqn: str, *nsids: int) -> None:
        """Waits until the kernel has these namespaces of a subsystem, and no others, by this host's controllers."""
        self.machine.until(f"""
            found=$(for controller in /sys/class/nvme/nvme*; do
                [ "$(cat $controller/subsysnqn 2>/dev/null)" = {nqn} ] || continue
                [ "$(cat $controller/hostnqn)" = {self.host_nqn} ] || continue
                cat $controller/nvme*c*n*/nsid
            done | sort -n | xargs)
            [ "$found" = "{' '.join(map(str, nsids))}" ]""")

    def transport(self, controller: str) -> str:
        """`rdma`, `tcp`."""
        return self.machine.out(f"cat /sys/class/nvme/{controller}/transport").strip()

    def state(self, controller: str) -> str:
        """`live`, `connecting`, `resetting`, ... or `gone`."""
        return self.machine.out(f"cat /sys/class/nvme/{controller}/state 2>/dev/null || echo gone").strip()

    def wait_for_state(self, controller: str, state: str, timeout: float = 60) -> None:
        now = f"$(cat /sys/class/nvme/{controller}/state 2>/dev/null || echo gone)"
        self.machine.until(f'[ "{now}" = {state} ]', timeout)

    def wait_for_more_io(self, controller: str, requests: int = 100, timeout: float = 60) -> None:
        """Waits until so many more requests were sent to the first namespace. Linux 6.1 counts them by path, not by disk."""
        done = f"$(awk '{{ print $1 + $5 }}' /sys/class/nvme/{controller}/nvme*c*n1/stat)"
        before = int(self.machine.out(f"echo {done}"))
        self.machine.until(f"[ {done} -ge {before + requests} ]", timeout)

    def come_and_go(self, target: Target, times: int) -> None:
        """Connects, whereupon the kernel reads, and disconnects, so many times."""
        self.machine.out(f"""
            for n in $(seq {times}); do
                nvme connect {target.words()} -n {target.nqn} {self._host} -i 1 || exit
                nvme disconnect -n {target.nqn} > /dev/null || exit
            done""", timeout=600)

    def disconnect(self, nqn: str) -> None:
        self.machine.out(f"nvme disconnect -n {nqn}", timeout=120)

    def disconnect_all(self) -> None:
        self.machine.run("nvme disconnect-all", timeout=120)

    def size(self, device: str) -> int:
        """The size in bytes that the kernel sees now."""
        return 512 * int(self.machine.out(f"cat /sys/block/{device.removeprefix('/dev/')}/size"))
