# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the whole-system tests. What takes seconds to start is started once and shared."""

import contextlib
import os
from pathlib import Path

import pytest

from lab import places, processes
from lab.ceph import Cluster
from lab.channel import GuestDied
from lab.fabric import Fabric
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


def pytest_configure(config):
    config.addinivalue_line("markers", "over(*fabrics): runs over these only, not over every fabric there is")


@pytest.fixture(scope="module")
def fabric(request) -> Fabric:
    """What hosts reach the gateway over."""
    return request.param


@pytest.fixture
def new_gateway(lab, fabric):
    """Starts gateways in the shared guest, as `new_gateway(cores="0x3")`; each knows the cluster and the fabric."""
    with gateways(lab, fabric) as start:
        yield start


@pytest.fixture
def own_name(request, fabric) -> str:
    """For a test's own image, which stays in the cluster when the test is over."""
    return f"{request.node.originalname.removeprefix('test_')[:40]}-{fabric}"


@pytest.fixture
def gateway(new_gateway) -> Gateway:
    """A gateway of the test's own."""
    return new_gateway()


@pytest.fixture(scope="module")
def lasting_gateway(lab, fabric):
    """A gateway that the tests of a file share, one for each fabric: for those that leave it as they found it."""
    with gateways(lab, fabric) as start:
        yield start()


@contextlib.contextmanager
def gateways(lab, fabric):
    if not places.binary(DAEMON).exists():
        pytest.skip(f"{places.binary(DAEMON)} is not built")
    running = contextlib.ExitStack()

    def start(**how) -> Gateway:
        gateway = Gateway(lab.guest, ceph_conf=lab.guest_conf, fabric=fabric, **how)
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
