# SPDX-License-Identifier: Apache-2.0
"""Hosts that connect and disconnect leave nothing behind."""

import os

import pytest

from lab import disk
from lab.fabric import RDMA, TCP

pytestmark = pytest.mark.over(RDMA, TCP)

CYCLES = 40 if "CAUSEWAY_LONG" in os.environ else 32
"""Many more natively: over RDMA in tests/softrdma, over TCP in tests/tcp."""

WARM_UP = 20
"""Cycles before the first count: pools fill, arenas grow."""

RSS_GROWTH_KIB = 4096
"""A leak of one queue pair's buffers a cycle would be many times this."""


def test_connecting_and_disconnecting_leaks_nothing(lab, gateway, host, own_name):
    target = disk.serve(lab, gateway, own_name, "8M")
    host.come_and_go(target, WARM_UP)
    before = gateway.settled_resources()
    host.come_and_go(target, CYCLES - WARM_UP)
    after = gateway.settled_resources()
    assert after["rss_kib"] - before["rss_kib"] < RSS_GROWTH_KIB
    del before["rss_kib"], after["rss_kib"]
    assert after == before
