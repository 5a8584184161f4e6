# SPDX-License-Identifier: Apache-2.0
"""Authentication in band (DH-HMAC-CHAP) with a stock kernel, over RDMA and TCP: keys by the host's own nvme command, one way and both ways,
keys that do not fit, and keys that change while the host is connected. Debian 13's kernel, on this machine's root: that of Debian 12 is built
without it. Host and gateway are in one guest, because there is no RDMA outside."""

import os
from pathlib import Path

import pytest

from lab import debian, fio, places
from lab.fabric import RDMA, TCP
from lab.gateway import DAEMON, Gateway
from lab.guest import Guest
from lab.initiator import Initiator
from lab.processes import CommandFailed

MIB = 1 << 20
OTHER = "DHHC-1:00:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh+KfiaR:"

CONNECT = "-i 2 -k 60"
"""An authentication may take as long as KATO, and the guest's kernel takes seconds for its part of the largest group where the machine is
busy."""

pytestmark = pytest.mark.over(RDMA, TCP)


@pytest.fixture(scope="module")
def guest():
    if os.geteuid() != 0:
        pytest.skip("the lab needs root")
    if not places.binary(DAEMON).exists():
        pytest.skip(f"{places.binary(DAEMON)} is not built")
    newer = debian.Debian(Path("/"), debian.get().kernel)
    with places.Run("auth") as run, Guest(run.folder / "auth", logs=run.logs, debian=newer) as running:
        running.setup_rxe()
        running.out("modprobe nvme-tcp")
        yield running


@pytest.fixture(scope="module")
def host(guest):
    return Initiator(guest)


@pytest.fixture(scope="module")
def gateway(guest, fabric):
    with Gateway(guest, fabric=fabric, name=f"causewayd-auth-{fabric}") as started:
        started.add_transport(fabric)
        yield started


class Served:
    """A subsystem with a memory disk and one host with keys."""

    def __init__(self, gateway, host, name: str):
        self.gateway, self.host, self.name = gateway, host, name
        self.nqn = f"nqn.2024-01.io.causeway:{name}"
        gateway.rpc("bdev_malloc_create", {"name": name, "num_blocks": 16 * MIB // 4096, "block_size": 4096})
        self.target = gateway.add_subsystem(self.nqn, name)

    def give(self, method: str, **keys: str) -> None:
        """Keys by parameter. Each gets a file, which the keyring reads at once."""
        for parameter, text in keys.items():
            file = self.gateway.host.share / f"{self.name}-{parameter}.key"
            file.touch(0o600)
            file.write_text(text + "\n")
            self.gateway.rpc("keyring_file_add_key", {"name": parameter, "path": f"{self.gateway.host.inside}/{file.name}"})
        self.gateway.rpc(method, {"nqn": self.nqn, "host": self.host.host_nqn, **{p: p for p in keys}})
        for parameter in keys:
            self.gateway.rpc("keyring_file_remove_key", {"name": parameter})

    def queues(self) -> list[dict]:
        return self.gateway.rpc("nvmf_subsystem_get_qpairs", {"nqn": self.nqn})

    def end(self) -> None:
        self.host.disconnect_all()
        self.gateway.remove_subsystem(self.nqn)
        self.gateway.rpc("bdev_malloc_delete", {"name": self.name})


@pytest.fixture
def served(gateway, host, request):
    made = Served(gateway, host, request.node.name.removeprefix("test_").translate(str.maketrans("_[]", "---"))[:40].strip("-"))
    yield made
    made.end()


def make_key(guest, nqn: str, hash_number: int) -> str:
    return guest.out(f"nvme gen-dhchap-key --hmac={hash_number} --nqn={nqn}").strip()


@pytest.mark.parametrize("hash_number", [0, 3])
def test_a_host_with_its_key_connects_and_its_data_reads_back(guest, host, served, hash_number):
    key = make_key(guest, host.host_nqn, hash_number)
    served.give("nvmf_subsystem_add_host", dhchap_key=key)
    device = host.connect(served.target, f"{CONNECT} --dhchap-secret={key}")
    assert fio.verify(guest, device, size="2m").read.bytes == 2 * MIB
    assert [(q["state"], q["auth"]["state"]) for q in served.queues()] == [("enabled", "completed")] * 3
    assert key.split(":")[2] not in served.gateway.log.read_text()


def test_both_ends_prove_their_keys(guest, host, served):
    key, ctrlr_key = make_key(guest, host.host_nqn, 1), make_key(guest, served.nqn, 3)
    served.give("nvmf_subsystem_add_host", dhchap_key=key, dhchap_ctrlr_key=ctrlr_key)
    device = host.connect(served.target, f"{CONNECT} --dhchap-secret={key} --dhchap-ctrl-secret={ctrlr_key}")
    assert fio.verify(guest, device, size="2m").read.bytes == 2 * MIB
    host.disconnect(served.nqn)
    with pytest.raises(CommandFailed):
        host.connect(served.target, f"{CONNECT} --dhchap-secret={key} --dhchap-ctrl-secret={OTHER}")


def test_a_host_without_the_right_key_is_refused(guest, host, served):
    served.give("nvmf_subsystem_add_host", dhchap_key=make_key(guest, host.host_nqn, 1))
    for options in ("", f"--dhchap-secret={OTHER}"):
        with pytest.raises(CommandFailed):
            host.connect(served.target, f"{CONNECT} {options}")
    assert host.controllers(served.nqn) == []
    served.gateway.await_log("its Reply does not prove its key")


def test_keys_change_while_the_host_is_connected(guest, host, served):
    """The kernel authenticates again when it is given another key."""
    old, new = make_key(guest, host.host_nqn, 1), make_key(guest, host.host_nqn, 2)
    served.give("nvmf_subsystem_add_host", dhchap_key=old)
    device = host.connect(served.target, f"{CONNECT} --dhchap-secret={old}")
    [controller] = host.controllers(served.nqn)
    served.give("nvmf_subsystem_set_keys", dhchap_key=new)
    assert fio.verify(guest, device, size="1m").read.bytes == MIB
    guest.out(f"echo {new} > /sys/class/nvme/{controller}/dhchap_secret")
    host.wait_for_state(controller, "live")
    assert fio.verify(guest, device, size="1m").read.bytes == MIB
    guest.out(f"nvme reset /dev/{controller}")
    host.wait_for_state(controller, "live")
    assert fio.verify(guest, device, size="1m").read.bytes == MIB
