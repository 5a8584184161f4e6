# SPDX-License-Identifier: Apache-2.0
"""One subsystem, over RDMA and over TCP at once."""

import signal
from dataclasses import replace

import pytest

from lab import disk, fio
from lab.fabric import RDMA, TCP
from lab.guest import RXE_ADDRESS, RXE_ADDRESS_V6
from lab.initiator import Initiator

MIB = 1 << 20
TCP_ADDRESS = "10.77.2.1"
"""Of the TCP listener alone, so that this path can be lost and not the other."""

pytestmark = pytest.mark.over(RDMA)    # TCP comes second


@pytest.fixture
def served(lab, gateway, host, own_name):
    """An image in a subsystem that listens over RDMA; TCP listeners may follow."""
    gateway.add_transport(TCP)
    yield disk.serve(lab, gateway, own_name, "16M")
    host.disconnect_all()


@pytest.fixture
def tcp_address(guest, host):
    guest.out(f"ip addr add {TCP_ADDRESS}/32 dev lo")
    yield TCP_ADDRESS
    host.disconnect_all()    # while it is there: the goodbye to a controller that is out of reach takes a minute
    guest.out(f"ip addr del {TCP_ADDRESS}/32 dev lo")


def test_discovery_over_either_fabric_lists_both(host, gateway, served):
    """At one address and port too: RDMA and TCP have ports of their own."""
    by_tcp = gateway.add_listener(replace(served, fabric=TCP))
    gateway.add_listener(replace(served, fabric=TCP, address=RXE_ADDRESS_V6))
    for asked in (served, by_tcp):
        listed = {(r["trtype"], r["adrfam"], r["traddr"], r["trsvcid"]) for r in host.discover(asked)}
        assert listed == {("rdma", "ipv4", RXE_ADDRESS, "4420"), ("tcp", "ipv4", RXE_ADDRESS, "4420"),
                          ("tcp", "ipv6", RXE_ADDRESS_V6, "4420")}


def test_a_host_connects_over_each_fabric(lab, guest, host, gateway, served):
    by_tcp = gateway.add_listener(replace(served, fabric=TCP, address=guest.address))
    with lab.new_guest(smp=1, memory="1G") as far_guest:
        far = Initiator(far_guest)
        disks = ((guest, host.connect(served)), (far_guest, far.connect(by_tcp)))
        loads = [fio.start_verify(machine, device, bs="16k", size="8m", more=f"--offset={8 * n}m")
                 for n, (machine, device) in enumerate(disks)]
        for load in loads:
            assert fio.outcome(load.wait(120).check().out).read.bytes == 8 * MIB
        read = {machine.out(f"dd if={device} bs=1M iflag=direct status=none | sha256sum") for machine, device in disks}
        assert len(read) == 1, "each reads what the other wrote"
        far.disconnect(by_tcp.nqn)


def test_a_host_with_both_paths_continues_over_either(guest, host, gateway, served, tcp_address):
    """The kernel's multipath takes the two for paths to one disk."""
    by_tcp = gateway.add_listener(replace(served, fabric=TCP, address=tcp_address))
    for target in (served, by_tcp):
        host.connect_all(target, "-i 2 -c 1 -l 120 -k 5")
    paths = {host.transport(controller): controller for controller in host.controllers(served.nqn)}
    assert sorted(paths) == ["rdma", "tcp"]
    device = host.device(served.nqn)
    guest.out("echo round-robin | tee /sys/class/nvme-subsystem/*/iopolicy")
    load = fio.start_verify(guest, device, size="4m", more="--loops=1000 --rate_iops=200")

    for path in paths.values():
        host.wait_for_more_io(path)
    guest.out(f"ip addr del {tcp_address}/32 dev lo")
    host.wait_for_state(paths["tcp"], "connecting", 30)
    host.wait_for_more_io(paths["rdma"])
    guest.out(f"ip addr add {tcp_address}/32 dev lo")
    host.wait_for_state(paths["tcp"], "live", 60)
    host.wait_for_more_io(paths["tcp"])
    guest.out(f"nvme disconnect -d {paths['rdma']}", timeout=120)
    host.wait_for_more_io(paths["tcp"])

    assert host.controllers(served.nqn) == [paths["tcp"]]
    assert load.running, f"{load.output()}{load.errors()}"
    load.kill(signal.SIGINT)    # not SIGKILL: fio's jobs would live on and write
    load.wait(60)
    assert fio.verify(guest, device, size="4m").read.bytes == 4 * MIB
