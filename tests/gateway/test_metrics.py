# SPDX-License-Identifier: Apache-2.0
"""causewayd --metrics: what Prometheus reads, and that the rules and the dashboard we ship find it."""

import json
import re
import socket
import urllib.request

import pytest
from daemon import Daemon, run_to_end
from lab import places

NQN = "nqn.2024-01.io.example:a"
MONITORING = places.CHECKOUT / "deploy/monitoring"
METRIC = re.compile(r"\b(?:ceph_nvmeof|causeway)_[a-z_]+")


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@pytest.fixture(scope="module")
def exporter(tmp_path_factory):
    port = free_port()
    with Daemon(tmp_path_factory.mktemp("causewayd"), "--metrics", f"127.0.0.1:{port}") as daemon:
        daemon.call("framework_wait_init")
        daemon.call("nvmf_create_transport", {"trtype": "TCP"})
        daemon.call("bdev_malloc_create", {"name": "Memory", "block_size": 512, "num_blocks": 2048})
        daemon.call("nvmf_create_subsystem", {"nqn": NQN})
        daemon.call("nvmf_subsystem_add_ns", {"nqn": NQN, "namespace": {"bdev_name": "Memory"}})
        daemon.call("nvmf_subsystem_add_host", {"nqn": NQN, "host": NQN + "-host"})
        yield port


def page(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
        assert answer.headers["Content-Type"].startswith("text/plain")
        return answer.read().decode()


def series(port: int) -> set[str]:
    return {re.split(r"[{ ]", line)[0] for line in page(port).splitlines() if not line.startswith("#")}


def test_devices_subsystems_and_reactors_are_there(exporter):
    assert {"ceph_nvmeof_bdev_capacity_bytes", "ceph_nvmeof_reactor_seconds_total", "ceph_nvmeof_subsystem_metadata",
            "ceph_nvmeof_subsystem_namespace_metadata", "ceph_nvmeof_host_connection_state",
            "causeway_nvmf_completed_io_total", "causeway_bdev_operations_total"} <= series(exporter)


def test_the_dashboard_and_the_alerts_find_their_series(exporter):
    found = series(exporter)
    dashboard = json.loads((MONITORING / "dashboard.json").read_text())
    queries = [t["expr"] for panel in dashboard["panels"] for t in panel.get("targets", [])]
    assert len(queries) > 8
    queries += re.findall(r"^\s*expr: (.*)$", (MONITORING / "alerts.yml").read_text(), re.M)
    for query in queries:
        names = set(METRIC.findall(query))
        assert names or 'up{job="causeway"}' in query, query
        assert names <= found, query


def test_an_address_that_is_taken_ends_the_start(exporter, tmp_path):
    ended = run_to_end("--metrics", f"127.0.0.1:{exporter}", path=tmp_path / "rpc.sock")
    assert ended.returncode == 1
    assert f"--metrics: 127.0.0.1:{exporter}: cannot serve metrics there" in ended.stderr


def test_the_end_does_not_wait_for_a_client_that_sends_nothing(tmp_path):
    port = free_port()
    with Daemon(tmp_path, "--metrics", f"127.0.0.1:{port}") as daemon:
        daemon.call("framework_wait_init")
        with socket.create_connection(("127.0.0.1", port)):
            assert daemon.end() == 0
