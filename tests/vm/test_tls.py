"""NVMe/TCP over TLS: a stock host of a newer Debian, whose kernel leaves handshakes to tlshd, and a gateway beside it.

Keys are made by the host's own nvme command. They are for SHA-256: with longer ones tlshd 1.0.0 offers what no cipher suite of
NVMe/TCP goes with (the binder of its ClientHello is made by SHA-256 then too).
"""

import contextlib
import os
import re
from dataclasses import replace

import pytest

from lab import debian, fio, places
from lab.fabric import TCP, TCP_TLS
from lab.gateway import DAEMON, Gateway, listener
from lab.guest import Guest
from lab.here import Here
from lab.initiator import DISCOVERY, Initiator, Target
from lab.namespace import Network
from lab.processes import CommandFailed

MIB = 1 << 20
PORT, PLAIN_PORT = 4420, 4421
ANOTHER_KEY = "NVMeTLSkey-1:01:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh+KfiaR:"


@pytest.fixture(scope="module")
def stage():
    """A network, the gateway's side of it, and a host with tlshd."""
    if os.geteuid() != 0:
        pytest.skip("the lab needs root, for a network of its own")
    if not places.binary(DAEMON).exists():
        pytest.skip(f"{places.binary(DAEMON)} is not built")
    with places.Run("tls") as run, contextlib.closing(Network()) as network:
        here = Here(run.logs / "gateway", network.address, network=network)
        with Guest(run.folder / "host", logs=run.logs, network=network, debian=debian.get()) as guest:
            guest.out("modprobe -a nvme-tcp tls")
            guest.start("exec tlshd -s > /out/tlshd.log 2>&1")
            yield here, guest


@pytest.fixture(scope="module")
def guest(stage):
    return stage[1]


@pytest.fixture(scope="module")
def host(guest):
    return Initiator(guest)


@pytest.fixture(scope="module")
def gateway(stage):
    with Gateway(stage[0], name=f"causewayd-tls-{os.getpid()}", options="--no-huge") as running:
        running.add_transport(TCP)
        yield running


@pytest.fixture
def disk(gateway, host, request):
    """A subsystem with a disk of memory, which listens with a secure channel and lets nobody in yet."""
    name = request.node.name.removeprefix("test_").replace("[", "-").replace("]", "")
    nqn = f"nqn.2024-01.io.causeway:{name}"    # of its own: the host's keyring keeps what older tests put there
    gateway.rpc("bdev_malloc_create", {"name": name, "num_blocks": 16 * MIB // 4096, "block_size": 4096})
    gateway.rpc("nvmf_create_subsystem", {"nqn": nqn, "serial_number": "TLS"})
    gateway.rpc("nvmf_subsystem_add_ns", {"nqn": nqn, "namespace": {"bdev_name": name}})
    yield listen(gateway, Target(nqn, gateway.host.address, PORT, TCP_TLS))
    host.disconnect_all()
    gateway.rpc("nvmf_delete_subsystem", {"nqn": nqn})
    gateway.rpc("bdev_malloc_delete", {"name": name})
    for key in gateway.rpc("keyring_get_keys"):
        gateway.rpc("keyring_file_remove_key", {"name": key["name"]})


def listen(gateway, target: Target) -> Target:
    """Makes a subsystem listen where `target` says, with a secure channel if hosts use one there."""
    gateway.rpc("nvmf_subsystem_add_listener", {**listener(target), "secure_channel": target.fabric == TCP_TLS})
    return target


def make_key(guest, host, nqn: str, *, identity: int = 0) -> str:
    """A new key, in the host's keyring, as operators hand it on."""
    said = guest.out(f"nvme gen-tls-key --hmac=1 --identity={identity} --hostnqn={host.host_nqn} "
                     f"--subsysnqn={nqn} --insert")
    return re.search(r"NVMeTLSkey-1:\S+", said)[0]


def admit(gateway, host, nqn: str, key: str, name: str = "key") -> None:
    file = gateway.host.share / f"{name}.key"
    file.touch(0o600)
    file.write_text(key + "\n")
    gateway.rpc("keyring_file_add_key", {"name": name, "path": str(file)})
    gateway.rpc("nvmf_subsystem_add_host", {"nqn": nqn, "host": host.host_nqn, "psk": name})


@pytest.mark.parametrize("identity", [0, 1])
def test_a_host_proves_itself_and_its_data_is_right(gateway, guest, host, disk, identity):
    key = make_key(guest, host, disk.nqn, identity=identity)
    admit(gateway, host, disk.nqn, key)
    device = host.connect(disk)
    assert fio.verify(guest, device, size="4m").read.bytes == 4 * MIB
    assert fio.verify(guest, device, bs="128k", size="8m").read.bytes == 8 * MIB
    host.disconnect(disk.nqn)
    assert not guest.kernel_complaints()
    assert key.split(":")[2] not in gateway.log.read_text()


def test_a_host_comes_back_with_its_key(gateway, guest, host, disk):
    admit(gateway, host, disk.nqn, make_key(guest, host, disk.nqn))
    device = host.connect(disk)
    [controller] = host.controllers(disk.nqn)
    guest.out(f"nvme reset /dev/{controller}")
    host.wait_for_state(controller, "live")
    assert fio.verify(guest, device, size="1m").read.bytes == MIB


def test_a_host_with_another_key_is_refused(gateway, guest, host, disk):
    admit(gateway, host, disk.nqn, ANOTHER_KEY)
    make_key(guest, host, disk.nqn)
    with pytest.raises(CommandFailed):
        host.connect(disk)
    assert host.controllers(disk.nqn) == []


def test_a_host_that_was_removed_is_refused(gateway, guest, host, disk):
    admit(gateway, host, disk.nqn, make_key(guest, host, disk.nqn))
    host.connect(disk)
    host.disconnect(disk.nqn)
    gateway.rpc("nvmf_subsystem_remove_host", {"nqn": disk.nqn, "host": host.host_nqn})
    gateway.rpc("nvmf_subsystem_allow_any_host", {"nqn": disk.nqn, "allow_any_host": True})
    with pytest.raises(CommandFailed):
        host.connect(disk)


def test_a_host_without_tls_is_refused_where_it_is_required_and_welcome_elsewhere(gateway, guest, host, disk):
    admit(gateway, host, disk.nqn, make_key(guest, host, disk.nqn))
    plain = listen(gateway, replace(disk, port=PLAIN_PORT, fabric=TCP))
    with pytest.raises(CommandFailed):
        host.connect(replace(disk, fabric=TCP))
    device = host.connect(plain)
    assert fio.verify(guest, device, size="1m").read.bytes == MIB


def test_discovery_says_which_listener_wants_tls(gateway, guest, host, disk):
    admit(gateway, host, disk.nqn, make_key(guest, host, disk.nqn))
    plain = listen(gateway, replace(disk, port=PLAIN_PORT, fabric=TCP))
    found = {r["trsvcid"]: r for r in host.discover(plain)}
    assert "not specified" in found[str(PLAIN_PORT)]["treq"] and found[str(PLAIN_PORT)]["sectype"] == "none"
    assert found[str(PORT)]["treq"].startswith("required") and found[str(PORT)]["sectype"] == "tls13"


def test_discovery_over_tls(gateway, guest, host, disk):
    admit(gateway, host, disk.nqn, make_key(guest, host, disk.nqn))
    admit(gateway, host, DISCOVERY, make_key(guest, host, DISCOVERY), "discovery")
    assert [r["trsvcid"] for r in host.discover(disk)] == [str(PORT)]
    gateway.rpc("nvmf_subsystem_remove_host", {"nqn": DISCOVERY, "host": host.host_nqn})
