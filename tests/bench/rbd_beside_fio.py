#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""An RBD image through the gateway, beside fio's own rbd engine on the same image: in one process with its host (loop and bdev_rbd),
or with --tcp through causewayd and `causeway perf`, over loopback.

A real Ceph cluster of one node, in memory, on this machine. The image is written before anything is measured. Both go
without librbd's cache, which the gateway never uses. The two take turns and change places every round. Processor time is that of the whole process with all of librbd's threads:
rbd_bench looks at its own while it counts I/Os; of fio it is what the kernel says at its end, less that of a run which does
next to nothing but connect and open the image; of causewayd it is what the kernel says before and after, and its host is left out.
"""

import argparse
import json
import os
import resource
import statistics
import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS), str(TESTS / "gateway")]

from daemon import Daemon
from lab import places, processes
from lab.ceph import Cluster
from lab.progress import Progress

NAMES = ("fio", "causeway")
IMAGE = "image"
WORKLOADS = {"randread": 0, "randwrite": 100}
RAMP = 1


def main() -> int:
    wanted = arguments()
    processes.turn_signals_into_interrupts()
    progress = Progress(sys.stderr)
    run = places.Run("rbd-beside-fio")
    try:
        with progress.step("a Ceph cluster"):
            cluster = Cluster(run.folder / "ceph", logs=run.logs).start()
        try:
            with open(cluster.conf, "a") as conf:
                conf.write("[client]\nrbd_cache = false\n")
            cluster.create_image(IMAGE, wanted.size)
            run_fio(cluster, "write", 8, ["--bs=1m"])
            figures = {(name, rw): [] for name in NAMES for rw in WORKLOADS}
            for turn in range(wanted.rounds):
                with progress.step(f"round {turn + 1} of {wanted.rounds}"):
                    for rw in WORKLOADS:
                        for name in NAMES[::-1 if turn % 2 else 1]:
                            progress.detail = f"{name} {rw}"
                            figures[name, rw].append(measure(cluster, name, rw, wanted, run))
            report(figures, wanted)
        finally:
            cluster.stop()
    except processes.CommandFailed as failure:
        print(f"rbd_beside_fio.py: {failure}", file=sys.stderr)
        return 1
    finally:
        run.close()
    return 0


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4, help="of each measurement")
    parser.add_argument("--depth", type=int, default=32)
    parser.add_argument("--size", default="512M", help="of each image")
    parser.add_argument("--tcp", action="store_true", help="through causewayd, over TCP")
    parser.add_argument("--lcores", help="of the gateway; 0@0, with --tcp all CPUs")
    parser.add_argument("--busy-poll-us", type=int, help="how long a core of the gateway polls before it sleeps; its default")
    parser.add_argument("--core-mask", help="of the gateway, for Ceph's threads; its default: all CPUs but the reactors'")
    parser.add_argument("--preload", default="", help="a library to load into fio, such as the allocator that the gateway uses")
    wanted = parser.parse_args()
    cpus = sorted(os.sched_getaffinity(0))
    wanted.lcores = wanted.lcores or (",".join(f"{n}@{cpu}" for n, cpu in enumerate(cpus)) if wanted.tcp else "0@0")
    return wanted


def measure(cluster, name, rw, wanted, run):
    """(IOPS, microseconds of CPU per I/O)"""
    if name == "fio":
        timed = ["--bs=4k", "--time_based", f"--runtime={(RAMP + wanted.seconds) * 1000:.0f}ms"]
        job, cpu = run_fio(cluster, rw, wanted.depth, timed, wanted.preload)
        _, cpu_to_open = run_fio(cluster, rw, 1, ["--bs=4k", "--number_ios=1"], wanted.preload)
        side = job["write" if rw == "randwrite" else "read"]
        return side["iops"], (cpu - cpu_to_open) / side["total_ios"] * 1e6
    if wanted.tcp:
        return over_tcp(cluster, rw, wanted, run)
    command = [places.binary("tests/bench/rbd_bench"), "--conf", cluster.conf, "--image", IMAGE, "--depth", wanted.depth,
               "--write-percent", WORKLOADS[rw], "--ramp", RAMP, "--seconds", wanted.seconds, "--lcores", wanted.lcores]
    for option in ("busy_poll_us", "core_mask"):
        if getattr(wanted, option) is not None:
            command += ["--" + option.replace("_", "-"), getattr(wanted, option)]
    said = json.loads(processes.run(command, timeout=wanted.seconds + 60).stdout)
    if said["failed"]:
        raise processes.CommandFailed(f"{said['failed']} commands failed")
    return said["iops"], said["cpu_us"]


def over_tcp(cluster, rw, wanted, run):
    nqn, port = "nqn.2024-01.io.causeway:rbd", "4432"
    options = [word for option in ("busy_poll_us", "core_mask") if getattr(wanted, option) is not None
               for word in (f"--{option.replace('_', '-')}", str(getattr(wanted, option)))]
    folder = run.folder / "gateway"
    folder.mkdir(exist_ok=True)
    with Daemon(folder, "--lcores", wanted.lcores, *options, mib=512) as gateway:
        with gateway.client() as client:
            client.call("framework_wait_init")
            client.call("bdev_rbd_register_cluster", {"name": "ceph", "user_id": "admin", "config_file": str(cluster.conf)})
            client.call("bdev_rbd_create", {"name": IMAGE, "pool_name": "rbd", "rbd_name": IMAGE, "block_size": 4096, "cluster_name": "ceph"})
            client.call("nvmf_create_transport", {"trtype": "TCP"})
            client.call("nvmf_create_subsystem", {"nqn": nqn, "serial_number": "RBD", "allow_any_host": True})
            client.call("nvmf_subsystem_add_ns", {"nqn": nqn, "namespace": {"bdev_name": IMAGE}})
            client.call("nvmf_subsystem_add_listener", {"nqn": nqn, "listen_address": {
                "trtype": "TCP", "adrfam": "IPv4", "traddr": "127.0.0.1", "trsvcid": port}})
        before = cpu_seconds(gateway.process.pid)
        command = [places.binary("tools/causeway"), "perf", "-t", "tcp", "-a", "127.0.0.1", "-s", port, "-n", nqn, "--events", "--json",
                   "--depth", wanted.depth, "--mix", 100 - WORKLOADS[rw], "--warm-up", RAMP, "--seconds", wanted.seconds]
        said = json.loads(processes.run(command, timeout=wanted.seconds + 60).stdout)
        side = said["write" if rw == "randwrite" else "read"]
        # The warm-up costs as much per second as what is counted.
        ios = side["iops"] * (said["seconds"] + RAMP)
        cpu = (cpu_seconds(gateway.process.pid) - before) / ios * 1e6
        gateway.end()
    return side["iops"], cpu


def cpu_seconds(pid):
    """Of all its threads, so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def run_fio(cluster, rw, depth, more, preload=""):
    """What fio says of its job, and the seconds of CPU that the process has used."""
    preload = [f"LD_PRELOAD={preload}"] if preload else []
    command = ["env", f"CEPH_CONF={cluster.conf}", *preload, "fio", "--name=measure", "--ioengine=rbd", "--pool=rbd", f"--rbdname={IMAGE}", "--clientname=admin", f"--rw={rw}",
               f"--iodepth={depth}", "--thread", "--norandommap", "--output-format=json", *more]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = processes.run(command, timeout=600)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return json.loads(done.stdout[done.stdout.index("{"):])["jobs"][0], cpu


def report(figures, wanted):
    print(f"4 KiB at depth {wanted.depth}, {wanted.rounds} rounds of {wanted.seconds:g} s, medians; \"of fio\" is the median of the rounds' ratios\n")
    print(f"{'':10}  {'IOPS: fio':>10} {'causeway':>9} {'of fio':>7}   {'CPU per I/O: fio':>17} {'causeway':>9} {'of fio':>7}")
    for rw in WORKLOADS:
        pairs = list(zip(figures["fio", rw], figures["causeway", rw]))
        fio_iops, fio_cpu, our_iops, our_cpu = (
            statistics.median(column) for column in zip(*((*fio, *ours) for fio, ours in pairs)))
        # Of each round by itself: what disturbs the machine for longer than a round disturbs both.
        iops = statistics.median(ours[0] / fio[0] for fio, ours in pairs)
        cpu = statistics.median(ours[1] / fio[1] for fio, ours in pairs)
        print(f"{rw:10}  {fio_iops:10.0f} {our_iops:9.0f} {iops:7.0%}   {fio_cpu:14.1f} us {our_cpu:6.1f} us {cpu:7.0%}")
    print("\nround by round, IOPS / us of CPU per I/O:")
    for (name, rw), all_of_them in figures.items():
        print(f"{rw:10} {name:9}" + "".join(f"  {iops:6.0f}/{cpu:5.1f}" for iops, cpu in all_of_them))


if __name__ == "__main__":
    sys.exit(main())
