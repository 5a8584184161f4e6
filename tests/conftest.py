"""Fixtures of the whole-system tests. What takes seconds to start is started once and shared."""

import contextlib
import os
from pathlib import Path

import pytest

from lab import places, processes
from lab.ceph import Cluster
from lab.channel import GuestDied
from lab.gateway import DAEMON, Gateway
from lab.initiator import Initiator
from lab.lab import Lab
from lab.processes import CommandFailed

processes.turn_signals_into_interrupts()


@pytest.fixture(scope="session")
def build() -> Path:
    """The folder of built binaries: CAUSEWAY_BUILD, by default build/release."""
    return places.BUILD


@pytest.fixture(scope="session")
def cluster():
    """A Ceph cluster on loopback, for what runs natively."""
    with places.Run("cluster") as run, Cluster(run.folder / "ceph", logs=run.logs) as running:
        yield running


@pytest.fixture(scope="session")
def lab():
    """A Ceph cluster on a bridge of its own and a booted guest beside it, soft-RoCE up and nvme-rdma loaded."""
    if os.geteuid() != 0:
        pytest.skip("the lab needs root, for a network of its own")
    with Lab("pytest") as running:
        yield running


@pytest.fixture(scope="session")
def guest(lab):
    """The shared guest."""
    return lab.guest


@pytest.fixture(scope="session")
def host(guest) -> Initiator:
    """The shared guest's kernel as an NVMe host."""
    return Initiator(guest)


@pytest.fixture
def new_gateway(lab):
    """Starts gateways in the shared guest, as `new_gateway(cores="0x3")`; each knows the cluster and RDMA."""
    with gateways(lab) as start:
        yield start


@pytest.fixture
def gateway(new_gateway) -> Gateway:
    """A gateway of the test's own."""
    return new_gateway()


@pytest.fixture(scope="module")
def lasting_gateway(lab):
    """A gateway that the tests of a file share: for those that leave it as they found it."""
    with gateways(lab) as start:
        yield start()


@contextlib.contextmanager
def gateways(lab):
    if not places.binary(DAEMON).exists():
        pytest.skip(f"{places.binary(DAEMON)} is not built")
    running = contextlib.ExitStack()

    def start(**how) -> Gateway:
        gateway = Gateway(lab.guest, ceph_conf=lab.guest_conf, **how)
        running.callback(lambda: print(f"-- end of {gateway.name}'s log\n{gateway.last_words()}"))
        running.enter_context(gateway)
        running.callback(Initiator(lab.guest).disconnect_all)    # hosts go first
        return gateway

    try:
        with running:
            yield start
    except (CommandFailed, GuestDied):    # of the cleaning up: a test's own failure does not come this way
        lab.replace_guest()
        raise
