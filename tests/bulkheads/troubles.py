# SPDX-License-Identifier: Apache-2.0
"""Trouble that one disk, host or operator may make.

Each is a context: the trouble is there when it has been entered, and over when it is left. What it yields is to be
called again and again meanwhile: some go on by it.
"""

import contextlib
import itertools
import json

from hosts import BLOCK
from lab.fabric import RDMA, TCP
from programs import wait_until
from raw_host import COMMAND, Connection, connect, connect_data
from scene import CLUSTER, DISK, FILLING, ILL, ILL_IMAGES, ILL_OSD, Scene, nqn_of

MIB = 1 << 20
OBJECT = 4 * MIB

CAPACITY_EXCEEDED, INTERNAL_PATH_ERROR = 0x81, 0x300
NO_SUCH_IMAGE, TIMED_OUT = -2, -110

RUNNING_CALLS = 64
"""Of one management client; rpc/README.md."""


def nothing() -> None:
    """Most kinds of trouble need no further action to continue."""


@contextlib.contextmanager
def paused_osd(scene: Scene):
    scene.cluster.osd_pause(ILL_OSD)
    try:
        yield
    finally:
        scene.cluster.osd_resume(ILL_OSD)


def serve_ill_images(scene: Scene) -> None:
    for image in ILL_IMAGES:
        scene.troubled.serve(image, ILL, image)


@contextlib.contextmanager
def an_osd_that_hangs(scene: Scene):
    """Under 5 hosts with 120 reads each, and 12 with 120 deallocations of 256 MiB each: 92,760 RADOS operations."""
    serve_ill_images(scene)
    readers = {f"reader{n}": image for n, image in enumerate(ILL_IMAGES)}
    deallocating = dict(zip([f"deallocating{n}" for n in range(12)], itertools.cycle(ILL_IMAGES)))
    for host, image in (readers | deallocating).items():
        scene.hosts.connect(host, nqn_of(image))
    with paused_osd(scene):
        for host in readers:
            scene.hosts.read(host, 120)
        for host in deallocating:
            scene.hosts.deallocate(host, 120, 256 * MIB // BLOCK)
        yield nothing
    for host in readers:
        # The second is of those that the OSD has left without an answer for 25 s, on a slow machine.
        assert set(scene.hosts.answers(host, 120)) <= {0, INTERNAL_PATH_ERROR}


@contextlib.contextmanager
def a_host_that_reconnects(scene: Scene):
    """A host disconnects with 120 reads outstanding at a disk that hangs, 60 times and then again and again."""
    serve_ill_images(scene)

    def once_more() -> None:
        scene.hosts.connect("restless", nqn_of(ILL_IMAGES[0]))
        scene.hosts.read("restless", 120)
        scene.hosts.leave("restless")

    with paused_osd(scene):
        for _ in range(60):
            once_more()
        yield once_more


@contextlib.contextmanager
def openings_that_hang(scene: Scene):
    """128 images of a pool that does not answer are opened, and 16 of clusters that do not exist."""
    nowhere = [{"mon_host": f"[v2:127.0.0.1:1,v1:127.0.0.1:{port}]", "auth_client_required": "none",
                "client_mount_timeout": "3"} for port in range(2, 18)]
    wanted = [{"cluster_name": CLUSTER}] * 128 + [{"config": config} for config in nowhere]
    with contextlib.ExitStack() as clients:
        asked = []
        with paused_osd(scene):
            for n, its in enumerate(wanted):
                if n % RUNNING_CALLS == 0:
                    client = clients.enter_context(scene.troubled.gateway.client())
                params = {"name": f"hangs{n}", "pool_name": ILL, "rbd_name": f"hangs{n}", "block_size": BLOCK, **its}
                client.send(json.dumps({"jsonrpc": "2.0", "id": n, "method": "bdev_rbd_create", "params": params}))
                asked.append(client)
            yield nothing
        codes = {client.receive()["error"]["code"] for client in asked}
        assert codes <= {NO_SUCH_IMAGE, TIMED_OUT}


@contextlib.contextmanager
def a_crowd_of_strangers(scene: Scene):
    """Over TCP, 3,000 connections send nothing, and then 530 send a part of their Connect."""
    at = ("127.0.0.1", scene.troubled.port)
    with contextlib.ExitStack() as all_of_them:
        def stranger() -> Connection:
            return all_of_them.enter_context(Connection(at))

        for _ in range(30):
            for _ in range(100):
                stranger()
            stranger().initialize()    # until they have been accepted: the kernel tries again after a second
        for n in range(530):
            half = stranger()
            half.initialize()
            half.raw(half.pdu(COMMAND, connect(n % 2, entries=1024), connect_data(nqn_of(DISK)))[:72 + n])
        yield nothing


@contextlib.contextmanager
def strangers_over_rdma(scene: Scene):
    """530 queue pairs that are connected and never send their Connect."""
    scene.hosts.never_connect("stranger", 530)
    yield nothing


@contextlib.contextmanager
def a_full_pool(scene: Scene):
    """5 hosts continue to write into it, 120 writes at a time."""
    serve_ill_images(scene)
    for image in ILL_IMAGES:
        scene.hosts.connect(image, nqn_of(image))

    def write_again() -> None:
        for image in ILL_IMAGES:
            scene.hosts.write(image, 120, OBJECT // BLOCK)
        for image in ILL_IMAGES:
            assert scene.hosts.answers(image, 120) == [CAPACITY_EXCEEDED] * 120

    with full_osd(scene):
        yield write_again


@contextlib.contextmanager
def full_osd(scene: Scene):
    """An OSD counts as full with a hundredth of what it can hold; this one holds more, the other one less."""
    cluster = scene.cluster
    cluster.rbd("bench", "--io-type", "write", "--io-size", "4M", "--io-total", "64M", f"{ILL}/{FILLING}")

    def full_pools() -> list[str]:
        pools = json.loads(cluster.ceph("osd", "pool", "ls", "detail", "-f", "json"))
        return [pool["pool_name"] for pool in pools if "full" in pool["flags_names"].split(",")]

    def set_ratios(nearly: float, backfill: float, full: float) -> None:
        for name, ratio in (("nearfull", nearly), ("backfillfull", backfill), ("full", full)):
            cluster.ceph("osd", f"set-{name}-ratio", ratio)

    set_ratios(0.008, 0.009, 0.01)
    try:
        wait_until(lambda: ILL in full_pools(), "the pool is not full")
        yield
    finally:
        set_ratios(0.85, 0.9, 0.95)
    wait_until(lambda: not full_pools(), "the pool stays full")


OF_BOTH_FABRICS = (an_osd_that_hangs, a_host_that_reconnects, openings_that_hang, a_full_pool)

ALL = [(trouble, fabric) for trouble in OF_BOTH_FABRICS for fabric in (TCP, RDMA)]
ALL += [(a_crowd_of_strangers, TCP), (strangers_over_rdma, RDMA)]
"""Each with what its hosts, and those beside it, come over."""
