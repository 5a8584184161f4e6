"""Fixtures of the whole-system tests. What takes seconds to start is started once and shared."""

import os
from pathlib import Path

import pytest

from lab import places, processes
from lab.ceph import Cluster
from lab.lab import Lab

processes.turn_signals_into_interrupts()


@pytest.fixture(scope="session")
def build() -> Path:
    """The folder of built binaries: CAUSEWAY_BUILD, by default build/release."""
    return places.BUILD


@pytest.fixture(scope="session")
def cluster():
    """A Ceph cluster on loopback, for what runs natively."""
    run = places.Run("cluster")
    try:
        with Cluster(run.folder / "ceph", logs=run.logs) as running:
            yield running
    finally:
        run.close()


@pytest.fixture(scope="session")
def lab():
    """A Ceph cluster on a bridge of its own and a booted guest beside it, soft-RoCE up and nvme-rdma loaded."""
    if os.geteuid() != 0:
        pytest.skip("the lab needs root, for a network of its own")
    with Lab("pytest") as running:
        yield running


@pytest.fixture
def guest(lab):
    """The shared guest, without connections from an earlier test."""
    yield lab.guest
    lab.guest.run("nvme disconnect-all", timeout=120)
