#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The gateway over TCP with a disk that does nothing: causewayd on one core, `causeway perf` on another, over loopback.

Both poll. What the gateway itself costs is also told in instructions, counted by callgrind on causewayd alone; the kernel's are not among
them, so the system calls per command are told beside them.
"""

import argparse
import json
import os
import sys
from collections import Counter
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS), str(TESTS / "gateway")]

import callgrind    # noqa: E402
from daemon import Daemon    # noqa: E402
from lab import places, processes    # noqa: E402
from lab.progress import Progress    # noqa: E402

NQN = "nqn.2024-01.io.causeway:null"
HOST, TLS_HOST = (f"nqn.2014-08.org.nvmexpress:uuid:66666666-6666-6666-6666-66666666666{n}" for n in (6, 7))
"""Who has a key is let in nowhere without it."""
ADDRESS, PORT, TLS_PORT = "127.0.0.1", "4431", "4433"
KEY = "NVMeTLSkey-1:01:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh+KfiaR:"    # the bytes from 0 to 31
GATEWAY_CPU, HOST_CPU = 0, 1

PARTS = {
    "causewayd": "Causeway's own code",
    callgrind.DATA: "zeroing or copying data, as vector instructions",
    "libc.so": "the C library, to the system call",
    "libisal.so": "CRC-32C",
    "libcrypto.so": "encryption",
    "libssl.so": "TLS",
}
NAMES = {"causewayd": r"causeway::"}

TLS = "TLS"    # in the place of an option: at the other port, with the key

# What perf is told beside the depth, by the name of the case.
CASES = {
    "4 KiB reads": [],
    "4 KiB writes": ["--mix", 0],
    "128 KiB reads": ["--size", "128k"],
    "128 KiB writes": ["--size", "128k", "--mix", 0],
    "4 KiB reads, digests": ["--header-digest", "--data-digest"],
    "4 KiB writes, digests": ["--mix", 0, "--header-digest", "--data-digest"],
    "128 KiB reads, digests": ["--size", "128k", "--header-digest", "--data-digest"],
    "4 KiB reads, TLS": [TLS],
    "4 KiB writes, TLS": [TLS, "--mix", 0],
    "128 KiB reads, TLS": [TLS, "--size", "128k"],
}


class MeasuredGateway(Daemon):
    """With a null disk of 4 GiB; on its CPU alone; under callgrind, if it is to be counted."""

    def __init__(self, folder: Path, profile: Path | None = None):
        polling = ["--busy-poll-us", "1000"] if profile else ["--poll"]
        super().__init__(folder, "-m", hex(1 << GATEWAY_CPU), *polling, environment=callgrind.COUNTABLE if profile else None, mib=512)
        self._profile = profile
        self.key = folder / "key"

    def words(self) -> list[str]:
        counting = callgrind.words(self._profile) if self._profile else []
        return ["taskset", "-c", str(GATEWAY_CPU), *counting, *super().words()]

    def __enter__(self) -> "MeasuredGateway":
        super().__enter__()
        with self.client() as client:
            client.call("framework_wait_init")
            client.call("nvmf_create_transport", {"trtype": "TCP", "max_queue_depth": 256})
            client.call("bdev_null_create", {"name": "Null0", "block_size": 4096, "num_blocks": 1 << 20})
            client.call("nvmf_create_subsystem", {"nqn": NQN, "serial_number": "NULL"})
            client.call("nvmf_subsystem_add_ns", {"nqn": NQN, "namespace": {"bdev_name": "Null0"}})
            self.key.touch(0o600)
            self.key.write_text(KEY + "\n")
            client.call("keyring_file_add_key", {"name": "key", "path": str(self.key)})
            client.call("nvmf_subsystem_add_host", {"nqn": NQN, "host": HOST})
            client.call("nvmf_subsystem_add_host", {"nqn": NQN, "host": TLS_HOST, "psk": "key"})
            for port, secure in ((PORT, False), (TLS_PORT, True)):
                client.call("nvmf_subsystem_add_listener", {"nqn": NQN, "secure_channel": secure, "listen_address": {
                    "trtype": "TCP", "adrfam": "IPv4", "traddr": ADDRESS, "trsvcid": port}})
        return self

    def counters(self) -> Counter:
        found: Counter = Counter()
        with self.client() as client:
            for group in client.call("nvmf_get_stats")["poll_groups"]:
                for transport in group["transports"]:
                    for device in transport.get("devices", []):
                        found.update({key: n for key, n in device.items() if isinstance(n, int)})
        return found


def drive(gateway: MeasuredGateway, *words) -> dict:
    where = ["-s", TLS_PORT, "-q", TLS_HOST, "--psk", gateway.key] if TLS in words else ["-s", PORT, "-q", HOST]
    command = [places.binary("tools/causeway"), "perf", "-t", "tcp", "-a", ADDRESS, *where, "-n", NQN,
               "--cores", HOST_CPU, "--json", *(word for word in words if word != TLS)]
    return json.loads(processes.run(command, timeout=600).stdout)


def side_of(said: dict) -> dict:
    return said["read"] if said["read"]["commands"] else said["write"]


def timed(run: places.Run, wanted) -> None:
    print(f"{wanted.seconds:g} s each, median IOPS of {wanted.rounds}; latencies in us\n")
    print(f"{'':24} {'depth':>5} {'IOPS':>9} {'MiB/s':>7} {'mean':>7} {'p50':>7} {'p99':>7} {'p99.9':>7} {'p99.99':>8}"
          "   system calls of the gateway per command: receiving, sending")
    for name in wanted.cases:
        for depth in wanted.depths:
            folder = run.folder / f"timed-{name}-{depth}".replace(" ", "-").replace(",", "")
            folder.mkdir()
            with MeasuredGateway(folder) as gateway:
                rounds = []
                for _ in range(wanted.rounds):
                    before = gateway.counters()
                    said = drive(gateway, "--depth", depth, "--seconds", wanted.seconds, "--warm-up", 0.5, *CASES[name])
                    did = gateway.counters()
                    did.subtract(before)
                    rounds.append((side_of(said)["iops"], side_of(said), did))
                gateway.end()
            _, side, did = sorted(rounds, key=lambda r: r[0])[len(rounds) // 2]
            us = side["latency_us"]
            print(f"{name:24} {depth:5} {side['iops']:9.0f} {side['mib_per_second']:7.0f} {us['avg']:7.1f} {us['p50']:7.1f} {us['p99']:7.1f}"
                  f" {us['p99.9']:7.1f} {us['p99.99']:8.1f}   {did['receives'] / did['requests']:.3f}  {did['sends'] / did['requests']:.3f}", flush=True)


def counted(run: places.Run, name: str, depth: int, commands: int) -> Counter:
    """Instructions of causewayd in a life that serves so many commands."""
    folder = run.folder / f"counted-{name}-{depth}-{commands}".replace(" ", "-").replace(",", "")
    folder.mkdir()
    profile = folder / "callgrind.out"
    with MeasuredGateway(folder, profile) as gateway:
        drive(gateway, "--depth", depth, "--count", commands, "--keep-alive-tmo", 0, *CASES[name])
        gateway.end()
    return callgrind.counted(profile)


def instructions(run: places.Run, wanted, progress: Progress) -> None:
    few, many = wanted.commands // 4, wanted.commands
    for name in wanted.cases:
        for depth in wanted.depths:
            with progress.step(f"instructions of {name} at depth {depth}"):
                less, more = (counted(run, name, depth, n) for n in (few, many))
            print(f"\ninstructions of causewayd outside the kernel, {name}, depth {depth}, per command:")
            callgrind.report(callgrind.per_command(few, less, many, more), PARTS, NAMES, wanted.functions)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--cases", nargs="+", choices=CASES, default=["4 KiB reads"], metavar="CASE", help=", ".join(CASES))
    parser.add_argument("--depths", type=int, nargs="+", default=[1, 32, 128])
    parser.add_argument("--seconds", type=float, default=5, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--commands", type=int, default=20000, help="of the longer one of two runs under callgrind")
    parser.add_argument("--functions", type=int, default=0, metavar="N", help="list the N costliest of Causeway's own")
    parser.add_argument("--only", choices=["time", "instructions"])
    wanted = parser.parse_args()
    for needed in ("gateway/causewayd", "tools/causeway"):
        if not places.binary(needed).exists():
            print(f"tcp_null.py: {places.binary(needed)} is not built", file=sys.stderr)
            return 1
    if not {GATEWAY_CPU, HOST_CPU} <= os.sched_getaffinity(0):
        print(f"tcp_null.py: it needs CPUs {GATEWAY_CPU} and {HOST_CPU}", file=sys.stderr)
        return 1
    processes.turn_signals_into_interrupts()
    try:
        with places.Run("tcp-null") as run:
            if wanted.only != "instructions":
                timed(run, wanted)
            if wanted.only != "time":
                instructions(run, wanted, Progress(sys.stderr))
    except processes.CommandFailed as failure:
        print(f"tcp_null.py: {failure}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
