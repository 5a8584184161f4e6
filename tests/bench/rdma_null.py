#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The gateway over RDMA with a disk that does nothing: causewayd on one core, `causeway perf` on another, natively.

The RDMA is that of tests/softrdma, in user space: its IOPS say what gateway, host and it do together on this machine, and are
no hardware's. What the gateway itself costs is told in instructions, counted by callgrind on causewayd alone: two runs that
differ in nothing but the number of commands, subtracted, so that starting, connecting and ending drop out. They are told apart by
object file. Doorbells are the gateway's own count.
"""

import argparse
import json
import os
import sys
from collections import Counter
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS), str(TESTS / "softrdma")]

import callgrind    # noqa: E402
from fabric import LIBRARIES, Fabric    # noqa: E402
from lab import places, processes    # noqa: E402
from lab.progress import Progress    # noqa: E402
from programs import COMMAND, Gateway, Program    # noqa: E402

NQN = "nqn.2024-01.io.causeway:null"
GATEWAY_CPU, HOST_CPU = 0, 1

PARTS = {
    "causewayd": "Causeway's own code",
    callgrind.DATA: "zeroing or copying data, as vector instructions",
    "libibverbs.so": "libibverbs of softrdma",
    "librdmacm.so": "librdmacm of softrdma",
}

NAMES = {"libibverbs.so": r"softrdma::(?!cm::)|^ibv_", "librdmacm.so": r"softrdma::cm::|^rdma_", "causewayd": r"causeway::"}


class MeasuredGateway(Gateway):
    """With a null disk of 4 GiB; on its CPU alone; under callgrind, if it is to be counted."""

    def __init__(self, folder: Path, fabric: Fabric, profile: Path | None = None):
        super().__init__(folder, fabric, "--busy-poll-us", "1000" if profile else "50", cores=hex(1 << GATEWAY_CPU))
        self._profile = profile
        # Whether a buffer is used as it should be is the tests' business.
        self.environment |= {"SOFTRDMA_CHECK": "off"} | (callgrind.COUNTABLE if profile else {})

    def words(self) -> list[str]:
        counting = callgrind.words(self._profile) if self._profile else []
        return ["taskset", "-c", str(GATEWAY_CPU), *counting, *super().words()]

    def __enter__(self) -> "MeasuredGateway":
        super().__enter__()
        self.add_transport(max_queue_depth=256)
        self.call("bdev_null_create", {"name": "Null0", "block_size": 512, "num_blocks": 8 << 20})
        self.serve(NQN, "Null0")
        return self

    def device_statistics(self) -> Counter:
        groups = self.call("nvmf_get_stats")["poll_groups"]
        found: Counter = Counter()
        for group in groups:
            for transport in group["transports"]:
                for device in transport.get("devices", []):
                    found.update({key: n for key, n in device.items() if isinstance(n, int)})
        return found


def drive(fabric: Fabric, *words) -> dict:
    command = ("perf", "-t", "rdma", "-a", "127.0.0.1", "-n", NQN, "--cores", HOST_CPU, "--size", 4096, "--json", *words)
    with Program(fabric, "host", COMMAND, *command) as perf:
        status = perf.status(600)
        assert status == 0, f"exit status {status}\n{perf.output()}{perf.errors()}"
        return json.loads(perf.output())


def timed(run: places.Run, build: Path, wanted) -> None:
    print(f"4 KiB random reads, {wanted.seconds:g} s each; latencies in us\n")
    print(f"{'depth':>5} {'IOPS':>9} {'mean':>7} {'p50':>7} {'p99':>7} {'p99.9':>7} {'p99.99':>8}   send doorbells: per completion, per request")
    for depth in wanted.depths:
        folder = run.folder / f"timed-{depth}"
        folder.mkdir()
        fabric = Fabric(run.folder, build)
        with MeasuredGateway(folder, fabric) as gateway:
            drive(fabric, "--depth", depth, "--seconds", 0.5, "--warm-up", 0)
            before = gateway.device_statistics()
            said = drive(fabric, "--depth", depth, "--seconds", wanted.seconds, "--warm-up", 0)
            did = gateway.device_statistics() - before
            gateway.must_end_well()
        us = said["read"]["latency_us"]
        rings = did["send_doorbell_updates"]
        print(f"{depth:5} {said['read']['iops']:9.0f} {us['avg']:7.1f} {us['p50']:7.1f} {us['p99']:7.1f} {us['p99.9']:7.1f} {us['p99.99']:8.1f}"
              f"   {rings / did['completions']:.3f}  {rings / did['requests']:.3f}")


def counted(run: places.Run, build: Path, depth: int, commands: int) -> Counter:
    """Instructions of causewayd by (object, function), in a life that serves so many commands."""
    folder = run.folder / f"counted-{depth}-{commands}"
    folder.mkdir()
    profile = folder / "callgrind.out"
    fabric = Fabric(run.folder, build)
    with MeasuredGateway(folder, fabric, profile) as gateway:
        drive(fabric, "--depth", depth, "--count", commands, "--keep-alive-tmo", 0)
        gateway.end()
    return callgrind.counted(profile)


def instructions(run: places.Run, build: Path, wanted, progress: Progress) -> None:
    few, many = wanted.commands // 4, wanted.commands
    for depth in wanted.depths:
        with progress.step(f"instructions at depth {depth}"):
            less = counted(run, build, depth, few)
            more = counted(run, build, depth, many)
        print(f"\ninstructions of causewayd per 4 KiB read, depth {depth}:")
        callgrind.report(callgrind.per_command(few, less, many, more), PARTS, NAMES, wanted.functions)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--build", type=Path, default=places.BUILD)
    parser.add_argument("--depths", type=int, nargs="+", default=[1, 32, 128])
    parser.add_argument("--seconds", type=float, default=5, help="of each measurement")
    parser.add_argument("--commands", type=int, default=20000, help="of the longer one of two runs under callgrind")
    parser.add_argument("--functions", type=int, default=0, metavar="N", help="list the N costliest of Causeway's own")
    parser.add_argument("--only", choices=["time", "instructions"])
    wanted = parser.parse_args()
    build = wanted.build.resolve()
    for needed in ("gateway/causewayd", COMMAND, LIBRARIES):
        if not (build / needed).exists():
            print(f"rdma_null.py: {build / needed} is not built", file=sys.stderr)
            return 1
    if not {GATEWAY_CPU, HOST_CPU} <= os.sched_getaffinity(0):
        print(f"rdma_null.py: it needs CPUs {GATEWAY_CPU} and {HOST_CPU}", file=sys.stderr)
        return 1
    processes.turn_signals_into_interrupts()
    with places.Run("rdma-null") as run:
        if wanted.only != "instructions":
            timed(run, build, wanted)
        if wanted.only != "time":
            instructions(run, build, wanted, Progress(sys.stderr))
    return 0


if __name__ == "__main__":
    sys.exit(main())
