# SPDX-License-Identifier: Apache-2.0
"""`causewayd --mirror-listeners`: a control plane that knows of TCP alone, and hosts that come over RDMA."""

import json
import os
import socket

import pytest
from lab import lane, processes
from programs import COMMAND

NQN = "nqn.2024-01.io.causeway:disk"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def tcp(address: str, port: int) -> dict:
    return {"nqn": NQN, "listen_address": {"trtype": "TCP", "adrfam": "IPv4", "traddr": address, "trsvcid": str(port)}}


def listeners(gateway) -> list[tuple[str, str, str]]:
    found = (each["address"] for each in gateway.call("nvmf_subsystem_get_listeners", {"nqn": NQN}))
    return sorted((at["trtype"], at["traddr"], at["trsvcid"]) for at in found)


def prepare(gateway) -> None:
    """Both transports, and a disk that any host may use."""
    gateway.call("nvmf_create_transport", {"trtype": "TCP"})
    gateway.add_transport()
    gateway.add_disk("disk", 64)
    gateway.call("nvmf_create_subsystem", {"nqn": NQN, "allow_any_host": True, "serial_number": "M", "ana_reporting": True})
    gateway.call("nvmf_subsystem_add_ns", {"nqn": NQN, "namespace": {"bdev_name": "disk"}})


@pytest.fixture
def works(run_program):
    """Whether a host reads back what it writes, over this fabric and by this port."""
    def try_it(fabric: str, port: int, address: str = "127.0.0.1") -> bool:
        status, said = run_program(f"perf-{fabric}-{port}", COMMAND, "perf", "-t", fabric, "-a", address, "-s", port, "-n", NQN,
                                   "--verify", "--mix", 50, "--count", 400, "--json")
        print(said)
        return status == 0 and json.loads(said)["failed"] == 0
    return try_it


def test_a_tcp_listener_is_served_over_rdma_too_while_it_is_there(new_gateway, run_program, works):
    gateway = new_gateway("gateway", "--mirror-listeners", "rdma")
    prepare(gateway)
    port = free_port()
    gateway.call("nvmf_subsystem_add_listener", {**tcp("127.0.0.1", port), "ana_state": "inaccessible"})
    for group in (1, 2):
        gateway.call("nvmf_subsystem_listener_set_ana_state",
                     {**tcp("127.0.0.1", port), "ana_state": "optimized", "anagrpid": group})
    assert listeners(gateway) == [("RDMA", "127.0.0.1", str(port)), ("TCP", "127.0.0.1", str(port))]
    assert works("tcp", port) and works("rdma", port)

    status, said = run_program("discover", COMMAND, "discover", "-t", "rdma", "-a", "127.0.0.1", "-s", port, "--json")
    assert status == 0, said
    assert sorted(entry["trtype"].upper() for entry in json.loads(said) if entry["subnqn"] == NQN) == ["RDMA", "TCP"]

    gateway.call("nvmf_subsystem_listener_set_ana_state", {**tcp("127.0.0.1", port), "ana_state": "inaccessible"})
    assert not works("rdma", port), "a path that the control plane has taken away"
    gateway.call("nvmf_subsystem_remove_listener", tcp("127.0.0.1", port))
    assert listeners(gateway) == []


@pytest.fixture
def without_device():
    """An address of this machine that is not of the fabric's, which has 127.0.0.0/8."""
    found = processes.run(["ip", "-4", "-o", "address", "show", "scope", "global"]).stdout.splitlines()
    if found:
        yield found[0].split()[3].split("/")[0]
    elif lane.OWN_NETWORK in os.environ:
        address = "192.0.2.77"    # for documentation (RFC 5737): no machine has it
        # For this test alone: with it, getaddrinfo(AI_ADDRCONFIG) finds no IPv6 in a network that has that on loopback alone.
        processes.run(["ip", "address", "add", f"{address}/32", "dev", "lo"])
        yield address
        processes.run(["ip", "address", "del", f"{address}/32", "dev", "lo"])
    else:
        pytest.skip("this machine has loopback alone")


def test_an_address_without_a_device_is_served_over_tcp_alone(new_gateway, works, without_device):
    gateway = new_gateway("gateway", "--mirror-listeners", "rdma")
    prepare(gateway)
    port = free_port()
    gateway.call("nvmf_subsystem_add_listener", tcp(without_device, port))
    assert listeners(gateway) == [("TCP", without_device, str(port))]
    gateway.await_log(f"{NQN}: TCP {without_device}:{port} has no RDMA listener beside it, and serves hosts over TCP alone")
    assert works("tcp", port, without_device)


def test_a_restart_makes_the_same_listeners_and_saves_none_twice(new_gateway, works, tmp_path):
    ports = free_port(), free_port()
    options = ("--mirror-listeners", f"rdma:{ports[1]}", "--state", str(tmp_path / "state"))
    both = [("RDMA", "127.0.0.1", str(ports[1])), ("TCP", "127.0.0.1", str(ports[0]))]
    first = new_gateway("first", *options)
    prepare(first)
    first.call("nvmf_subsystem_add_listener", tcp("127.0.0.1", ports[0]))
    assert listeners(first) == both
    saved = first.save()
    calls = (call for part in saved["subsystems"] for call in part["config"] or [])
    added = [call for call in calls if call["method"] == "nvmf_subsystem_add_listener"]
    assert [call["params"]["listen_address"]["trtype"] for call in added] == ["TCP"]
    first.kill()
    second = new_gateway("second", *options)
    assert listeners(second) == both
    assert second.save() == saved
    assert works("rdma", ports[1]) and works("tcp", ports[0])
