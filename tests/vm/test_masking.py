# SPDX-License-Identifier: Apache-2.0
"""Namespace masking as a stock kernel sees it: one that is masked appears and disappears while its neighbour is in use. tests/tcp has two
hosts of our own at a time; nvme-cli refuses a second host of one kernel at the same address."""

import pytest

from lab import fio
from lab.fabric import TCP

pytestmark = pytest.mark.over(TCP)

NQN = "nqn.2024-01.io.causeway:masking"
SHARED, MASKED = 1, 2


def test_a_namespace_comes_and_goes_with_what_its_host_may_see(guest, host, gateway):
    for name in ("Shared", "Masked"):
        gateway.rpc("bdev_malloc_create", {"name": name, "block_size": 4096, "num_blocks": 4096})
    target = gateway.add_subsystem(NQN, "Shared")
    gateway.rpc("nvmf_subsystem_add_ns", {"nqn": NQN, "namespace": {"bdev_name": "Masked", "nsid": MASKED, "no_auto_visible": True}})
    this_host = {"nqn": NQN, "nsid": MASKED, "host": host.host_nqn}
    another_host = {**this_host, "host": host.host_nqn + "-other"}

    shared = host.connect(target)
    host.wait_for_paths(NQN, SHARED)
    gateway.rpc("nvmf_ns_add_host", another_host)
    gateway.rpc("nvmf_ns_add_host", this_host)
    host.wait_for_paths(NQN, SHARED, MASKED)
    assert fio.verify(guest, host.device(NQN, MASKED), size="1m").read.bytes == 1 << 20

    gateway.rpc("nvmf_ns_remove_host", this_host)
    host.wait_for_paths(NQN, SHARED)
    gateway.rpc("nvmf_subsystem_set_ns_visibility", {"nqn": NQN, "nsid": MASKED, "auto_visible": True})
    host.wait_for_paths(NQN, SHARED, MASKED)
    assert fio.verify(guest, shared, size="1m").read.bytes == 1 << 20
