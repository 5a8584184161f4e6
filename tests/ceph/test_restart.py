# SPDX-License-Identifier: Apache-2.0
"""A gateway that crashes and restarts: its former clients at the cluster do not delay it."""

import json
import os
import signal
import socket
import subprocess
import time

import pytest
from lab import document, places, processes
from test_rbd_methods import Daemon

NQN = "nqn.2016-06.io.example:restart"
USER = "gateway"


@pytest.fixture(scope="module")
def user(cluster, tmp_path_factory):
    """A user with the capabilities that docs/operations.md requires, and no others."""
    key = tmp_path_factory.mktemp("keys") / "keyring"
    cluster.ceph("auth", "get-or-create", f"client.{USER}", *document.capabilities(), "-o", key)
    return key


def serve(gateway, cluster, key, image, port):
    gateway.call("bdev_rbd_register_cluster", name="ceph", user_id=USER, config_file=str(cluster.conf), key_file=str(key))
    gateway.call("bdev_rbd_create", name="disk", pool_name="rbd", rbd_name=image, block_size=512, cluster_name="ceph")
    gateway.call("nvmf_create_transport", trtype="TCP")
    gateway.call("nvmf_create_subsystem", nqn=NQN, serial_number="R", allow_any_host=True)
    gateway.call("nvmf_subsystem_add_ns", nqn=NQN, namespace={"bdev_name": "disk"})
    gateway.call("nvmf_subsystem_add_listener", nqn=NQN, listen_address={"trtype": "TCP", "adrfam": "IPv4", "traddr": "127.0.0.1",
                                                                       "trsvcid": str(port)})


def write_once(port):
    """Seconds until a host's first write is acknowledged."""
    began = time.monotonic()
    done = subprocess.run([places.binary("tools/causeway"), "perf", "-a", "127.0.0.1", "-s", str(port), "-n", NQN, "--mix", "0", "--count",
                           "1", "--depth", "1", "--events", "--json"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["failed"] == 0
    return time.monotonic() - began


def blocklist(cluster):
    return processes.run(["ceph", "-c", cluster.conf, "osd", "blocklist", "ls"]).stdout


def test_a_killed_gateway_is_fenced_by_its_successor(cluster, user, tmp_path):
    cluster.create_image("restarted", "16M")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    clients = tmp_path / "rpc.sock.clients"
    first = Daemon(tmp_path).__enter__()
    serve(first, cluster, user, "restarted", port)
    write_once(port)
    left = [line.split()[1] for line in clients.read_text().splitlines() if not line.startswith("#")]
    assert len(left) == 1
    assert left[0].split(":", 1)[1] not in blocklist(cluster), "a living gateway is not fenced"
    os.kill(first._process.pid, signal.SIGKILL)
    first._process.wait()

    with Daemon(tmp_path) as second:
        serve(second, cluster, user, "restarted", port)
        assert left[0].split(":", 1)[1] in blocklist(cluster)
        print(f"first write of a host after the restart: {write_once(port):.2f} s, the host's connecting included")
        assert [left[0]] != [line.split()[1] for line in clients.read_text().splitlines() if not line.startswith("#")]
    assert not clients.exists(), "an orderly end leaves nothing to fence"
