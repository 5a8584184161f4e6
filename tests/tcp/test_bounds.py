# SPDX-License-Identifier: Apache-2.0
"""Many, slow, silent and dead hosts: memory stays within its bound, and other hosts are served."""

import contextlib
import os
import resource
import socket
import time

import daemon
import pytest
from gateway_nqn import NQN
from raw_host import (COMMAND, IC_RESP, R2T, RESPONSE, Closed, Connection, Host, command, connect, connect_data, ic_req, in_capsule, read,
                      transport_sgl, write)

KEEP_ALIVE_MS = 10000    # the shortest that the gateway grants


def until(true, what: str, within: float = 60) -> None:
    """Counters that only the gateway itself can report."""
    deadline = time.monotonic() + within
    while not true():
        assert time.monotonic() < deadline, f"not within {within} s: {what}"
        time.sleep(0.05)


@pytest.fixture(autouse=True)
def descriptors():
    """Each end needs two thousand sockets."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(before[0], min(8192, before[1])), before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def kib_of(gateway) -> int:
    """Resident memory, without the pages of its program that the kernel reads when they are first executed."""
    with open(f"/proc/{gateway.process.pid}/status") as status:
        fields = (line.split() for line in status)
        return sum(int(f[1]) for f in fields if f[0] in ("RssAnon:", "RssShmem:"))


def sockets_of(gateway) -> int:
    folder = f"/proc/{gateway.process.pid}/fd"
    links = []
    for name in os.listdir(folder):
        with contextlib.suppress(FileNotFoundError):
            links.append(os.readlink(f"{folder}/{name}"))
    return sum(link.startswith("socket:") for link in links)


def test_a_thousand_hosts_are_served_at_once(gateway, preset):
    with Host(gateway.address, NQN) as host, contextlib.ExitStack() as all_of_them:
        before = kib_of(gateway)
        many = [all_of_them.enter_context(Host(gateway.address, NQN, entries=128)) for _ in range(500)]
        assert gateway.qpairs() == 1002
        accepted = [d["accepted"] for g in pending(gateway) for d in g["devices"]]
        assert len(accepted) == 2 and min(accepted) > 0, f"one core had them all: {accepted}"
        grown = kib_of(gateway) - before
        for h in many:
            h.io.send(read(1, 2, 0, 1, 4096))
        for h in many:
            assert len(h.io.receive().data) == 4096
            assert h.io.receive().status == 0
        assert len(host.read(0, 1, 512)) == 512
        # transport/tcp/README.md, "Memory": 4.2 KiB a queue and 10 KiB a controller, and some hundreds of KiB for the
        # granularity of the allocator, which depends on the cores that the queues come to.
        if preset == "release":
            assert grown < 1000 * 4.7 + 500 * 11, f"{grown} KiB for a thousand connections"
    until(lambda: gateway.qpairs() == 0, "all of them are gone")
    with Host(gateway.address, NQN) as host:
        assert len(host.read(0, 1, 512)) == 512


def test_hosts_that_never_send_icreq_are_closed(gateway):
    """ICReq must arrive within fifteen seconds."""
    with contextlib.ExitStack() as all_of_them:
        silent = [all_of_them.enter_context(Connection(gateway.address)) for _ in range(100)]
        for n, s in enumerate(silent):
            s.raw(ic_req()[:n])
        with Host(gateway.address, NQN) as host:
            assert len(host.read(0, 1, 512)) == 512
        until(lambda: gateway.counters()["handshakes_timed_out"] == 100, "all are closed")
        assert all(s.closed() for s in silent)


def test_hosts_leave_descriptors_to_the_operator(new_gateway, monkeypatch):
    """Hosts may use half of the descriptors. A host that connects then waits, costs nothing, and is served when another leaves."""
    command = daemon.command
    monkeypatch.setattr(daemon, "command", lambda *o, **how: ["prlimit", "--nofile=150:200", *command(*o, **how)])
    gateway = new_gateway()
    with contextlib.ExitStack() as all_of_them:
        hosts = [all_of_them.enter_context(Host(gateway.address, NQN)) for _ in range(50)]
        waiting = all_of_them.enter_context(Connection(gateway.address))
        waiting.raw(ic_req())
        until(lambda: gateway.counters()["accept_pauses"] > 2, "no more are accepted")
        with contextlib.ExitStack() as operators:
            for _ in range(30):
                assert operators.enter_context(gateway.client()).call("spdk_get_version")
        assert len(hosts[0].read(0, 1, 512)) == 512
        assert sockets_of(gateway) < 100 + 20
        assert gateway.await_log("not accepting connections for now").count("not accepting connections for now") == 1
        hosts.pop().__exit__()
        assert waiting.receive().kind == IC_RESP


STRANGERS_OF_ADDRESS = 1024    # README.md, "Numbers"


def test_many_connections_without_connect_do_not_stop_other_hosts(gateway, preset):
    """Thousands of connections send nothing, or half a Connect for a queue of the maximum depth: the oldest are closed, and hosts are served."""
    with contextlib.ExitStack() as all_of_them, Host(gateway.address, NQN) as host:
        before = kib_of(gateway)
        for n in range(530):
            half = all_of_them.enter_context(Connection(gateway.address))
            half.initialize()
            half.raw(half.pdu(COMMAND, connect(n % 2, entries=1024), connect_data(NQN))[:72 + n])
        for _ in range(3000):
            all_of_them.enter_context(Connection(gateway.address))
        for lba in range(16):
            host.write(16 * lba, 16, os.urandom(8192))
            host.io.send(write(9, 1, lba, 8, in_capsule(4096)), bytes(4096))
            assert host.io.receive().status == 0
        with Host(gateway.address, NQN) as newcomer:
            assert len(newcomer.read(0, 16, 8192)) == 8192
        counters = gateway.counters()
        assert counters["evicting"] >= 530 + 3000 - STRANGERS_OF_ADDRESS
        assert sum(t["pending_data_buffer"] for t in pending(gateway)) == 0
        most = STRANGERS_OF_ADDRESS + 100    # some are being closed
        assert sockets_of(gateway) < most
        if preset == "release":
            assert kib_of(gateway) - before < 4 * most
        assert gateway.end() == 0
    assert not gateway.socket.exists()


def test_hosts_that_never_connect_are_closed(gateway):
    """The Connect of an initialized connection does not arrive, or only a part of it does."""
    with Connection(gateway.address) as idle, Connection(gateway.address) as half:
        for c in (idle, half):
            c.initialize()
        half.raw(half.pdu(COMMAND, connect(0), connect_data(NQN))[:500])
        with Host(gateway.address, NQN) as host:
            assert len(host.read(0, 1, 512)) == 512
        assert idle.closed() and half.closed()


def test_a_host_that_never_reads_does_not_stop_others(new_gateway):
    """It reads more than its socket takes, again and again; another host on the same core is not delayed."""
    gateway = new_gateway(iobuf_large_cache_size=8)
    with Host(gateway.address, NQN, entries=128) as deaf, Host(gateway.address, NQN) as other:
        for cid in range(127):
            deaf.io.send(read(cid, 2, 0, 32, 131072))
        until(lambda: gateway.counters()["blocked_sends"] > 0, "the host's socket is full")
        before = kib_of(gateway)
        for _ in range(100):
            assert len(other.read(0, 256, 131072)) == 131072
            other.write(0, 256, bytes(131072))
        assert kib_of(gateway) - before < 4096
        # It listens at last, and has lost nothing.
        answered = 0
        while answered < 127:
            answered += deaf.io.receive().kind == RESPONSE


def test_hosts_that_never_send_their_data_leave_buffers_to_others(new_gateway):
    """Writes whose data never arrive hold all shared buffers; each other connection continues with its own buffer."""
    gateway = new_gateway(iobuf_large_cache_size=8, iobuf_small_cache_size=8)
    with contextlib.ExitStack() as all_of_them:
        greedy = [all_of_them.enter_context(Host(gateway.address, NQN)) for _ in range(4)]
        for g in greedy:
            for cid in range(16):
                g.io.send(write(cid, 1, 0, 256, transport_sgl(131072)))
                g.io.send(write(100 + cid, 1, 0, 1, transport_sgl(512)))
        for g in greedy:
            assert g.io.receive().kind == R2T
        with Host(gateway.address, NQN) as other:
            data = os.urandom(131072)
            other.write(0, 256, data)
            assert other.read(0, 256, 131072) == data
            for cid in range(8):
                other.io.send(write(cid, 1, 300 + cid, 1, in_capsule(512)), data[:512])
            assert sorted(other.io.receive().cid for _ in range(8)) == list(range(8))
            assert sum(g["pending_data_buffer"] for g in pending(gateway)) > 0


def pending(gateway):
    return [t for g in gateway.call("nvmf_get_stats")["poll_groups"] for t in g["transports"]]


def test_a_stream_of_long_writes_does_not_starve_other_hosts(new_gateway):
    """One host writes without a pause, another reads small blocks: both are served."""
    gateway = new_gateway(max_io_size=1048576, iobuf_large_cache_size=16)
    with Host(gateway.address, NQN) as writer, Host(gateway.address, NQN) as reader:
        data = os.urandom(1048576)
        for cid in range(8):
            writer.io.send(write(cid, 2, 0, 256, transport_sgl(len(data))))
        reads = 0
        written = 0
        while written < 64:
            answer = writer.io.receive()
            if answer.kind == R2T:
                begin, length = answer.extent
                writer.io.send_data(answer, data[begin:begin + length])
                assert len(reader.read(0, 8, 4096)) == 4096
                reads += 1
            else:
                assert answer.status == 0
                written += 1
                writer.io.send(write(answer.cid, 2, 0, 256, transport_sgl(len(data))))
        assert reads >= 64 * 8


def test_keep_alive_ends_the_controller_of_a_dead_host(gateway):
    with Host(gateway.address, NQN, kato=KEEP_ALIVE_MS) as dead, Host(gateway.address, NQN) as other:
        before = gateway.qpairs()
        # Nothing comes from it any more, and nothing says so.
        dead.io.send(read(1, 2, 0, 1, 4096))
        until(lambda: gateway.qpairs() == before - 2, "its queues are gone")
        gateway.await_log("keep alive timeout of")
        assert len(other.read(0, 1, 512)) == 512


def test_half_closed_and_reset_connections_are_closed(gateway):
    with Host(gateway.address, NQN) as host:
        before = gateway.qpairs()
        host.io.socket.shutdown(socket.SHUT_WR)
        until(lambda: gateway.qpairs() == before - 1, "the half-closed one is gone")
        host.admin.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    until(lambda: gateway.qpairs() == 0, "the reset one, too")


def test_connections_that_come_and_go_leave_nothing(gateway, preset):
    """A connection that has ended leaves no socket and no memory."""
    def cycle(times: int) -> None:
        for _ in range(times):
            with Host(gateway.address, NQN) as host:
                host.write(0, 8, bytes(4096))
        until(lambda: gateway.qpairs() == 0, "all are gone")

    cycle(50)
    sockets, memory = sockets_of(gateway), kib_of(gateway)
    cycle(150)
    until(lambda: sockets_of(gateway) <= sockets, "no socket is left, of these calls neither")
    if preset == "release":
        assert kib_of(gateway) - memory < 4096


def test_the_gateway_ends_with_hosts_connected(gateway):
    with Host(gateway.address, NQN) as host, Connection(gateway.address) as half:
        half.raw(ic_req()[:5])
        host.io.send(write(1, 1, 0, 1, transport_sgl(512)))
        assert host.io.receive().kind == R2T
        assert gateway.end() == 0
        assert half.closed()
        with pytest.raises(Closed):
            host.admin.receive()


def test_the_gateway_ends_with_refused_hosts_connected(gateway):
    """The gateway has nothing to wait for: each of these connections ends at once."""
    with contextlib.ExitStack() as all_of_them:
        refused = [all_of_them.enter_context(Connection(gateway.address)) for _ in range(8)]
        for c in refused:
            c.initialize()
            assert c.call(connect(0), connect_data("nqn.2024-01.io.example:nothing")).status != 0
        assert gateway.end() == 0
        assert all(c.closed() for c in refused)
    assert not gateway.socket.exists() and not gateway.socket.with_suffix(".sock.lock").exists()
