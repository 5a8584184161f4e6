# SPDX-License-Identifier: Apache-2.0
"""A gateway on this machine that serves images over TCP, and a host that speaks the protocol by hand."""

import contextlib
import socket

import raw_host
from gateway import take_over
from gateway.daemon import Daemon
from lab import places

CORES = ("-m", "0x3")


class Host:
    """take_over.Host over TCP."""

    def __init__(self, port: int, kato: int):
        self.port = port
        self.raw = raw_host.Host(("127.0.0.1", port), take_over.NQN, kato=kato)

    def __enter__(self) -> "Host":
        return self

    def __exit__(self, *_) -> None:
        self.leave()

    def write(self, nsid: int, lba: int, block: bytes) -> None:
        self.raw.write(lba, 1, block, nsid=nsid)

    def read(self, nsid: int, lba: int) -> bytes:
        return self.raw.read(lba, 1, take_over.BLOCK, nsid=nsid)

    def send_write(self, nsid: int, lba: int, block: bytes) -> None:
        self.raw.io.send(raw_host.write(9 + nsid, nsid, lba, 1, raw_host.in_capsule(len(block))), block)

    def answer(self) -> int | None:
        try:
            answer = self.raw.io.receive()
        except raw_host.Closed:
            return None
        assert answer.kind == raw_host.RESPONSE and not answer.header[23] & 0x80, "DNR: it could not be sent again"
        return answer.status

    def leave(self) -> None:
        for queue in self.raw.queues:
            queue.socket.close()


def free_port() -> int:
    """A TCP port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def started(folder, **transport):
    """A gateway with that transport, which ends in order."""
    folder.mkdir()
    with Daemon(folder, *CORES, build=places.BUILD, mib=384) as gateway:
        gateway.call("framework_wait_init")
        gateway.call("nvmf_create_transport", {"trtype": "TCP", **transport})
        yield gateway
        assert gateway.end() == 0, gateway.log.read_text()


def listening(port: int) -> dict:
    """An address to listen on, as RPCs name it."""
    return {"trtype": "TCP", "adrfam": "IPv4", "traddr": "127.0.0.1", "trsvcid": str(port)}


@contextlib.contextmanager
def one_image(cluster, folder, image: str, **config_param: str):
    """A gateway that serves the image, and a host."""
    with started(folder) as gateway:
        gateway.call("bdev_rbd_register_cluster", {"name": "ceph", "user_id": "admin", "config_file": str(cluster.conf),
                                                   "config_param": config_param})
        gateway.call("bdev_rbd_create", {"name": image, "pool_name": "rbd", "rbd_name": image, "block_size": take_over.BLOCK,
                                         "cluster_name": "ceph"})
        gateway.call("nvmf_create_subsystem", {"nqn": take_over.NQN, "allow_any_host": True, "serial_number": "ONE"})
        gateway.call("nvmf_subsystem_add_ns", {"nqn": take_over.NQN, "namespace": {"bdev_name": image}})
        port = free_port()
        gateway.call("nvmf_subsystem_add_listener",
                     {"nqn": take_over.NQN, "listen_address": listening(port)})
        with Host(port, kato=0) as host:
            yield gateway, host
