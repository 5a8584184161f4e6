#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What a 4 KiB I/O costs through causewayd and through the kernel's own target, in instructions of the whole guest.

One guest, everything in its initramfs, under -icount: figures repeat, to within half a percent, whatever else this machine does. Both
targets are exported over RDMA on the same soft-RoCE device, each with a device behind it that does nothing, to the
kernel's initiator. They take turns; one that is not measured is not connected.
"""

import argparse
import collections
import json
import re
import shutil
import statistics
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from lab import fio, icount, initramfs, kernel, places, processes
from lab.gateway import DAEMON
from lab.guest import RXE_ADDRESS
from lab.progress import Progress

NQN = "nqn.2024-01.io.causeway:null"
HOST = "d0000000-0000-4000-8000-000000000001"
PORTS = {"nvmet": 4420, "causewayd": 4421}
BLOCK_SIZE = 4096
BLOCKS = 262144
WORKLOADS = ("randread/1", "randread/32", "randwrite/1", "randwrite/32")

# Of null_blk's ways the cheapest: no request queue, and completed where it is submitted.
NULL_BLK = f"queue_mode=0 irqmode=0 bs={BLOCK_SIZE} gb={BLOCK_SIZE * BLOCKS >> 30}"
MODULES = ("dummy", "crc32-pclmul", "crc32_generic", "crc32c-intel", "crct10dif-pclmul",
           "rdma_rxe", "ib_uverbs", "rdma_ucm", "nvmet", "nvmet-rdma", "nvme-rdma")


def main() -> int:
    wanted = parser(__doc__).parse_args()
    processes.turn_signals_into_interrupts()
    progress = Progress(sys.stderr)
    run = places.Run("null-beside-nvmet")
    try:
        the_kernel = kernel.get()
        total = len(wanted.targets) * wanted.rounds * len(wanted.workloads)
        with progress.step(f"{total} measurements of {wanted.seconds:g} virtual seconds") as step:
            def watch(output: str) -> None:
                progress.detail = f"{output.count('@ ')} of {total}"
            output = icount.run(the_kernel, contents(the_kernel, wanted), run.folder, run.logs, watch=watch,
                                words=wanted.words, timeout=wanted.timeout)
            step.note = f"logs in {run.logs}"
        measured = measurements(output)
        print(circumstances(the_kernel, wanted) + "\n\n" + table(measured, wanted))
        if wanted.threads:
            print(who_ran(measured))
        return 0
    except KeyboardInterrupt:
        return 130
    finally:
        run.close()


def parser(description: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--targets", nargs="+", choices=PORTS, default=list(PORTS), help="in the order of their turns")
    parser.add_argument("--workloads", nargs="+", choices=WORKLOADS, default=WORKLOADS, metavar="WORKLOAD",
                        help="of %(choices)s; only these")
    parser.add_argument("--rounds", type=int, default=2, help="turns of each (default: 2)")
    parser.add_argument("--seconds", type=float, default=1, help="virtual seconds of each measurement (default: 1)")
    parser.add_argument("--options", default="", help="more options for causewayd")
    parser.add_argument("--null-blk", default=NULL_BLK, help="parameters of the kernel's null device (default: %(default)s)")
    parser.add_argument("--words", default="", help="more words for the guest's kernel")
    parser.add_argument("--threads", action="store_true", help="also print how long each of the guest's threads ran")
    parser.add_argument("--timeout", type=float, default=1800, help="real seconds for all of it (default: 1800)")
    return parser


def contents(the_kernel: kernel.Kernel, wanted: argparse.Namespace, epilogue: str = "") -> initramfs.Archive:
    """The guest. `epilogue`: what it does when all is measured."""
    archive = icount.archive(the_kernel, {"null_blk": wanted.null_blk, **dict.fromkeys(MODULES, "")})
    for program in ("fio", "nvme", "rdma"):
        archive.program(Path(shutil.which(program)))
    if "causewayd" in wanted.targets:
        archive.program(places.binary(DAEMON))
        archive.file("/etc/causewayd.json", json.dumps(configuration()).encode())
        icount.add_verbs(archive)
    job = Path(__file__).with_suffix(".sh").read_text()
    archive.file("/job", f"{settings(wanted)}\n{job}\n{epilogue}".encode())
    return archive


def settings(wanted: argparse.Namespace) -> str:
    load = fio.measured("$DEVICE", rw="$1", bs=str(BLOCK_SIZE), depth="$2", seconds=wanted.seconds, ramp_seconds=0.1,
                        more="--randseed=42 --thread")
    return "\n".join([
        f"ADDRESS={RXE_ADDRESS}", *(f"PORT_{target}={port}" for target, port in PORTS.items()),
        f"NQN={NQN}", f"HOST='-q nqn.2014-08.org.nvmexpress:uuid:{HOST} -I {HOST}'",
        f"ROUNDS={wanted.rounds}", f"TARGETS='{' '.join(wanted.targets)}'", f"WORKLOADS='{' '.join(wanted.workloads)}'",
        f"CAUSEWAYD='{places.binary(DAEMON)} -m 0x1 -r /run/causewayd.sock --no-huge -c /etc/causewayd.json {wanted.options}'",
        f"load() {{ {load}; }}\n"])


def configuration() -> dict:
    """What causewayd is told, in the form of `save_config`: a null device like the kernel's, and nothing that nvmet has not."""
    nqn = f"{NQN}-causewayd"
    address = {"trtype": "RDMA", "adrfam": "IPv4", "traddr": RXE_ADDRESS, "trsvcid": str(PORTS["causewayd"])}
    calls = {"bdev": [("bdev_null_create", {"name": "Null0", "num_blocks": BLOCKS, "block_size": BLOCK_SIZE})],
             "nvmf": [("nvmf_create_transport", {"trtype": "RDMA"}),
                      ("nvmf_create_subsystem", {"nqn": nqn, "allow_any_host": True, "serial_number": "null"}),
                      ("nvmf_subsystem_add_ns", {"nqn": nqn, "namespace": {"bdev_name": "Null0"}}),
                      ("nvmf_subsystem_add_listener", {"nqn": nqn, "listen_address": address})]}
    return {"subsystems": [{"subsystem": subsystem, "config": [{"method": m, "params": p} for m, p in asked]}
                           for subsystem, asked in calls.items()]}


class Measurement:
    """One report of fio, and how long every thread of the guest ran from before it to after it."""

    def __init__(self, text: str):
        heading, _, rest = text.partition("\n")
        self.target, self.round, self.workload = heading.split()
        outcome = fio.outcome(rest)
        done = outcome.write if "write" in self.workload else outcome.read
        self.iops = done.iops
        self.ios = done.bytes // BLOCK_SIZE
        before = runtimes("before", rest)
        self.ran = {thread: ns - before.get(thread, 0) for thread, ns in runtimes("after", rest).items()}

    @property
    def instructions(self) -> float:
        """Of the whole guest, for one I/O."""
        return 1e9 / self.iops


def measurements(output: str) -> list[Measurement]:
    return [Measurement(text) for text in re.split("^@ ", output, flags=re.MULTILINE)[1:]]


def runtimes(when: str, text: str) -> dict[tuple[str, str], int]:
    """Nanoseconds by thread, from the lines that `threads` prints."""
    return {(name, tid): int(ns) for ns, tid, name in re.findall(rf"^{when} (\d+) (\d+) (.*)$", text, re.MULTILINE)}


def table(measured: list[Measurement], wanted: argparse.Namespace) -> str:
    targets = wanted.targets
    lines = [f"{'':14}" + "".join(f"{target:>12} IOPS  instructions" for target in targets)
             + (f"{targets[1] + '/' + targets[0]:>18} IOPS" if len(targets) > 1 else "")]
    for workload in wanted.workloads:
        by_target = {t: [m for m in measured if (m.target, m.workload) == (t, workload)] for t in targets}
        line = f"{workload:14}" + "".join(f"{cells([m.iops for m in ms]):>17}{cells([m.instructions for m in ms]):>14}"
                                          for ms in by_target.values())
        if len(targets) > 1:
            first, second = (statistics.median(m.iops for m in by_target[t]) for t in targets[:2])
            line += f"{second / first:>23.3f}"
        lines.append(line)
    return "\n".join(lines)


def cells(values: list[float]) -> str:
    """The values of all rounds; once, if they agree."""
    return " ".join(dict.fromkeys(f"{value:.0f}" for value in values))


def who_ran(measured: list[Measurement]) -> str:
    """By thread, nanoseconds for one I/O, which are instructions. A thread is charged for interrupts that it suffers."""
    lines = []
    for m in measured:
        by_name = collections.Counter()
        for (name, _), ns in m.ran.items():
            by_name[name] += ns
        ran = ", ".join(f"{name} {ns / m.ios:.0f}" for name, ns in by_name.most_common(6) if ns / m.ios >= 1)
        lines.append(f"{m.target} {m.round} {m.workload}: {m.ios} I/Os: {ran}")
    return "\n".join(["", *lines])


def circumstances(the_kernel: kernel.Kernel, wanted: argparse.Namespace) -> str:
    emulator = processes.run(["qemu-system-x86_64", "--version"]).stdout.splitlines()[0].replace(" emulator version", "")
    return (f"{emulator}, -icount, one virtual CPU; Linux {the_kernel.release}; soft-RoCE, MTU 4096\n"
            f"{BLOCKS} blocks of {BLOCK_SIZE} bytes; null_blk {wanted.null_blk}; {wanted.seconds:g} virtual s a measurement")


if __name__ == "__main__":
    sys.exit(main())
