# SPDX-License-Identifier: Apache-2.0
"""Well-behaved hosts, natively: they connect, read, write, reconnect and disconnect."""

import json
import time

import pytest
from programs import COMMAND, MIB, SLOWER, wait_until
from scripted_hosts import CLOSED, ScriptedHosts, StepFailed

NQN = "nqn.2024-01.io.causeway:disk"
OTHER = "nqn.2024-01.io.causeway:other"

CYCLES = 200
WARM_UP = 20
"""Cycles before the first count: pools fill, arenas grow."""

RSS_GROWTH_KIB = 4096
"""A leak of one queue pair's buffers per cycle would be many times this. Sanitizers keep freed memory for a while."""

VERIFY = ("--verify", "--mix", 50)


@pytest.fixture
def served(gateway):
    """One disk of 64 MiB at 127.0.0.1 and ::1."""
    gateway.add_disk("disk", 64)
    gateway.serve(NQN, "disk", ("127.0.0.1", 4420), ("::1", 4420))
    return gateway


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("size", [512, 4096, 8192, 65536, 131072])
def test_written_data_reads_back(served, start_load, slower, address, size):
    commands = int(max(400, 20000 // slower // max(1, size // 4096)))
    load = start_load("host", NQN, *VERIFY, "--size", size, "--count", commands, "--region", 16 * MIB, address=address)
    done = load.done()
    assert done["read"]["commands"] + done["write"]["commands"] == commands
    assert done["verified_blocks"] > 0 and done["reconnects"] == 0


def test_commands_of_a_mebibyte_read_back(new_gateway, start_load):
    gateway = new_gateway(mib=1024)
    gateway.add_transport(max_io_size=MIB, iobuf_large_cache_size=32)
    gateway.add_disk("disk", 64)
    gateway.serve(NQN, "disk")
    done = start_load("host", NQN, *VERIFY, "--size", MIB, "--depth", 8, "--count", 400).done()
    assert done["read"]["bytes"] + done["write"]["bytes"] == 400 * MIB


def test_sequential_writes_read_back(served, start_load):
    start_load("host", NQN, *VERIFY, "--sequential", "--size", 16384, "--count", 3000).done()


def test_the_queues_of_a_host_are_spread_over_the_cores(served, start_load, slower):
    load = start_load("host", NQN, *VERIFY, "--queues", 4, "--depth", 16, "--region", 16 * MIB)
    wait_until(lambda: served.commands("disk") > 20000 // slower, "the disk is not used")
    groups = served.call("nvmf_get_stats")["poll_groups"]
    assert [g["current_io_qpairs"] for g in groups] == [2, 2]
    load.stop()


def test_several_hosts_are_served_at_once(served, start_load, slower):
    """Each host has a disk of its own; one sends one command at a time."""
    how = {"a": ("--depth", 1), "b": ("--depth", 64), "c": ("--queues", 3, "--size", 32768)}
    for name in how:
        served.add_disk(name, 16)
        served.serve(f"{NQN}:{name}", name)
    loads = [start_load(name, f"{NQN}:{name}", *VERIFY, *words, "--count", int(8000 // slower)) for name, words in how.items()]
    for load in loads:
        load.done(300)


def test_a_host_that_polls_reads_back_its_data(served, start_load, slower):
    start_load("host", NQN, *VERIFY, "--count", int(40000 // slower), polls=True).done()


def test_several_listeners_serve_a_subsystem(served, start_load):
    for port in (4421, 4422):
        served.listen(NQN, "127.0.0.1", port)
        start_load(f"host{port}", NQN, "--count", 100, port=port).done()


def test_a_removed_listener_refuses_hosts_and_the_others_serve(served, start_load):
    """The removed listener accepts no host any more; hosts of the other listeners are not affected."""
    served.listen(NQN, "127.0.0.1", 4421)
    load = start_load("stays", NQN, *VERIFY, "--rate", 500, "--region", 4 * MIB)
    wait_until(lambda: served.commands("disk") > 100, "the disk is not used")
    served.call("nvmf_subsystem_remove_listener", {"nqn": NQN, "listen_address": {
        "trtype": "RDMA", "adrfam": "IPv4", "traddr": "127.0.0.1", "trsvcid": "4421"}})
    refused = start_load("late", NQN, "--count", 1, port=4421)
    assert refused.status(60) == 3, refused.errors()
    assert load.stop()["reconnects"] == 0


def test_discovery_lists_what_is_served(served, run_program):
    served.add_disk("more", 8)
    served.serve(OTHER, "more", ("127.0.0.1", 4420), ("127.0.0.1", 4421))
    status, said = run_program("discover", COMMAND, "discover", "-t", "rdma", "-a", "::1", "--json")
    assert status == 0, said
    listed = {(r["subnqn"], r["traddr"], r["trsvcid"]) for r in json.loads(said)}
    assert {(NQN, "127.0.0.1", "4420"), (NQN, "::1", "4420"), (OTHER, "127.0.0.1", "4420"),
            (OTHER, "127.0.0.1", "4421")} <= listed


def test_a_host_is_told_that_a_subsystem_does_not_exist(served, start_load):
    unknown = start_load("host", OTHER, "--count", 1)
    assert unknown.status(60) == 3
    assert "connect_invalid_parameters" in unknown.errors(), unknown.errors()


def test_a_host_that_sends_no_keep_alive_is_disconnected(new_gateway, fabric, start_load):
    """Its reads do not count as Keep Alive."""
    gateway = new_gateway()
    gateway.add_transport(min_kato=1000, kas=10)
    gateway.add_disk("disk", 8)
    gateway.serve(NQN, "disk")
    talks = start_load("talks", NQN, "--rate", 10, "--keep-alive", 1000)
    wait_until(lambda: gateway.commands("disk") > 0, "the disk is not used")
    with ScriptedHosts(fabric, "silent") as silent:
        silent.connect("silent", NQN, kato=1000)
        wait_until(lambda: answer_of_a_read(silent, "silent") == CLOSED, "the silent host stays connected")
    wait_until(lambda: len(gateway.controllers(NQN)) == 1, "the silent host's controller stays")
    assert talks.stop()["reconnects"] == 0


def answer_of_a_read(hosts: ScriptedHosts, host: str) -> int | str:
    try:
        hosts.read(host, 1)
    except StepFailed as failure:
        assert "the connection is closed" in str(failure)
        return CLOSED
    answer, = hosts.answers(host, 1)
    assert answer in (0, CLOSED)
    return answer


def test_a_controller_can_be_reset_with_commands_outstanding(served, start_load, slower):
    load = start_load("host", NQN, *VERIFY, "--queues", 2, "--region", 8 * MIB, "--reconnect", 30, "--reset-every", 0.3,
                      "--seconds", 4 * slower ** 0.5)
    done = load.done(240)
    assert done["resets"] >= 5 and done["reconnects"] == done["resets"]


def test_hosts_that_are_killed_leave_nothing(served, start_load):
    """Four times a host is killed with commands outstanding, beside one that stays connected."""
    stays = start_load("stays", NQN, *VERIFY, "--rate", 500, "--region", 4 * MIB)
    served.add_disk("other", 8)
    served.serve(OTHER, "other")
    wait_until(lambda: served.commands("disk") > 10, "the disk is not used")
    before = None
    for n in range(4):
        seen = served.commands("other")
        dies = start_load(f"dies{n}", OTHER, "--mix", 50, "--size", 65536, "--depth", 64, "--queues", 2)
        wait_until(lambda: served.commands("other") > seen + 100, "the disk is not used")
        dies.kill()
        wait_until(lambda: not served.controllers(OTHER), "the controller of a host that was killed stays")
        kept = {kind: n for kind, n in served.settled_resources().items() if kind != "rss_kib"}
        assert before in (None, kept)
        before = kept
    start_load("next", OTHER, *VERIFY, "--count", 1000).done()
    assert stays.stop()["reconnects"] == 0


def test_connecting_and_disconnecting_leaks_nothing(served, start_load, preset):
    def cycle(name, times):
        start_load(name, NQN, "--cycles", times, "--count", 32, "--queues", 2).done(120 * SLOWER[preset])
    cycle("warm-up", WARM_UP)
    before = served.settled_resources()
    cycle("cycles", CYCLES - WARM_UP)
    after = served.settled_resources()
    if preset == "release":
        assert after["rss_kib"] - before["rss_kib"] < RSS_GROWTH_KIB
    del before["rss_kib"], after["rss_kib"]
    assert after == before


def test_the_gateway_ends_in_order_with_hosts_connected(served, start_load):
    load = start_load("host", NQN, *VERIFY, "--region", 8 * MIB)
    wait_until(lambda: served.commands("disk") > 1000, "the disk is not used")
    began = time.monotonic()
    served.must_end_well()
    assert time.monotonic() - began < 30
    assert load.status(60) == 3
    served.was_killed = True    # there is nothing left to end
