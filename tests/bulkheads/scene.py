# SPDX-License-Identifier: Apache-2.0
"""Two gateways of one core each, the same host with the same kind of disk on both, and a cluster that can be half ill.

One of the gateways will have trouble. Whatever is measured is measured on both at the same time, so that what else the
machine does matters to both alike.
"""

import contextlib
import json
import signal
import time
from pathlib import Path

from fabric import Fabric as SoftRdma
from hosts import BLOCK, Hosts, hosts_of
from lab import places, processes
from lab.ceph import Cluster, free_ports
from lab.fabric import RDMA, TCP, Fabric
from lab.gateway import listen_address, serial_number
from programs import Gateway, Program, wait_until

WELL, ILL = "well", "ill"
"""Pools of the cluster, each on an OSD of its own."""
WELL_OSD, ILL_OSD = 0, 1

NAMES = ("troubled", "control")
"""Names of the two gateways, and of the objects that belong to each."""

ILL_IMAGES = [f"ill{n}" for n in range(5)]
FILLING = "filling"    # another image of that pool

CORE, HOSTS_CPU = "0x1", 1
"""A gateway has one core, so everything in it shares that core with the trouble."""

CLUSTER = "ceph"    # as the gateways call it
DISK = "disk"
REGION = "4M"
"""Small: what the bystanders write must not fill the OSD that is well."""


def nqn_of(disk: str) -> str:
    return f"nqn.2024-01.io.causeway:{disk}"


@contextlib.contextmanager
def two_pools(run: places.Run):
    """A cluster with both pools, each on one OSD, and the images in them."""
    with Cluster(run.folder / "ceph", logs=run.logs, osds=2) as cluster:
        for often in ("osd_heartbeat_interval", "osd_mon_report_interval"):    # how full an OSD is, is known at once
            cluster.ceph("config", "set", "osd", often, 1)
        for pool, osd in ((WELL, WELL_OSD), (ILL, ILL_OSD)):
            cluster.create_pool(pool, osd=osd)
        for image in NAMES:
            cluster.create_image(image, "64M", pool=WELL)
        for image in (*ILL_IMAGES, FILLING):
            cluster.create_image(image, "1G", pool=ILL)
        yield cluster


class Bystander:
    """A gateway with an image that is well, and a host that reads, writes and verifies it without a pause."""

    def __init__(self, gateway: Gateway, cluster: Cluster, fabric: Fabric):
        self.gateway = gateway
        self.port, = free_ports("127.0.0.1", 1)
        gateway.call("nvmf_create_transport", {"trtype": "TCP"})
        gateway.call("nvmf_create_transport", {"trtype": "RDMA", "num_cqe": 65536})    # softrdma cannot enlarge a queue
        gateway.call("bdev_rbd_register_cluster", {"name": CLUSTER, "user_id": "admin",
                                                   "config_file": str(cluster.conf)})
        self.serve(DISK, WELL, gateway.name)
        self._host = Program(gateway.fabric, f"{gateway.name}-host", "tools/causeway", "perf", "-t", fabric.transport,
                             "-a", "127.0.0.1", "-s", self.port, "-n", nqn_of(DISK), "--cores", HOSTS_CPU, "--depth", 8,
                             "--mix", 70, "--verify", "--region", REGION, "--seconds", 0, "--events", "--json")
        self._watcher = self.new_hosts("watcher", fabric)
        self._rpc = gateway.client()

    def serve(self, disk: str, pool: str, image: str) -> None:
        """Serves an image to any host, over either fabric."""
        call, nqn = self.gateway.call, nqn_of(disk)
        call("bdev_rbd_create", {"name": disk, "pool_name": pool, "rbd_name": image, "block_size": BLOCK,
                                 "cluster_name": CLUSTER})
        call("nvmf_create_subsystem", {"nqn": nqn, "allow_any_host": True, "serial_number": serial_number(nqn)})
        call("nvmf_subsystem_add_ns", {"nqn": nqn, "namespace": {"bdev_name": disk}})
        for fabric in (TCP, RDMA):
            address = listen_address("127.0.0.1", self.port, fabric)
            call("nvmf_subsystem_add_listener", {"nqn": nqn, "listen_address": address})

    def new_hosts(self, name: str, fabric: Fabric) -> Hosts:
        return hosts_of(fabric, self.port, self.gateway.fabric, f"{self.gateway.name}-{name}")

    def __enter__(self) -> "Bystander":
        self._running = contextlib.ExitStack()
        self._running.callback(self._rpc.__exit__)
        self._running.enter_context(self._watcher).connect("watcher", nqn_of(DISK))
        self._running.enter_context(self._host)
        wait_until(lambda: self.done() > 100, f"{self._host.name} does not begin")
        return self

    def __exit__(self, *_) -> None:
        self._running.close()

    def done(self) -> int:
        """The number of reads and writes so far."""
        shown = self._rpc.call("bdev_get_iostat", {"name": DISK})["bdevs"][0]
        return shown["num_read_ops"] + shown["num_write_ops"]

    def rpc_seconds(self) -> float:
        """The seconds that a method which lists everything takes."""
        began = time.monotonic()
        self._rpc.call("bdev_get_bdevs")
        return time.monotonic() - began

    def keep_alive_seconds(self) -> float:
        return self._watcher.keep_alive("watcher")

    def must_serve_newcomers(self) -> None:
        """Another host connects, reads and disconnects."""
        self._watcher.connect("newcomer", nqn_of(DISK))
        self._watcher.read("newcomer", 16)
        assert self._watcher.answers("newcomer", 16) == [0] * 16
        self._watcher.leave("newcomer")

    def stop(self) -> None:
        """Each command of the host was answered without an error, and the data that it wrote is there."""
        assert self._host.running, f"{self._host.name} has ended:\n{self._host.output()}{self._host.errors()}"
        self._host.process.send_signal(signal.SIGTERM)
        assert self._host.status(60) == 0, self._host.errors()
        told = json.loads(self._host.output())
        assert told["failed"] == 0 and told["verified_blocks"] > 0, told


class Scene:
    """`hosts` make the trouble, at the gateway that has it."""

    def __init__(self, troubled: Bystander, control: Bystander, cluster: Cluster, hosts: Hosts):
        self.troubled, self.control = troubled, control
        self.cluster, self.hosts = cluster, hosts

    def share(self, commands: int, meanwhile) -> float:
        """What the bystander does beside the trouble while the other one does so many commands, as a share of these."""
        control, troubled = self.control.done(), self.troubled.done()
        meanwhile()
        while (passed := self.control.done() - control) < commands:
            time.sleep(0.01)
        return (self.troubled.done() - troubled) / passed

    def latencies(self, of: str, times: int, meanwhile) -> tuple[list[float], list[float]]:
        """Seconds, of the gateway with trouble and of the other one, in turns. `of`: `rpc` or `keep_alive`."""
        pairs = []
        for _ in range(times):
            meanwhile()
            pairs.append([getattr(bystander, f"{of}_seconds")() for bystander in (self.troubled, self.control)])
        troubled, control = (sorted(one) for one in zip(*pairs, strict=True))
        return troubled, control


@contextlib.contextmanager
def set_up(folder: Path, cluster: Cluster, fabric: Fabric, softrdma: SoftRdma):
    """Starts a scene. Both gateways must run until its end, and end in order."""
    with contextlib.ExitStack() as gateways:
        bystanders = []
        for name in NAMES:
            (folder / name).mkdir()
            gateway = gateways.enter_context(Gateway(folder / name, softrdma, cores=CORE))
            gateways.callback(lambda log=gateway.log: print(f"-- end of {log}\n{processes.tail(log)}"))
            bystanders.append(Bystander(gateway, cluster, fabric))
        with contextlib.ExitStack() as hosts:
            for bystander in bystanders:
                hosts.enter_context(bystander)
            yield Scene(*bystanders, cluster, hosts.enter_context(bystanders[0].new_hosts("trouble", fabric)))
        for bystander in bystanders:
            bystander.gateway.must_end_well()
