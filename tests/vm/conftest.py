# SPDX-License-Identifier: Apache-2.0
"""Each of these tests over each fabric. (tests/softrdma has a `fabric` of its own.) And a stage for those over TLS."""

import contextlib
import os
from dataclasses import dataclass

import pytest

from lab import debian, nvme_slots, places
from lab.ceph import Cluster
from lab.fabric import FABRICS, TCP_TLS
from lab.gateway import DAEMON, Gateway
from lab.guest import Guest
from lab.here import Here
from lab.namespace import Network


def pytest_generate_tests(metafunc):
    """Whoever uses a gateway in the guest runs over each fabric, or over those that its `over` names."""
    if "fabric" in metafunc.fixturenames:
        over = metafunc.definition.get_closest_marker("over")
        metafunc.parametrize("fabric", over.args if over else FABRICS, ids=str, indirect=True, scope="module")


@dataclass(frozen=True)
class Stage:
    """A network with a cluster in it, the gateway's side, and a host with tlshd."""
    cluster: Cluster
    here: Here
    guest: Guest

    def gateway(self) -> Gateway:
        return Gateway(self.here, ceph_conf=str(self.cluster.conf), fabric=TCP_TLS, address=self.here.address,
                       name=f"causewayd-tls-{os.getpid()}", options="--no-huge")


@pytest.fixture(scope="session")
def stage():
    """A host of a newer Debian, whose kernel leaves handshakes to tlshd; gateways run beside it, on this machine."""
    if os.geteuid() != 0:
        pytest.skip("the lab needs root, for a network of its own")
    if not places.binary(DAEMON).exists():
        pytest.skip(f"{places.binary(DAEMON)} is not built")
    with contextlib.ExitStack() as undo:
        run = undo.enter_context(places.Run("tls"))
        network = undo.enter_context(contextlib.closing(Network()))
        cluster = undo.enter_context(Cluster(run.folder / "ceph", logs=run.logs, network=network))
        here = Here(run.logs / "gateway", network.address, network=network)
        guest = undo.enter_context(Guest(run.folder / "host", logs=run.logs, network=network, debian=debian.get()))
        guest.out("modprobe -a nvme-tcp tls")
        guest.start("exec tlshd -s > /out/tlshd.log 2>&1")
        yield Stage(cluster, here, guest)


@dataclass(frozen=True)
class Drives:
    """A guest with NVMe controllers, of its kernel's driver at first."""
    guest: Guest
    left: nvme_slots.Slot     # blocks of 512 bytes, and of 4 KiB
    right: nvme_slots.Slot    # blocks of 4 KiB: plain, with metadata, with protection information

    def bind(self, *slots: nvme_slots.Slot) -> None:
        self._tool("bind", slots)

    def unbind(self, *slots: nvme_slots.Slot) -> None:
        self._tool("unbind", slots)

    def _tool(self, command: str, slots) -> None:
        self.guest.out([nvme_slots.BIND, command, *(slot.address(self.guest) for slot in slots)])


@pytest.fixture(scope="module")
def drives():
    """Without a cluster: what these tests are about is local."""
    slots = (nvme_slots.Slot("left", [nvme_slots.Namespace(512), nvme_slots.Namespace(4096)]),
             nvme_slots.Slot("right", [nvme_slots.Namespace(4096), nvme_slots.Namespace(4096, metadata=8),
                                       nvme_slots.Namespace(4096, metadata=8, protection=1)]))
    with places.Run("drives") as run, nvme_slots.guest(run.folder / "drives", *slots, logs=run.logs) as guest:
        guest.out("modprobe nvme")
        try:
            yield Drives(guest, *slots)
        finally:
            guest.run("dmesg > /out/dmesg.log")    # slots' comings and goings: the console has warnings only
