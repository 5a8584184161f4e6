# SPDX-License-Identifier: Apache-2.0
"""What `./demo` does once the packages are there: from an RBD image to a verified block device, and how fast."""

import argparse
import contextlib
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from . import building, fio, places, processes
from .ceph import Client, Cluster
from .fabric import RDMA, TCP
from .gateway import TOOL, Gateway
from .guest import RXE_ADDRESS, Guest
from .here import Here, Unfit, check
from .initiator import Initiator, Target
from .keep import Kept
from .lab import Lab
from .machine import Machine
from .namespace import Outside
from .progress import Progress

MIB = 1 << 20
IMAGE_SIZE = 64 * MIB
PROGRAMS = ("causewayd", "causeway")
"""What is built: without the tests, and for as long as a slow machine takes."""
MEASURED = (("4 KiB random read", "randread", "4k", 1), ("4 KiB random read", "randread", "4k", 32),
            ("4 KiB random write", "randwrite", "4k", 32), ("128 KiB read", "read", "128k", 8))


@dataclass
class Place:
    """Where it all happens: a machine with RDMA, a cluster, and how the machine names the cluster's configuration."""
    machine: Machine
    address: str
    cluster: Client
    conf: str


class Demo:
    def __init__(self, options: argparse.Namespace, run: places.Run, progress: Progress):
        self.options, self.run, self.progress = options, run, progress
        mark = f"-{os.getpid()}" if options.ceph_conf else ""    # beside images that exist already
        self.images = [f"causeway-demo{mark}-{n}" for n in (1, 2)]
        self.kept = Kept()
        self.stack = contextlib.ExitStack()

    def __enter__(self) -> "Demo":
        return self

    def __exit__(self, *exception) -> None:
        self.stack.close()

    fabric = RDMA
    gateway_name = "causewayd"

    def find_place(self) -> Place:
        return self.on_this_machine(check()) if self.options.here else self.in_a_guest()

    def show(self) -> None:
        self.place = self.find_place()
        self.create_images()
        self.start_gateway()
        self.connect()
        self.verify()
        self.measure()
        if self.options.keep:
            self.leave_running()
        else:
            self.disconnect()

    # The place

    def in_a_guest(self) -> Place:
        lab = Lab(self.run, network=Outside() if self.options.ceph_conf else None, outlive=self.options.keep,
                  step=self.progress.step)
        self.stack.enter_context(lab)
        self.kept.pids += lab.pids()
        if self.options.ceph_conf:
            return Place(lab.guest, RXE_ADDRESS, Client(self.options.ceph_conf), str(self.options.ceph_conf))
        return Place(lab.guest, RXE_ADDRESS, lab.cluster, lab.guest_conf)

    def on_this_machine(self, address: str) -> Place:
        here = Here(self.run.folder / "out", address, outlive=self.options.keep)
        if self.options.ceph_conf:
            return Place(here, here.address, Client(self.options.ceph_conf), str(self.options.ceph_conf))
        with self.progress.step("start a Ceph cluster of one node, in memory"):
            cluster = Cluster(self.run.folder / "ceph", logs=self.run.logs, outlive=self.options.keep)
            self.stack.enter_context(cluster)
        self.kept.pids += cluster.pids()
        return Place(here, here.address, cluster, str(cluster.conf))

    # The way

    def create_images(self) -> None:
        with self.progress.step(f"create RBD images of {IMAGE_SIZE // MIB} MiB") as step:
            for image in self.images:
                self.place.cluster.create_image(image, IMAGE_SIZE)
                if self.options.ceph_conf:
                    self.stack.callback(self.place.cluster.remove_image, image)
                    self.kept.after.append(["rbd", "-c", str(self.options.ceph_conf), "rm", f"rbd/{image}"])
            step.note = ", ".join(self.images)

    def start_gateway(self) -> None:
        with self.progress.step("start causewayd, and configure it over JSON-RPC") as step:
            cores = "0x3" if os.cpu_count() > 1 else "0x1"
            self.gateway = Gateway(self.place.machine, ceph_conf=self.place.conf, fabric=self.fabric, cores=cores,
                                   name=self.gateway_name)
            self.stack.enter_context(self.gateway)
            self.targets = []
            for image in self.images:
                self.gateway.add_image(image)
                nqn = f"nqn.2024-01.io.causeway:{image}"
                self.targets.append(self.gateway.add_subsystem(nqn, image, address=self.place.address))
            step.note = ", ".join(f"{image} on core {self.gateway.main_core(image)}" for image in self.images)
        if isinstance(self.place.machine, Here):
            self.kept.pids.append(self.gateway.pid)

    def connect(self) -> None:
        self.host = Initiator(self.place.machine)
        with self.progress.step("nvme discover") as step:
            found = self.host.discover(self.targets[0])
            step.note = ", ".join(record["subnqn"] for record in found)
            missing = {target.nqn for target in self.targets} - {record["subnqn"] for record in found}
            if missing:
                raise RuntimeError(f"not discovered: {missing}")
        with self.progress.step("nvme connect -t rdma") as step:
            self.devices = [self.connect_to(target) for target in self.targets]
            step.note = ", ".join(self.devices)

    def connect_to(self, target) -> str:
        if self.options.here:
            self.kept.before.append(["nvme", "disconnect", "-n", target.nqn])
        self.stack.callback(self.place.machine.run, f"nvme disconnect -n {target.nqn}", timeout=120)
        return self.host.connect(target)

    def verify(self) -> None:
        with self.progress.step("write 8 MiB to each and verify its checksums with fio") as step:
            done = [fio.verify(self.place.machine, device, bs="16k", depth=16, size="8m") for device in self.devices]
            step.note = f"{sum(each.read.bytes for each in done) // MIB} MiB right"
        with self.progress.step("compare with what the cluster holds (rbd export)") as step:
            for image, device in zip(self.images, self.devices):
                machine = self.place.machine
                machine.out(f"dd if={device} of={machine.inside}/read bs=1M iflag=direct", timeout=120)
                exported = self.place.cluster.export_image(image, self.run.folder / image)
                if exported.read_bytes() != (machine.share / "read").read_bytes():
                    raise RuntimeError(f"{device} and {image} differ")
            step.note = f"{len(self.images) * IMAGE_SIZE // MIB} MiB the same"

    def measure(self) -> None:
        table = []
        for what, rw, bs, depth in MEASURED:
            with self.progress.step(f"measure {what}, depth {depth}") as step:
                done = fio.measure(self.place.machine, self.devices[0], rw=rw, bs=bs, depth=depth, seconds=3)
                side = done.write if "write" in rw else done.read
                step.note = f"{side.iops:,.0f} IOPS"
                table.append(f"    {what:20} depth {depth:2}  {side.iops:9,.0f} IOPS  {side.mean_us:9,.0f} us mean"
                             f"  {side.p99_us:9,.0f} us p99")
        self.progress.say("\n" + "\n".join(table))
        if not self.options.here:
            self.progress.say("    (an emulated CPU and soft-RoCE: that it works, and not how fast it is)")
        self.progress.say()

    farewell = "nvme disconnect, and end everything"

    def disconnect(self) -> None:
        with self.progress.step(self.farewell):
            self.stack.close()

    def leave_running(self) -> None:
        guest = self.place.machine.folder if isinstance(self.place.machine, Guest) else None
        rbd = ["rbd", "-c", str(self.place.cluster.conf)]
        if self.place.cluster.network:
            rbd = ["nsenter", f"--net=/proc/{self.kept.pids[0]}/ns/net", "--", *rbd]
        self.stack.pop_all()
        self.progress.say(self.kept.leave(self.run, guest, rbd))


class TcpDemo(Demo):
    """On this machine, without its kernel's help: our own host, over TCP on loopback."""

    fabric = TCP
    farewell = "end everything"
    filled = ["--region", "8m"]
    """What has been written before it is measured: what has not is read without asking a disk."""

    def __init__(self, *of):
        super().__init__(*of)
        self.gateway_name = f"causewayd-{os.getpid()}"    # its socket is among those of this machine

    def find_place(self) -> Place:
        return self.on_this_machine("127.0.0.1")

    def causeway(self, target: Target, *words: object):
        """What a command of our own says about a target, as JSON."""
        address = ["-t", "tcp", "-a", target.address, "-s", target.port]
        done = processes.run([places.binary(TOOL), *words[:1], *address, *words[1:], "--json"], timeout=300)
        return json.loads(done.stdout)

    def connect(self) -> None:
        with self.progress.step("causeway discover") as step:
            found = self.causeway(self.targets[0], "discover")
            step.note = ", ".join(record["subnqn"] for record in found)
            missing = {target.nqn for target in self.targets} - {record["subnqn"] for record in found}
            if missing:
                raise RuntimeError(f"not discovered: {missing}")

    def verify(self) -> None:
        with self.progress.step("write 8 MiB to each, and verify what is read") as step:
            blocks = 0
            for target in self.targets:
                done = self.causeway(target, "perf", "-n", target.nqn, "--verify", "--mix", 50, "--size", "16k", "--depth", 16,
                                     "--count", 1024, *self.filled)
                blocks += done["verified_blocks"]
            step.note = f"{blocks} blocks right"

    def measure(self) -> None:
        target, table = self.targets[0], []
        self.causeway(target, "perf", "-n", target.nqn, "--mix", 0, "--pattern", "sequential", "--size", "16k", "--count", 512, *self.filled)
        for what, rw, bs, depth in MEASURED:
            with self.progress.step(f"measure {what}, depth {depth}") as step:
                done = self.causeway(target, "perf", "-n", target.nqn, "--mix", 0 if "write" in rw else 100,
                                     "--pattern", "random" if rw.startswith("rand") else "sequential", "--size", bs, "--depth", depth,
                                     "--seconds", 3, "--warm-up", 0.5, "--events", *self.filled)
                side = done["write" if "write" in rw else "read"]
                step.note = f"{side['iops']:,.0f} IOPS"
                table.append(f"    {what:20} depth {depth:2}  {side['iops']:9,.0f} IOPS  {side['latency_us']['avg']:9,.0f} us mean"
                             f"  {side['latency_us']['p99']:9,.0f} us p99")
        self.progress.say("\n" + "\n".join(table) + "\n")


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./demo", allow_abbrev=False)
    parser.add_argument("--ceph-conf", type=Path)
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--here", action="store_true")
    parser.add_argument("--tcp", action="store_true")
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> int:
    options = parse(arguments)
    processes.turn_signals_into_interrupts()
    progress = Progress()
    with places.Run("demo") as run:
        try:
            if options.here:
                check()
            if not building.build("release", run.logs / "build.log", progress, also=PROGRAMS, minutes=None):
                progress.say(processes.tail(run.logs / "build.log", 30))
                return 1
            kind = TcpDemo if options.tcp else Demo
            with kind(options, run, progress) as demo:
                demo.show()
            return 0
        except KeyboardInterrupt:
            progress.say("interrupted: everything is ended")
            return 130
        except Unfit as reason:
            print(f"./demo --here: {reason}", file=sys.stderr)
            return 1
        except Exception as error:
            progress.say(f"\n{type(error).__name__}: {error}\nlogs: {run.logs}")
            return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
