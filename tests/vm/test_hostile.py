# SPDX-License-Identifier: Apache-2.0
"""Hosts that break every rule, and disks that never answer: other hosts must not be affected."""

import contextlib
import signal
import time

import pytest

from lab import fio, places
from lab.fabric import RDMA, TCP
from lab.initiator import Initiator

GOOD = "nqn.2024-01.io.causeway:good"
BAD = "nqn.2024-01.io.causeway:bad"
STUCK = "nqn.2024-01.io.causeway:stuck"
CLIENT = "tests/hostile/hostile_client"
MIB = 1 << 20

CONNECTS_WITHIN = 20
"""Seconds, on a machine that emulates. A host gives up after 3 for each queue, so this is about our machine."""


def add_memory_disk(gateway, name: str, mib: int) -> None:
    gateway.tell("bdev_malloc_create", {"name": name, "block_size": 512, "num_blocks": mib * MIB // 512})


@pytest.fixture
def good(gateway, guest):
    """A disk that a stock kernel writes and verifies during the whole test."""
    add_memory_disk(gateway, "good", 32)
    host = Initiator(guest)
    device = host.connect(gateway.add_subsystem(GOOD, "good"), "-i 2")
    load = fio.start_verify(guest, device, size="16m", bs="4k", depth=8, more="--loops=1000 --rate_iops=200")
    yield load
    assert load.running, f"the good host's load has ended: {load.output()}{load.errors()}"
    load.kill(signal.SIGINT)    # not SIGKILL: fio's jobs would live on and write
    load.wait(30)
    assert fio.verify(guest, device, size="4m").write.bytes == 4 * MIB
    host.disconnect(GOOD)


@pytest.fixture
def hostile(gateway, guest):
    """Runs groups of cases, on plain verbs, against a disk of their own."""
    client = places.binary(CLIENT)
    if not client.exists():
        pytest.skip(f"{client} is not built")
    add_memory_disk(gateway, "bad", 8)
    target = gateway.add_subsystem(BAD, "bad")

    def run(*names: str, timeout: float = 600) -> str:
        done = guest.run([str(client), "-a", target.address, "-s", str(target.port), "-n", BAD, "--patience", "40", *names],
                         timeout=timeout)
        print(done.out, done.err)
        assert done.ok, "\n".join(line for line in done.out.splitlines() if not line.startswith("ok"))
        return done.out
    yield run
    assert gateway.running
    assert not guest.kernel_complaints()


@pytest.mark.over(RDMA)
@pytest.mark.parametrize("cases", ["connect", "sgl", "capsule", "flood", "leave"])
def test_a_hostile_host_is_refused_and_other_hosts_are_served(gateway, good, hostile, cases):
    hostile(cases)


@pytest.mark.over(RDMA)
def test_hostile_hosts_leave_nothing_behind(gateway, hostile):
    def kept():
        return {kind: n for kind, n in gateway.settled_resources().items() if kind != "rss_kib"}
    hostile("quick", "sgl-count-17")    # the device's objects are made
    before = kept()
    hostile("quick", "disconnect-in-flight", "wrong-key-read", "private-data-garbage", "overrun-writes")
    assert kept() == before


@pytest.fixture
def stuck(gateway, guest):
    """A disk whose I/O hangs from now on, its queues full of a stock kernel's requests; released at the end."""
    if "bdev_error_inject_error" not in gateway.rpc("rpc_get_methods"):
        pytest.skip("this gateway has no device that hangs on demand")
    add_memory_disk(gateway, "slow", 32)
    gateway.tell("bdev_error_create", {"base_name": "slow"})
    host = Initiator(guest)
    device = host.connect(gateway.add_subsystem(STUCK, "EE_slow"), "-i 2 -k 60")
    gateway.rpc("bdev_error_inject_error", {"name": "EE_slow", "io_type": "all", "error_type": "pending", "num": 1 << 31})
    load = guest.start(f"fio --name=stuck --filename={device} --rw=randrw --bs=128k --iodepth=128 --size=32m --numjobs=2 "
                       "--ioengine=libaio --direct=1 --runtime=5 --time_based", env=None)
    time.sleep(3)
    yield load
    with contextlib.suppress(Exception):
        gateway.rpc("bdev_error_inject_error", {"name": "EE_slow", "io_type": "clear", "error_type": "failure"})
    gateway.rpc("bdev_error_resume_pending", {"name": "EE_slow"})
    assert load.wait(120).ok, "what hung has not been answered in the end"
    host.disconnect(STUCK)


@pytest.mark.over(RDMA, TCP)
def test_a_disk_that_hangs_stops_its_own_hosts_only(gateway, guest, stuck):
    """The queues of both cores are full of requests that hang: hosts of another disk connect, are served with large commands, and disconnect."""
    add_memory_disk(gateway, "other", 32)
    target = gateway.add_subsystem(GOOD, "other")
    host = Initiator(guest)
    for _ in range(3):
        began = time.monotonic()
        device = host.connect(target, "-i 2")
        assert time.monotonic() - began < CONNECTS_WITHIN
        done = fio.verify(guest, device, bs="128k", depth=16, size="16m")
        assert done.write.bytes == done.read.bytes == 16 * MIB
        host.disconnect(GOOD)
    assert stuck.running


@pytest.mark.over(RDMA)
def test_a_hostile_host_is_refused_beside_a_disk_that_hangs(gateway, guest, stuck, hostile):
    hostile("overrun-writes", "never-receives", "disconnect-in-flight", "sgl-list-of-16")
