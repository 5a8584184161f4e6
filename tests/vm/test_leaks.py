"""Hosts come and go; nothing of them may stay."""

import pytest

from lab import disk
from lab.fabric import RDMA, TCP

pytestmark = pytest.mark.over(RDMA, TCP)

CYCLES = 200
WARM_UP = 20
"""Cycles before the first count: pools fill, arenas grow."""

RSS_GROWTH_KIB = 4096
"""A leak of one queue pair's buffers a cycle would be many times this."""


def cycle(guest, target, times: int) -> None:
    """Connects, reads a block, disconnects."""
    guest.out(f"""
        for n in $(seq {times}); do
            nvme connect {target.words()} -n {target.nqn} -i 1 || exit
            nvme disconnect -n {target.nqn} > /dev/null || exit
        done""", timeout=600)


def test_connecting_and_disconnecting_leaks_nothing(lab, gateway, guest, own_name):
    target = disk.serve(lab, gateway, own_name, "8M")
    cycle(guest, target, WARM_UP)
    before = gateway.settled_resources()
    cycle(guest, target, CYCLES - WARM_UP)
    after = gateway.settled_resources()
    assert after["rss_kib"] - before["rss_kib"] < RSS_GROWTH_KIB
    del before["rss_kib"], after["rss_kib"]
    assert after == before
