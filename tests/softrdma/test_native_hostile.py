# SPDX-License-Identifier: Apache-2.0
"""Hosts that break every rule, and disks that never answer, natively: other hosts must not be affected."""

import pytest
from programs import HOSTILE, MIB, wait_until

GOOD = "nqn.2024-01.io.causeway:good"
BAD = "nqn.2024-01.io.causeway:bad"
STUCK = "nqn.2024-01.io.causeway:stuck"

VERIFY = ("--verify", "--mix", 50, "--region", 4 * MIB)


@pytest.fixture
def good(gateway, start_load):
    """A disk that a well-behaved host writes and verifies during the whole test."""
    gateway.add_disk("good", 32)
    gateway.serve(GOOD, "good")
    load = start_load("good", GOOD, *VERIFY, "--queues", 2, "--depth", 8, "--rate", 300)
    wait_until(lambda: gateway.commands("good") > 10, "the good host does not begin")
    yield load
    assert load.stop()["reconnects"] == 0


@pytest.fixture
def hostile(gateway, run_program, slower):
    """Runs groups of cases against a disk of their own."""
    gateway.add_disk("bad", 8)
    gateway.serve(BAD, "bad")
    runs = iter(range(100))

    def run(*names: str) -> None:
        status, said = run_program(f"hostile{next(runs)}", HOSTILE, "-a", "127.0.0.1", "-n", BAD, "--patience",
                                   int(20 * slower), *names, timeout=600)
        print(said)
        assert status == 0, "\n".join(line for line in said.splitlines() if not line.startswith("ok"))
    return run


@pytest.mark.parametrize("cases", ["connect", "sgl", "capsule", "flood", "leave"])
def test_a_hostile_host_is_refused_and_other_hosts_are_served(good, hostile, cases):
    hostile(cases)


def test_hostile_hosts_leave_nothing_behind(gateway, hostile):
    def kept():
        return {kind: n for kind, n in gateway.settled_resources().items() if kind != "rss_kib"}
    hostile("quick", "sgl-count-17")    # the device's objects are made
    before = kept()
    hostile("quick", "disconnect-in-flight", "wrong-key-read", "private-data-garbage", "overrun-writes")
    assert kept() == before


@pytest.fixture
def stuck(gateway, start_load):
    """A disk whose I/O hangs from now on, its queues full; released at the end, and verified."""
    gateway.add_disk("slow", 32)
    gateway.call("bdev_error_create", {"base_name": "slow"})
    gateway.serve(STUCK, "EE_slow")
    load = start_load("stuck", STUCK, "--verify", "--mix", 50, "--size", 131072, "--queues", 2, "--depth", 100)
    wait_until(lambda: gateway.commands("slow") > 300, "the host does not begin")
    gateway.call("bdev_error_inject_error", {"name": "EE_slow", "io_type": "all", "error_type": "pending", "num": 1 << 31})

    def hung():
        return gateway.call("bdev_get_bdevs", {"name": "EE_slow"})[0]["driver_specific"]["error_disk"]["pending"]
    # One disk may have three eighths of the buffers of each of the two cores: 48 of 128.
    wait_until(lambda: hung() >= 90, "nothing hangs")
    yield load
    gateway.call("bdev_error_inject_error", {"name": "EE_slow", "io_type": "clear", "error_type": "failure"})
    gateway.call("bdev_error_resume_pending", {"name": "EE_slow"})
    assert load.stop()["reconnects"] == 0


def test_a_disk_that_hangs_stops_its_own_hosts_only(gateway, stuck, start_load):
    """The queues of both cores are full of requests that hang: hosts of another disk connect, are served with large commands, and disconnect."""
    gateway.add_disk("other", 32)
    gateway.serve(GOOD, "other")
    for n in range(3):
        done = start_load(f"other{n}", GOOD, "--verify", "--mix", 50, "--queues", 2, "--size", 131072, "--depth", 16,
                          "--count", 500).done()
        assert done["verified_blocks"] > 0
    assert stuck.running


def test_a_hostile_host_is_refused_beside_a_disk_that_hangs(stuck, hostile):
    hostile("overrun-writes", "never-receives", "disconnect-in-flight", "sgl-list-of-16")
