# SPDX-License-Identifier: Apache-2.0
"""Faults of the fabric, and gateways that end: acknowledged data stays, and only the hosts concerned are affected."""

import time

import pytest
from lab.ceph import Cluster
from programs import MIB, wait_until

NQN = "nqn.2024-01.io.causeway:disk"
OTHER = "nqn.2024-01.io.causeway:other"

VERIFY = ("--verify", "--mix", 50, "--region", 8 * MIB)
KEEPS_ON = ("--reconnect", 60)

FAULTS = {
    "completions that come late": "late 0.2 10us..2ms",
    "operations that wait": "delay 0.2 10us..1ms",
    "receives that are not ready": "rnr 0.05",
    "all of it": "late 0.1 10us..1ms; delay 0.1 10us..1ms; rnr 0.02",
}


def stands_still(gateway) -> bool:
    """Whether no command reaches the disk for a while."""
    seen = gateway.commands("disk")
    time.sleep(0.1)
    return gateway.commands("disk") == seen


def serve(gateway, nqn: str, name: str, *at) -> None:
    gateway.add_disk(name, 32)
    gateway.serve(nqn, name, *at)


@pytest.mark.parametrize("rules", FAULTS.values(), ids=FAULTS)
def test_a_load_over_a_bad_fabric_is_served(new_gateway, start_load, slower, rules):
    """Both sides have random faults of their own; the connection survives them."""
    gateway = new_gateway(faults=f"seed 5; {rules}")
    gateway.add_transport()
    serve(gateway, NQN, "disk")
    done = start_load("host", NQN, *VERIFY, "--queues", 2, "--count", int(8000 // slower), faults=f"seed 6; {rules}").done(240)
    assert done["reconnects"] == 0 and done["verified_blocks"] > 0


def test_a_load_continues_after_a_storm_of_rnr_naks(gateway, start_load):
    """For a while, no message of the gateway finds a receive; the load continues afterwards."""
    serve(gateway, NQN, "disk")
    load = start_load("host", NQN, *VERIFY)
    for _ in range(3):
        seen = gateway.commands("disk")
        wait_until(lambda: gateway.commands("disk") > seen + 500, "the load stands still")
        gateway.set_faults("rnr 1 60")
    gateway.set_faults("clear")
    load.stop()


def test_a_load_continues_after_completions_were_held_back(gateway, start_load):
    """The gateway gets no completions of its sends for a while; the load continues when it does."""
    serve(gateway, NQN, "disk")
    load = start_load("host", NQN, *VERIFY)
    for _ in range(3):
        seen = gateway.commands("disk")
        wait_until(lambda: gateway.commands("disk") > seen + 500, "the load stands still")
        gateway.set_faults("hold")
        wait_until(lambda: stands_still(gateway), "the gateway has no end of requests")
        gateway.set_faults("release")
    assert load.stop()["reconnects"] == 0


def test_a_host_whose_connections_break_finds_what_was_acknowledged(gateway, start_load):
    """Operations break their connection again and again; the host connects again and finds what was acknowledged."""
    serve(gateway, NQN, "disk")
    load = start_load("host", NQN, *VERIFY, "--queues", 2, *KEEPS_ON)
    for n in range(1, 6):
        seen = gateway.commands("disk")
        wait_until(lambda: gateway.commands("disk") > seen + 300, "the load stands still")
        gateway.set_faults(f"break {100 * n}")
        wait_until(lambda: load.errors().count("connected again") >= n, "the host does not come back")
    assert load.stop()["reconnects"] >= 5


@pytest.fixture
def two(new_gateway):
    """A gateway with a disk behind each of two devices."""
    gateway = new_gateway()
    gateway.add_transport()
    serve(gateway, NQN, "disk", ("127.0.0.1", 4420))
    serve(gateway, OTHER, "other", ("127.1.0.1", 4420))
    return gateway


@pytest.mark.parametrize("devices", [2])
def test_removing_a_device_disconnects_its_own_hosts_only(two, start_load):
    stays = start_load("stays", NQN, *VERIFY)
    goes = start_load("goes", OTHER, *VERIFY, address="127.1.0.1")
    wait_until(lambda: two.commands("disk") > 500 and two.commands("other") > 500, "the disks are not used")
    two.set_faults("remove 1")
    assert goes.status(60) == 3, goes.errors()
    wait_until(lambda: not two.controllers(OTHER), "the controller of a device that is gone stays")
    seen = two.commands("disk")
    wait_until(lambda: two.commands("disk") > seen + 500, "the other device's load stands still")
    assert stays.stop()["reconnects"] == 0


@pytest.mark.parametrize("devices", [2])
def test_a_load_continues_after_its_port_was_down(two, start_load):
    load = start_load("host", OTHER, *VERIFY, *KEEPS_ON, address="127.1.0.1")
    stays = start_load("stays", NQN, *VERIFY)
    for _ in range(2):
        seen = two.commands("other")
        wait_until(lambda: two.commands("other") > seen + 500, "the load stands still")
        two.set_faults("port 1 down", "port 1 up")
    seen = two.commands("other")
    wait_until(lambda: two.commands("other") > seen + 500, "the load does not come back")
    load.stop()
    assert stays.stop()["reconnects"] == 0


@pytest.fixture
def cluster(tmp_path, preset):
    with Cluster(tmp_path / "ceph", logs=tmp_path) as running:
        running.create_image("disk", "32M")
        yield running


def serve_image(gateway, cluster) -> None:
    gateway.add_transport()
    gateway.call("bdev_rbd_register_cluster", {"name": "ceph", "user_id": "admin", "config_file": str(cluster.conf)})
    gateway.call("bdev_rbd_create", {"name": "disk", "pool_name": "rbd", "rbd_name": "disk", "block_size": 4096,
                                     "cluster_name": "ceph"})
    gateway.serve(NQN, "disk")


def test_a_gateway_killed_and_restarted_under_load_loses_nothing(cluster, new_gateway, start_load):
    """Acknowledged writes are in the cluster; each block of the others holds the old data or the new."""
    gateway = new_gateway("first")
    serve_image(gateway, cluster)
    load = start_load("host", NQN, *VERIFY, "--queues", 2, *KEEPS_ON)
    for n in range(1, 4):
        seen = gateway.commands("disk")
        wait_until(lambda: gateway.commands("disk") > seen + 300, "the load stands still")
        gateway.kill()
        gateway = new_gateway(f"next{n}")
        serve_image(gateway, cluster)
        wait_until(lambda: load.errors().count("connected again") >= n, "the host does not come back")
    done = load.stop()
    assert done["reconnects"] >= 3 and done["redriven"] > 0


def test_a_gateway_ends_although_its_cluster_does_not_answer(tmp_path, new_gateway, start_load):
    """A host has used the image that is open. No acknowledged write is lost."""
    gateway = new_gateway()
    with Cluster(tmp_path / "ceph", logs=tmp_path) as cluster:
        cluster.create_image("disk", "32M")
        serve_image(gateway, cluster)
        start_load("host", NQN, *VERIFY, "--count", 500).done()
    assert gateway.end() == 0
    gateway.was_killed = True    # what does not close is left behind, and with it the record
