# SPDX-License-Identifier: Apache-2.0
"""Namespace masking as stock kernels see it: one that is masked appears and disappears while its neighbours are in use."""

import pytest

from lab import fio
from lab.fabric import TCP
from lab.initiator import Initiator

pytestmark = pytest.mark.over(TCP)

NQN = "nqn.2024-01.io.causeway:masking"
SHARED, MASKED = 1, 2


@pytest.fixture
def other(guest, host) -> Initiator:
    """Another host in the same guest."""
    yield Initiator(guest, "other")
    host.disconnect_all()


def test_two_hosts_see_what_is_theirs_and_follow_changes(guest, host, other, gateway):
    for name in ("Shared", "Masked"):
        gateway.rpc("bdev_malloc_create", {"name": name, "block_size": 4096, "num_blocks": 4096})
    target = gateway.add_subsystem(NQN, "Shared")
    gateway.rpc("nvmf_subsystem_add_ns", {"nqn": NQN, "namespace": {"bdev_name": "Masked", "nsid": MASKED, "no_auto_visible": True}})

    def may_see(it: Initiator) -> dict:
        return {"nqn": NQN, "nsid": MASKED, "host": it.host_nqn}

    gateway.rpc("nvmf_ns_add_host", may_see(host))
    shared = host.connect(target)
    other.connect(target)
    host.wait_for_paths(NQN, SHARED, MASKED)
    other.wait_for_paths(NQN, SHARED)
    assert fio.verify(guest, host.device(NQN, MASKED), size="1m").read.bytes == 1 << 20

    gateway.rpc("nvmf_ns_add_host", may_see(other))
    other.wait_for_paths(NQN, SHARED, MASKED)
    gateway.rpc("nvmf_ns_remove_host", may_see(host))
    host.wait_for_paths(NQN, SHARED)
    assert fio.verify(guest, host.device(NQN, MASKED), size="1m").read.bytes == 1 << 20, "by the other host's path"
    gateway.rpc("nvmf_subsystem_set_ns_visibility", {"nqn": NQN, "nsid": MASKED, "auto_visible": True})
    host.wait_for_paths(NQN, SHARED, MASKED)
    assert fio.verify(guest, shared, size="1m").read.bytes == 1 << 20
