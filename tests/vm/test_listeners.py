# SPDX-License-Identifier: Apache-2.0
"""A subsystem that listens at several addresses of both families."""

from dataclasses import replace

import pytest

from lab import disk, fio
from lab.fabric import RDMA, TCP
from lab.guest import RXE_ADDRESS, RXE_ADDRESS_V6
from lab.processes import CommandFailed

pytestmark = pytest.mark.over(RDMA, TCP)

MIB = 1 << 20


@pytest.fixture
def served(lab, gateway, host, own_name):
    """An image in a subsystem that listens at RXE_ADDRESS, port 4420."""
    yield disk.serve(lab, gateway, own_name, "8M")
    host.disconnect_all()


def test_a_subsystem_listens_at_several_addresses_of_both_families(guest, host, gateway, served):
    v6 = gateway.add_listener(replace(served, address=RXE_ADDRESS_V6))
    other_port = gateway.add_listener(replace(served, port=4425))
    listed = {(r["traddr"], r["trsvcid"], r["adrfam"]) for r in host.discover(v6) if r["subnqn"] == served.nqn}
    assert listed == {(RXE_ADDRESS, "4420", "ipv4"), (RXE_ADDRESS_V6, "4420", "ipv6"), (RXE_ADDRESS, "4425", "ipv4")}
    for target in (v6, other_port):
        device = host.connect(target)
        assert fio.verify(guest, device, size="1m").read.bytes == MIB
        host.disconnect(target.nqn)


def test_a_listener_that_is_removed_refuses_and_the_others_serve(guest, host, gateway, served):
    gone = gateway.add_listener(replace(served, port=4425))
    gateway.remove_listener(gone)
    with pytest.raises(CommandFailed):
        host.connect(gone)
    assert fio.verify(guest, host.connect(served), size="1m").read.bytes == MIB
