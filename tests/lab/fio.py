# SPDX-License-Identifier: Apache-2.0
"""Loads by fio: verified, or measured."""

import json
from dataclasses import dataclass

from .machine import Machine

COMMON = "--direct=1 --ioengine=libaio --randrepeat=1 --output-format=json"
VERIFY = "--verify=crc32c --do_verify=1 --verify_fatal=1"

SLOWLY = "--rate_iops=200"
"""So that a verified load of 8 MiB writes for ten seconds."""


@dataclass(frozen=True)
class Figures:
    """The results of one direction."""
    iops: float
    mean_us: float
    p99_us: float
    bytes: int

    @classmethod
    def of(cls, side: dict) -> "Figures":
        p99 = side["clat_ns"].get("percentile", {}).get("99.000000", 0)
        return cls(side["iops"], side["lat_ns"]["mean"] / 1e3, p99 / 1e3, side["io_bytes"])


@dataclass(frozen=True)
class Outcome:
    """The sum over all jobs."""
    read: Figures
    write: Figures


def outcome(text: str) -> Outcome:
    """Reads fio's JSON, past the warnings it may print before."""
    job = json.loads(text[text.index("{"):])["jobs"][0]
    return Outcome(Figures.of(job["read"]), Figures.of(job["write"]))


def verified(*devices: str, rw: str = "randwrite", bs: str = "4k", depth: int = 8, size: str = "8m",
             more: str = "") -> str:
    """The command that writes to each device, then reads all of it back.

    Every block carries its crc32c and its own offset; the first wrong one ends the job.
    """
    jobs = " ".join(f"--name=verify{n} --filename={device}" for n, device in enumerate(devices))
    return (f"fio --name=global --rw={rw} --bs={bs} --iodepth={depth} --size={size} --group_reporting "
            f"{COMMON} {VERIFY} {more} {jobs}")


def verify(machine: Machine, *devices: str, timeout: float = 120, **how) -> Outcome:
    return outcome(machine.out(verified(*devices, **how), timeout))


def start_verify(machine: Machine, *devices: str, **how):
    """Verified load in the background; `outcome(process.wait().check().out)` when it is done."""
    return machine.start(verified(*devices, **how))


def again_until(file: str, command: str) -> str:
    """Repeats the command until `file` exists; the last run is completed. A failure ends it at once."""
    return f"until [ -e {file} ]; do {command} || exit; done"


def measured(device: str, *, rw: str = "randread", bs: str = "4k", depth: int | str = 32, seconds: float = 5,
             ramp_seconds: float = 1, size: str = "100%", more: str = "") -> str:
    """The command that measures for so many seconds, after some to settle."""
    return (f"fio --name=measure --filename={device} --rw={rw} --bs={bs} --iodepth={depth} --size={size} {COMMON} --norandommap "
            f"--time_based --runtime={seconds * 1000:g}ms --ramp_time={ramp_seconds * 1000:g}ms {more}")


def measure(machine: Machine, device: str, *, seconds: float = 5, **how) -> Outcome:
    return outcome(machine.out(measured(device, seconds=seconds, **how), seconds + 60))
