#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""An RBD image through causewayd (librbd), beside an equal one through the kernel's own target (krbd).

A real Ceph cluster of one node, in memory, outside; one guest, in which both targets and the kernel's initiator run, over
RDMA on the same soft-RoCE device. Every block of both images is written before anything is measured. The targets take
turns and change places every round: what disturbs this machine for longer than a turn disturbs both.
"""

import argparse
import contextlib
import os
import statistics
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from lab import fio, processes
from lab.gateway import Gateway
from lab.initiator import Initiator, Target
from lab.kernel_target import KernelTarget
from lab.lab import Lab
from lab.progress import Progress

TARGETS = ("nvmet", "causewayd")
PORTS = dict(zip(TARGETS, (4420, 4421)))
WORKLOADS = (("randread", 1), ("randread", 32), ("randwrite", 1), ("randwrite", 32))
GOAL = 0.9


def main() -> int:
    wanted = arguments()
    if os.geteuid() != 0:
        print("rbd_beside_krbd.py: needs root, for a network of its own", file=sys.stderr)
        return 2
    processes.turn_signals_into_interrupts()
    progress = Progress(sys.stderr)
    try:
        with contextlib.ExitStack() as stack:
            with progress.step("a Ceph cluster, and a guest with soft-RoCE"):
                lab = stack.enter_context(Lab("rbd-beside-krbd"))
            devices = {}
            for name in wanted.targets:
                with progress.step(f"an image of {wanted.size} through {name}, every block written"):
                    lab.cluster.create_image(name, wanted.size)
                    target = serve(name, lab, wanted, stack)
                    devices[name] = Initiator(lab.guest).connect(target)
                    lab.guest.out(f"dd if=/dev/urandom of={devices[name]} bs=1M oflag=direct iflag=fullblock "
                                  f"count={lab.cluster.image(name)['size'] >> 20}", timeout=600)
            iops = {(name, workload): [] for name in devices for workload in WORKLOADS}
            for turn in range(wanted.rounds):
                order = list(devices.items())[::-1 if turn % 2 else 1]
                with progress.step(f"round {turn + 1} of {wanted.rounds}, {order[0][0]} first"):
                    for rw, depth in WORKLOADS:
                        for name, device in order:
                            progress.detail = f"{name} {rw} {depth}"
                            done = fio.measure(lab.guest, device, rw=rw, depth=depth, seconds=wanted.seconds)
                            iops[name, (rw, depth)].append((done.write if rw == "randwrite" else done.read).iops)
            print(f"{wanted.rounds} rounds of {wanted.seconds:g} s; images of {wanted.size}; causewayd on cores {wanted.cores}\n")
            print(table(iops, list(devices)))
            complaints = lab.guest.kernel_complaints()
            print(complaints, end="", file=sys.stderr)
            return 1 if complaints else 0
    except KeyboardInterrupt:
        return 130


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--targets", nargs="+", choices=TARGETS, default=list(TARGETS), help="only these")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each target in each workload (default: 5)")
    parser.add_argument("--seconds", type=float, default=5, help="seconds of each measurement (default: 5)")
    parser.add_argument("--size", default="256M", help="size of each image (default: 256M)")
    parser.add_argument("--cores", default="0x1", help="causewayd's core mask, of the guest's 0x3 (default: 0x1)")
    parser.add_argument("--options", default="", help="more options for causewayd")
    return parser.parse_args()


def serve(name: str, lab: Lab, wanted: argparse.Namespace, stack: contextlib.ExitStack) -> Target:
    """The image of that name, served by the target of that name."""
    nqn = f"nqn.2024-01.io.causeway:{name}"
    if name == "nvmet":
        kernel_target = KernelTarget(lab.guest)
        return kernel_target.expose(nqn, kernel_target.map_image(lab.guest_conf, f"rbd/{name}"), port=PORTS[name])
    gateway = stack.enter_context(Gateway(lab.guest, ceph_conf=lab.guest_conf, cores=wanted.cores, options=wanted.options))
    gateway.add_image(name)
    return gateway.add_subsystem(nqn, name, port=PORTS[name])


def table(iops: dict[tuple, list[float]], targets: list[str]) -> str:
    """Medians, and from the lowest to the highest. A ratio is that of the medians, then from the lowest to the highest of a round's."""
    both = len(targets) == 2
    lines = [f"{'IOPS':14}" + "".join(f"{name:>24}" for name in targets) + (f"{'/'.join(reversed(targets)):>28}" if both else "")]
    for rw, depth in WORKLOADS:
        columns = [iops[name, (rw, depth)] for name in targets]
        line = f"{rw + ' ' + str(depth):14}" + "".join(f"{spread(column, '.0f'):>24}" for column in columns)
        if both:
            by_round = [b / a for a, b in zip(*columns)]
            ratio = statistics.median(columns[1]) / statistics.median(columns[0])
            line += f"{f'{ratio:.2f}  ({min(by_round):.2f} .. {max(by_round):.2f})':>28}" + ("" if ratio >= GOAL else f"  below {GOAL}")
        lines.append(line)
    return "\n".join(lines)


def spread(values: list[float], form: str) -> str:
    return f"{statistics.median(values):{form}}  ({min(values):{form}} .. {max(values):{form}})"


if __name__ == "__main__":
    sys.exit(main())
