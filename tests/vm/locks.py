# SPDX-License-Identifier: Apache-2.0
"""Hosts that take locks from each other as VMFS does, by Compare and Write: fused, over TCP, from a host of tests/tcp.

In each round all of them read a lock, and then send a pair that replaces what they have read; exactly one may win, and
what it wrote is the whole block. Linux lets nobody send fused commands. Runs in a guest.

usage: locks.py ADDRESS PORT NQN ROUNDS BLOCK_SIZE...      (of namespaces 1, 2, ...; block 0 of each is a lock)
"""

import struct
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tcp"))

from raw_host import RESPONSE, Host, command, in_capsule    # noqa: E402

HOSTS = 3
COMPARE, WRITE = 0x05, 0x01
FIRST, SECOND = 0x41, 0x42    # of a fused pair, with an SGL

DONE = [0, 0]
LOST = [0x285, 0x009]    # Compare Failure; Command Aborted due to Failed Fused Command


def half(opcode: int, cid: int, flags: int, nsid: int, size: int) -> bytes:
    return command(opcode, cid, nsid=nsid, sgl=in_capsule(size), cdw10=struct.pack("<QI", 0, 0), flags=flags)


def send_pair(host: Host, nsid: int, expected: bytes, new: bytes) -> None:
    host.io.send(half(COMPARE, 1, FIRST, nsid, len(expected)), expected)
    host.io.send(half(WRITE, 2, SECOND, nsid, len(new)), new)


def statuses(host: Host) -> list[int]:
    """The statuses of both halves, in their order."""
    answers = [host.io.receive() for _ in range(2)]
    assert all(answer.kind == RESPONSE for answer in answers), answers
    return [answer.status for answer in sorted(answers, key=lambda answer: answer.cid)]


def take_lock(hosts: list[Host], turn: int, nsid: int, size: int) -> None:
    held = [host.read(0, 1, size, nsid=nsid) for host in hosts]
    assert len(set(held)) == 1, f"round {turn}: hosts read different locks"
    wanted = [struct.pack("<II", turn, number) * (size // 8) for number in range(HOSTS)]
    for host, new in zip(hosts, wanted):
        send_pair(host, nsid, held[0], new)
    said = [statuses(host) for host in hosts]
    assert sorted(said) == sorted([DONE] + [LOST] * (HOSTS - 1)), f"round {turn}: {said}"
    loser = hosts[said.index(LOST)]
    assert loser.read(0, 1, size, nsid=nsid) == wanted[said.index(DONE)], f"round {turn}: not what the winner wrote"


def main(address: str, port: str, nqn: str, rounds: str, *sizes: str) -> None:
    hosts = [Host((address, int(port)), nqn) for _ in range(HOSTS)]
    for turn in range(1, int(rounds) + 1):
        for nsid, size in enumerate(sizes, 1):
            take_lock(hosts, turn, nsid, int(size))


if __name__ == "__main__":
    main(*sys.argv[1:])
