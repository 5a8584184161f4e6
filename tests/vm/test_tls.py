# SPDX-License-Identifier: Apache-2.0
"""NVMe/TCP over TLS: a stock host of a newer Debian, whose kernel leaves handshakes to tlshd, and a gateway beside it.

Keys are made by the host's own nvme command. They are for SHA-256: with longer ones tlshd 1.0.0 offers what no cipher suite of
NVMe/TCP goes with (the binder of its ClientHello is made by SHA-256 then too).
"""

from dataclasses import replace

import pytest

from lab import fio
from lab.fabric import TCP
from lab.initiator import DISCOVERY, Initiator
from lab.processes import CommandFailed

MIB = 1 << 20
PORT, PLAIN_PORT = 4420, 4421
ANOTHER_KEY = "NVMeTLSkey-1:01:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh+KfiaR:"


@pytest.fixture(scope="module")
def guest(stage):
    return stage.guest


@pytest.fixture(scope="module")
def host(guest):
    return Initiator(guest)


@pytest.fixture(scope="module")
def gateway(stage):
    with stage.gateway() as running:
        yield running


@pytest.fixture
def disk(gateway, host, request):
    """A subsystem with a memory disk, which listens with TLS and admits no host yet."""
    name = request.node.name.removeprefix("test_").replace("[", "-").replace("]", "")
    nqn = f"nqn.2024-01.io.causeway:{name}"    # of its own: the host's keyring keeps what older tests put there
    gateway.rpc("bdev_malloc_create", {"name": name, "num_blocks": 16 * MIB // 4096, "block_size": 4096})
    yield gateway.add_subsystem(nqn, name)
    host.disconnect_all()
    gateway.remove_subsystem(nqn)
    gateway.rpc("bdev_malloc_delete", {"name": name})


@pytest.mark.parametrize("identity", [0, 1])
def test_a_host_with_its_key_connects_and_its_data_reads_back(gateway, guest, host, disk, identity):
    key = host.make_key(disk.nqn, identity=identity)
    gateway.admit(disk.nqn, host.host_nqn, key)
    device = host.connect(disk)
    assert fio.verify(guest, device, size="4m").read.bytes == 4 * MIB
    assert fio.verify(guest, device, bs="128k", size="8m").read.bytes == 8 * MIB
    host.disconnect(disk.nqn)
    assert not guest.kernel_complaints()
    assert key.split(":")[2] not in gateway.log.read_text()


def test_a_host_reconnects_with_its_key(gateway, guest, host, disk):
    gateway.admit(disk.nqn, host.host_nqn, host.make_key(disk.nqn))
    device = host.connect(disk)
    [controller] = host.controllers(disk.nqn)
    guest.out(f"nvme reset /dev/{controller}")
    host.wait_for_state(controller, "live")
    assert fio.verify(guest, device, size="1m").read.bytes == MIB


def test_a_host_with_another_key_is_refused(gateway, guest, host, disk):
    gateway.admit(disk.nqn, host.host_nqn, ANOTHER_KEY)
    host.make_key(disk.nqn)
    with pytest.raises(CommandFailed):
        host.connect(disk)
    assert host.controllers(disk.nqn) == []


def test_a_host_that_was_removed_is_refused(gateway, guest, host, disk):
    gateway.admit(disk.nqn, host.host_nqn, host.make_key(disk.nqn))
    host.connect(disk)
    host.disconnect(disk.nqn)
    gateway.rpc("nvmf_subsystem_remove_host", {"nqn": disk.nqn, "host": host.host_nqn})
    gateway.rpc("nvmf_subsystem_allow_any_host", {"nqn": disk.nqn, "allow_any_host": True})
    with pytest.raises(CommandFailed):
        host.connect(disk)


def test_a_host_without_tls_is_refused_where_it_is_required(gateway, host, disk):
    gateway.admit(disk.nqn, host.host_nqn, host.make_key(disk.nqn))
    with pytest.raises(CommandFailed):
        host.connect(replace(disk, fabric=TCP))


def test_a_host_with_a_key_is_refused_without_it_and_one_without_a_key_connects(gateway, guest, host, disk):
    plain = gateway.add_listener(replace(disk, port=PLAIN_PORT, fabric=TCP))
    gateway.admit(disk.nqn, host.host_nqn, host.make_key(disk.nqn))
    with pytest.raises(CommandFailed):
        host.connect(plain)
    gateway.rpc("nvmf_subsystem_remove_host", {"nqn": disk.nqn, "host": host.host_nqn})
    gateway.rpc("nvmf_subsystem_add_host", {"nqn": disk.nqn, "host": host.host_nqn})
    device = host.connect(plain)
    assert fio.verify(guest, device, size="1m").read.bytes == MIB


def test_discovery_says_which_listener_requires_tls(gateway, guest, host, disk):
    gateway.admit(disk.nqn, host.host_nqn, host.make_key(disk.nqn))
    plain = gateway.add_listener(replace(disk, port=PLAIN_PORT, fabric=TCP))
    found = {r["trsvcid"]: r for r in host.discover(plain)}
    assert "not specified" in found[str(PLAIN_PORT)]["treq"] and found[str(PLAIN_PORT)]["sectype"] == "none"
    assert found[str(PORT)]["treq"].startswith("required") and found[str(PORT)]["sectype"] == "tls13"


def test_discovery_works_over_tls(gateway, guest, host, disk):
    gateway.admit(disk.nqn, host.host_nqn, host.make_key(disk.nqn))
    gateway.admit(DISCOVERY, host.host_nqn, host.make_key(DISCOVERY))
    assert [r["trsvcid"] for r in host.discover(disk)] == [str(PORT)]
    gateway.dismiss(DISCOVERY, host.host_nqn)
