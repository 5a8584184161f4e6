# SPDX-License-Identifier: Apache-2.0
"""Hosts that send commands and need not take the answers: over either fabric by the same calls."""

import subprocess
import time

from fabric import Fabric as SoftRdma
from lab import processes
from lab.fabric import RDMA, Fabric
from raw_host import KEEP_ALIVE, RESPONSE, Host, command, deallocate, in_capsule, one_range, read, write

BLOCK = 4096
DEPTH = 128    # entries of an I/O queue; one of them stays free

BY_HAND = "tests/rdma_host/rdma_by_hand"


class TcpHosts:
    """By `raw_host`."""

    def __init__(self, port: int):
        self._port = port
        self._hosts: dict[str, Host] = {}

    def __enter__(self) -> "TcpHosts":
        return self

    def __exit__(self, *_) -> None:
        for name in list(self._hosts):
            self.leave(name)

    def connect(self, name: str, nqn: str) -> None:
        self._hosts[name] = Host(("127.0.0.1", self._port), nqn, entries=DEPTH, host=f"nqn.2024-01.io.causeway:{name}")

    def read(self, name: str, count: int) -> None:
        for cid in range(count):
            self._hosts[name].io.send(read(cid, 1, 0, 1, BLOCK))

    def write(self, name: str, count: int, stride: int) -> None:
        for cid in range(count):
            self._hosts[name].io.send(write(cid, 1, cid * stride, 1, in_capsule(BLOCK)), bytes(BLOCK))

    def deallocate(self, name: str, count: int, blocks: int) -> None:
        for cid in range(count):
            self._hosts[name].io.send(deallocate(cid, 1), one_range(0, blocks))

    def answers(self, name: str, count: int) -> list[int]:
        """The status type and code of the next responses."""
        statuses = []
        while len(statuses) < count:
            pdu = self._hosts[name].io.receive()
            if pdu.kind == RESPONSE:
                statuses.append(pdu.status)
        return statuses

    def keep_alive(self, name: str) -> float:
        """Seconds until it was answered."""
        began = time.monotonic()
        assert self._hosts[name].admin.call(command(KEEP_ALIVE, 5)).status == 0
        return time.monotonic() - began

    def leave(self, name: str) -> None:
        self._hosts.pop(name).__exit__()


class RdmaHosts:
    """By `rdma_by_hand`."""

    def __init__(self, port: int, softrdma: SoftRdma, name: str):
        self._command = [*processes.prefix(), str(softrdma.build / BY_HAND), "-s", str(port)]
        self._environment = softrdma.environment(name)

    def __enter__(self) -> "RdmaHosts":
        self._process = subprocess.Popen(self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                         bufsize=1, env=self._environment)
        return self

    def __exit__(self, *_) -> None:
        self._process.kill()
        self._process.communicate()

    def connect(self, name: str, nqn: str) -> None:
        self._told("connect", name, nqn, DEPTH)

    def read(self, name: str, count: int) -> None:
        self._told("read", name, count)

    def write(self, name: str, count: int, stride: int) -> None:
        self._told("write", name, count, stride)

    def deallocate(self, name: str, count: int, blocks: int) -> None:
        self._told("deallocate", name, count, blocks)

    def answers(self, name: str, count: int) -> list[int]:
        return [int(status) for status in self._told("answers", name, count)]

    def keep_alive(self, name: str) -> float:
        return int(self._told("keep-alive", name)[0]) / 1e6

    def leave(self, name: str) -> None:
        self._told("leave", name)

    def never_connect(self, name: str, count: int) -> None:
        """So many queue pairs on which no Connect is sent."""
        self._told("never-connect", name, count)

    def _told(self, *words) -> list[str]:
        """What there is to tell of it."""
        self._process.stdin.write(" ".join(map(str, words)) + "\n")
        said = self._process.stdout.readline()
        assert said.startswith("ok"), f"{words}: {said}"
        return said.split()[1:]


Hosts = TcpHosts | RdmaHosts


def hosts_of(fabric: Fabric, port: int, softrdma: SoftRdma, name: str) -> Hosts:
    return RdmaHosts(port, softrdma, name) if fabric is RDMA else TcpHosts(port)
