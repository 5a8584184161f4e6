# SPDX-License-Identifier: Apache-2.0
"""The ordinary day over TLS, and what goes wrong around a gateway: an RBD image, and the host of test_tls.py."""

from dataclasses import replace

import pytest
import routines

from lab import disk, fio
from lab.fabric import TCP_TLS_DIGESTS
from lab.initiator import PATIENT, Initiator

MIB = 1 << 20
CYCLES = 20


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


@pytest.fixture(scope="module")
def served(stage, gateway, host):
    """One disk for all these tests, its host patient."""
    attached = disk.attach(stage, gateway, host, "tls-life", "32M", PATIENT)
    yield attached
    disk.withdraw(stage, gateway, host, attached)


@pytest.fixture
def parted(host, served):
    """Disconnected from the disk, for a while."""
    host.disconnect(served.nqn)
    yield served
    assert host.connect(served.target, PATIENT) == served.device


def test_the_cluster_holds_what_a_host_wrote(stage, guest, served, tmp_path):
    assert fio.verify(guest, served.device, size="1m").read.bytes == MIB
    routines.check_cluster_holds(stage, guest, served, tmp_path)
    assert (tmp_path / "exported").read_bytes().strip(b"\0"), "fio wrote something"


@pytest.mark.parametrize("bs, mib", [("4k", 2), ("128k", 8), ("1m", 16)])
def test_random_writes_read_back(guest, served, bs, mib):
    done = fio.verify(guest, served.device, bs=bs, depth=16, size=f"{mib}m")
    assert done.write.bytes == done.read.bytes == mib * MIB


def test_mixed_block_sizes_read_back(guest, served):
    fio.verify(guest, served.device, more="--bsrange=4k-256k --bs_unaligned=0", depth=16, size="8m")


def test_a_file_system_lives_on_it(stage, guest, served, tmp_path):
    routines.live_as_file_system(guest, served.device)
    routines.check_cluster_holds(stage, guest, served, tmp_path)


def test_a_gateway_killed_and_restarted_under_load_loses_nothing(guest, host, gateway, served):
    """Its host comes back with its key, which the gateway reads again."""
    routines.restart_under_load(guest, host, gateway, served, gateway.kill)


def test_a_gateway_ended_in_order_and_restarted_under_load_loses_nothing(guest, host, gateway, served):
    routines.restart_under_load(guest, host, gateway, served, gateway.stop)


def test_digests_work_within_tls(guest, host, parted):
    device = host.connect(replace(parted.target, fabric=TCP_TLS_DIGESTS))
    fio.verify(guest, device, bs="4k", depth=16, size="1m")
    fio.verify(guest, device, more="--bsrange=4k-256k --bs_unaligned=0", depth=16, size="8m")
    host.disconnect(parted.nqn)


def test_hosts_that_connect_and_disconnect_leave_no_socket(host, gateway, parted):
    host.come_and_go(parted.target, 2)
    before = gateway.settled_resources()
    host.come_and_go(parted.target, CYCLES)
    after = gateway.settled_resources()
    assert before["sockets"], "it listens, and talks to its cluster"
    assert [after[kind] for kind in ("sockets", "files")] == [before[kind] for kind in ("sockets", "files")]


def test_the_kernel_logged_no_error(guest, served):
    assert guest.kernel_complaints() == ""
