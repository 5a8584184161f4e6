"""Where a subsystem is reached: several addresses, of both families."""

from dataclasses import replace

import pytest

from lab import disk, fio
from lab.gateway import listen_address
from lab.guest import RXE_ADDRESS, RXE_ADDRESS_V6
from lab.processes import CommandFailed

MIB = 1 << 20


def listen(gateway, target, address: str, port: int):
    """One more listener of a subsystem; the target as it is found there."""
    gateway.tell("nvmf_subsystem_add_listener", {"nqn": target.nqn, "listen_address": listen_address(address, port)})
    return replace(target, address=address, port=port)


@pytest.fixture
def served(lab, gateway, host, request):
    """An image in a subsystem that listens at RXE_ADDRESS, port 4420."""
    yield disk.serve(lab, gateway, request.node.name.removeprefix("test_")[:40], "8M")
    host.disconnect_all()


def test_a_subsystem_listens_at_several_addresses_of_both_families(guest, host, gateway, served):
    v6 = listen(gateway, served, RXE_ADDRESS_V6, 4420)
    other_port = listen(gateway, served, RXE_ADDRESS, 4425)
    listed = {(r["traddr"], r["trsvcid"], r["adrfam"]) for r in host.discover(v6) if r["subnqn"] == served.nqn}
    assert listed == {(RXE_ADDRESS, "4420", "ipv4"), (RXE_ADDRESS_V6, "4420", "ipv6"), (RXE_ADDRESS, "4425", "ipv4")}
    for target in (v6, other_port):
        device = host.connect(target)
        assert fio.verify(guest, device, size="1m").read.bytes == MIB
        host.disconnect(target.nqn)


def test_a_listener_that_is_removed_refuses_and_the_others_serve(guest, host, gateway, served):
    gone = listen(gateway, served, RXE_ADDRESS, 4425)
    gateway.rpc("nvmf_subsystem_remove_listener",
                {"nqn": served.nqn, "listen_address": listen_address(RXE_ADDRESS, 4425)})
    with pytest.raises(CommandFailed):
        host.connect(gone)
    assert fio.verify(guest, host.connect(served), size="1m").read.bytes == MIB
