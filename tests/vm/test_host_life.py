# SPDX-License-Identifier: Apache-2.0
"""What a Linux host does with its disk on an ordinary day."""

import json

import pytest
import routines

from lab import disk, fio

MIB = 1 << 20


@pytest.fixture(scope="module")
def served(lab, lasting_gateway, host):
    """One disk for all these tests."""
    attached = disk.attach(lab, lasting_gateway, host, "ordinary", "32M")
    yield attached
    disk.withdraw(lab, lasting_gateway, host, attached)


def test_discovery_lists_the_subsystem(host, fabric, served):
    assert [(r["subnqn"], r["trtype"], r["traddr"], r["trsvcid"]) for r in host.discover(served.target)] == [
        (served.nqn, fabric.transport, served.target.address, str(served.target.port))]


def test_nvme_list_shows_the_namespace(guest, served):
    listed = {each["DevicePath"]: each for each in json.loads(guest.out("nvme list -o json"))["Devices"]}
    shown = listed[served.device]
    assert (shown["SerialNumber"], shown["PhysicalSize"], shown["SectorSize"]) == ("ordinary", 32 * MIB, 4096)


def test_the_controller_is_live(host, served):
    assert [host.state(name) for name in host.controllers(served.nqn)] == ["live"]


@pytest.mark.parametrize("bs, mib", [("4k", 4), ("128k", 16), ("1m", 16)],
                         ids=["with the capsule", "one command", "several commands"])
def test_random_writes_read_back(guest, served, bs, mib):
    """The sizes in between are mixed below."""
    done = fio.verify(guest, served.device, bs=bs, depth=16, size=f"{mib}m")
    assert done.write.bytes == done.read.bytes == mib * MIB


def test_mixed_block_sizes_read_back(guest, served):
    fio.verify(guest, served.device, more="--bsrange=4k-256k --bs_unaligned=0", depth=16, size="8m")


def test_reads_and_writes_run_at_once(guest, served):
    fio.verify(guest, served.device, rw="randrw", bs="4k", depth=16, size="4m")


def test_discarded_and_zeroed_blocks_read_as_zeroes(guest, served):
    routines.discard_and_write_zeroes(guest, served.device)


def test_a_file_system_lives_on_it(lab, host, guest, served, tmp_path):
    """ext4 made, mounted, filled, unmounted and checked; then the cluster holds exactly what the device reads."""
    routines.live_as_file_system(guest, served.device)
    routines.check_cluster_holds(lab, guest, served, tmp_path)


def test_a_host_that_reconnects_finds_its_data(host, guest, served):
    guest.out("head -c 1M /dev/urandom > /tmp/mine")
    guest.out(f"dd if=/tmp/mine of={served.device} bs=1M oflag=direct status=none")
    host.disconnect(served.nqn)
    assert host.controllers(served.nqn) == []
    assert host.connect(served.target) == served.device
    guest.out(f"dd if={served.device} bs=1M count=1 iflag=direct status=none | cmp - /tmp/mine")


def test_the_kernel_logged_no_error(guest, served):
    assert guest.kernel_complaints() == ""
