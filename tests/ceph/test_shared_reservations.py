# SPDX-License-Identifier: Apache-2.0
"""Two gateways that serve one image enforce one reservation, whatever happens to one of them."""

import contextlib
import os
import signal
import socket
import struct
import time

import pytest
import raw_host
from gateway.daemon import Daemon
from lab import document, places, processes
from lab.ceph import free_ports

NQN = "nqn.2024-01.io.causeway:reserved"
USER = "reserving"
BLOCK = 512
REGISTER, REPORT, ACQUIRE, RELEASE = 0x0d, 0x0e, 0x11, 0x15
PREEMPT, PREEMPT_AND_ABORT = 1, 2
WE, EA, WE_RO, EA_RO, WE_AR, EA_AR = range(1, 7)
SUCCESS, CONFLICT, INTERNAL_PATH_ERROR = 0, 0x083, 0x300
KEYS = 1, 2, 3
LONG = "CAUSEWAY_LONG" in os.environ


class Host:
    """A host, by one of the gateways. What is sent is answered by a status."""

    def __init__(self, port: int, key: int, nqn: str = NQN, hostnqn: str = raw_host.HOST):
        self.key = key
        self.raw = raw_host.Host(("127.0.0.1", port), nqn, host=hostnqn, hostid=bytes([key]) * 16)

    def __enter__(self) -> "Host":
        return self

    def __exit__(self, *_) -> None:
        self.raw.__exit__()

    def send(self, opcode: int, cdw10: bytes, data: bytes = b"", *, cid: int = 5, room: int = 0) -> None:
        sgl = raw_host.in_capsule(len(data)) if data else raw_host.transport_sgl(room)
        self.raw.io.send(raw_host.command(opcode, cid, nsid=1, sgl=sgl, cdw10=cdw10), data)

    def answer(self) -> tuple[int, bytes]:
        data = b""
        while True:
            pdu = self.raw.io.receive()
            if pdu.kind == raw_host.RESPONSE:
                return pdu.status, data
            data += pdu.data
            if pdu.flags & raw_host.SUCCESS:
                return SUCCESS, data

    def _change(self, opcode: int, action: int, kind: int, data: bytes) -> int:
        self.send(opcode, struct.pack("<I", action | kind << 8), data)
        return self.answer()[0]

    def register(self, *, action: int = 0) -> int:
        old, new = (0, self.key) if action == 0 else (self.key, 0)
        return self._change(REGISTER, action, 0, struct.pack("<QQ", old, new))

    def send_acquire(self, kind: int, *, action: int = 0, key: int = 0) -> None:
        self.send(ACQUIRE, struct.pack("<I", action | kind << 8), struct.pack("<QQ", self.key, key))

    def acquire(self, kind: int, **what) -> int:
        self.send_acquire(kind, **what)
        return self.answer()[0]

    def release(self, kind: int) -> int:
        return self._change(RELEASE, 0, kind, struct.pack("<Q", self.key))

    def clear(self) -> int:
        return self._change(RELEASE, 1, 0, struct.pack("<Q", self.key))

    def report(self) -> tuple[int, set[bytes]]:
        """The type of the reservation, and who is registered."""
        self.send(REPORT, struct.pack("<II", 4096 // 4 - 1, 1), room=4096)
        status, page = self.answer()
        assert status == SUCCESS, hex(status)
        count = struct.unpack_from("<H", page, 5)[0]
        return page[4], {page[64 + 64 * n + 16:64 + 64 * n + 32] for n in range(count)}

    def send_write(self, fill: int = 0) -> None:
        self.send(raw_host.WRITE, struct.pack("<QI", 0, 0), bytes([fill]) * BLOCK)

    def write(self, fill: int = 0) -> int:
        self.send_write(fill)
        return self.answer()[0]

    def read(self) -> tuple[int, bytes]:
        self.send(raw_host.READ, struct.pack("<QI", 0, 0), room=BLOCK)
        return self.answer()


class Gateway:
    """One that serves the image. `conf` and `key` say how it reaches the cluster."""

    def __init__(self, cluster, folder, key, image: str, port: int, **image_params):
        folder.mkdir(exist_ok=True)
        self._cluster, self._key, self._image, self._more = cluster, key, image, image_params
        self.daemon = Daemon(folder, "-m", "0x3", build=places.BUILD, mib=384)
        self.port = port

    def __enter__(self) -> "Gateway":
        self.daemon.__enter__()
        call = self.daemon.call
        call("framework_wait_init")
        call("bdev_rbd_register_cluster", {"name": "ceph", "user_id": USER, "config_file": str(self._cluster.conf),
                                           "key_file": str(self._key)})
        call("bdev_rbd_create", {"name": "disk", "pool_name": "rbd", "rbd_name": self._image, "block_size": BLOCK,
                                 "cluster_name": "ceph", **self._more})
        call("nvmf_create_transport", {"trtype": "TCP"})
        call("nvmf_create_subsystem", {"nqn": NQN, "allow_any_host": True, "serial_number": "RESERVED"})
        call("nvmf_subsystem_add_ns", {"nqn": NQN, "namespace": {"bdev_name": "disk"}})
        call("nvmf_subsystem_add_listener", {"nqn": NQN, "listen_address": {
            "trtype": "TCP", "adrfam": "IPv4", "traddr": "127.0.0.1", "trsvcid": str(self.port)}})
        return self

    def __exit__(self, *error) -> None:
        if error[0] is None and self.daemon.process.poll() is None:
            assert self.daemon.end() == 0, self.daemon.log.read_text()
        self.daemon.__exit__(*error)

    def host(self, key: int) -> Host:
        return Host(self.port, key)

    def kill(self) -> None:
        self.daemon.process.kill()
        self.daemon.process.wait()

    def stop(self) -> None:
        self.daemon.process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self.daemon.process.send_signal(signal.SIGCONT)

    def log(self) -> str:
        return self.daemon.log.read_text()


@pytest.fixture(scope="module")
def key(cluster, tmp_path_factory):
    """Of a user with the capabilities that docs/operations.md requires, and no others."""
    file = tmp_path_factory.mktemp("keys") / "keyring"
    cluster.ceph("auth", "get-or-create", f"client.{USER}", *document.capabilities(), "-o", file)
    return file


@pytest.fixture
def image(cluster, request) -> str:
    name = request.node.originalname.removeprefix("test_")
    cluster.create_image(name, "8M")
    return name


@pytest.fixture
def gateways(cluster, key, image, tmp_path):
    ports = free_ports("127.0.0.1", 2)
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(Gateway(cluster, tmp_path / name, key, image, port))
               for name, port in zip(("one", "two"), ports, strict=True)]


def object_of(cluster, image: str) -> str:
    return f"causeway_reservation.{cluster.image(image)['id']}"


def registered(cluster, image: str) -> list[str]:
    keys = processes.run(["rados", "-c", cluster.conf, "-p", "rbd", "listomapkeys", object_of(cluster, image)]).stdout
    return [line for line in keys.split() if line.startswith("gateway/")]


def wait_until(condition, what: str, within: float = 60) -> None:
    end = time.monotonic() + within
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.05)


def test_one_reservation(gateways):
    """Each type, taken by one gateway: what holders, registrants and others may do by the other gateway."""
    one, two = gateways
    with one.host(1) as holder, two.host(1) as holder_elsewhere, two.host(2) as registrant, two.host(3) as other:
        assert holder.register() == SUCCESS
        assert registrant.register() == SUCCESS
        for kind in (WE, EA, WE_RO, EA_RO, WE_AR, EA_AR):
            assert holder.acquire(kind) == SUCCESS
            assert holder_elsewhere.write() == SUCCESS
            may_write = kind not in (WE, EA)
            assert registrant.write() == (SUCCESS if may_write else CONFLICT)
            assert registrant.read()[0] == (CONFLICT if kind == EA else SUCCESS)
            assert other.write() == CONFLICT
            assert other.read()[0] == (CONFLICT if kind in (EA, EA_RO, EA_AR) else SUCCESS)
            assert registrant.acquire(WE if kind != WE else EA) == CONFLICT
            assert other.report() == (kind, {b"\1" * 16, b"\2" * 16})
            assert holder_elsewhere.release(kind) == SUCCESS
            assert other.write() == SUCCESS
        assert holder.acquire(EA) == SUCCESS
        assert registrant.acquire(WE, action=PREEMPT_AND_ABORT, key=1) == SUCCESS
        assert holder.write() == holder_elsewhere.write() == CONFLICT
        assert registrant.clear() == SUCCESS
        assert holder.write() == other.write() == SUCCESS
        began = time.monotonic()
        assert holder.register() == SUCCESS
        print(f"a change that the other gateway confirms: {1000 * (time.monotonic() - began):.1f} ms")


def test_restarts_find_it(cluster, key, image, tmp_path):
    ports = free_ports("127.0.0.1", 2)
    one = Gateway(cluster, tmp_path / "one", key, image, ports[0])
    with one, one.host(1) as host:
        assert host.register() == SUCCESS
        assert host.acquire(EA) == SUCCESS
        assert len(registered(cluster, image)) == 1
    assert registered(cluster, image) == [], "it has left"
    with Gateway(cluster, tmp_path / "two", key, image, ports[1], read_only=True) as two, two.host(2) as other:
        assert other.read()[0] == CONFLICT
        with one, one.host(1) as host:
            assert host.release(EA) == SUCCESS
            assert other.read()[0] == SUCCESS
            one.kill()
        with Gateway(cluster, tmp_path / "one", key, image, ports[0]) as again, again.host(1) as host:
            assert len(registered(cluster, image)) == 2, "without its predecessor"
            assert host.acquire(EA) == SUCCESS
            assert other.read()[0] == CONFLICT


def test_a_stopped_gateway_is_fenced(gateways, cluster, image):
    one, two = gateways
    with one.host(1) as host, two.host(2) as other:
        assert host.register() == other.register() == SUCCESS
        assert other.write(2) == SUCCESS
        two.stop()
        try:
            other.send_write(3)    # lies in its socket
            began = time.monotonic()
            assert host.acquire(WE, action=PREEMPT, key=2) == SUCCESS
            print(f"a change for which a gateway is fenced: {time.monotonic() - began:.1f} s")
            assert host.acquire(WE) == SUCCESS
            assert len(registered(cluster, image)) == 1
            assert host.write(1) == SUCCESS
        finally:
            two.go_on()
        assert other.answer()[0] != SUCCESS
        assert host.read() == (SUCCESS, bytes([1]) * BLOCK)
        wait_until(lambda: len(registered(cluster, image)) == 2, two.log())
        wait_until(lambda: other.write(4) == CONFLICT, two.log())
        assert other.read() == (SUCCESS, bytes([1]) * BLOCK)


def test_a_killed_gateway_does_not_hold_up_a_change_for_ever(gateways, cluster, image):
    one, two = gateways
    with one.host(1) as host:
        assert host.register() == SUCCESS
        two.kill()
        assert host.acquire(EA) == SUCCESS
        assert len(registered(cluster, image)) == 1


def test_a_change_while_the_osd_hangs(gateways, cluster, image):
    """It fails or succeeds in the end, and no gateway is fenced for it."""
    one, two = gateways
    with one.host(1) as host, two.host(2) as other:
        assert host.register() == SUCCESS
        before = registered(cluster, image)
        cluster.osd_pause()
        try:
            host.send_acquire(EA)
            one.daemon.call("framework_get_reactors")    # the gateway itself goes on
            time.sleep(12 if LONG else 3)
        finally:
            cluster.osd_resume()
        status = host.answer()[0]
        assert status in (SUCCESS, INTERNAL_PATH_ERROR)
        wait_until(lambda: host.acquire(EA) == SUCCESS, one.log())
        assert other.write() == CONFLICT
        assert registered(cluster, image) == before


@pytest.mark.skipif(not LONG, reason="CAUSEWAY_LONG")
def test_changes_of_a_gateway_that_is_killed_at_any_step(cluster, key, image, tmp_path):
    """What the host was answered counts; what it was not may count or not, and is the same by both gateways."""
    ports = free_ports("127.0.0.1", 2)
    with Gateway(cluster, tmp_path / "two", key, image, ports[1]) as two, two.host(2) as other, two.host(1) as witness:
        for turn in range(12):
            with Gateway(cluster, tmp_path / "one", key, image, ports[0]) as one, one.host(1) as host:
                assert host.register() == SUCCESS
                host.send_acquire(EA)
                time.sleep(turn * 0.0005)
                one.kill()
                with contextlib.suppress(raw_host.Closed):
                    if host.answer()[0] == SUCCESS:
                        assert other.write() == CONFLICT
            kind, _ = witness.report()
            assert other.write() == (CONFLICT if kind == EA else SUCCESS)
            assert witness.clear() == SUCCESS
            assert other.write() == SUCCESS
