# SPDX-License-Identifier: Apache-2.0
"""Hosts that send commands and need not receive the responses, over either fabric by the same calls."""

import time

from fabric import Fabric as SoftRdma
from lab.fabric import RDMA, Fabric
from raw_host import KEEP_ALIVE, RESPONSE, Host, command, deallocate, in_capsule, one_range, read, write
from scripted_hosts import CLOSED, STATUS, ScriptedHosts

BLOCK = 4096
DEPTH = 128    # entries of an I/O queue; one of them stays free


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
        """The status code types and codes of the next responses."""
        statuses = []
        while len(statuses) < count:
            pdu = self._hosts[name].io.receive()
            if pdu.kind == RESPONSE:
                statuses.append(pdu.status)
        return statuses

    def keep_alive(self, name: str) -> float:
        """The seconds until Keep Alive was answered."""
        began = time.monotonic()
        assert self._hosts[name].admin.call(command(KEEP_ALIVE, 5)).status == 0
        return time.monotonic() - began

    def leave(self, name: str) -> None:
        self._hosts.pop(name).__exit__()


class RdmaHosts(ScriptedHosts):
    """By `scripted_host`."""

    def connect(self, name: str, nqn: str) -> None:
        super().connect(name, nqn, DEPTH)

    def answers(self, name: str, count: int) -> list[int]:
        """The status code types and codes of the next responses."""
        fields = super().answers(name, count)
        assert CLOSED not in fields, f"the gateway closed {name}'s connection after {fields}"
        return [field & STATUS for field in fields]


Hosts = TcpHosts | RdmaHosts


def hosts_of(fabric: Fabric, port: int, softrdma: SoftRdma, name: str) -> Hosts:
    return RdmaHosts(softrdma, name, port) if fabric is RDMA else TcpHosts(port)
