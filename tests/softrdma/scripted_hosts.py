# SPDX-License-Identifier: Apache-2.0
"""Hosts over RDMA that send what a test says and nothing else, by `scripted_host`: see its source for the steps."""

from fabric import Fabric
from programs import SCRIPTED_HOST, Program

KATO = 120_000
"""Milliseconds: hosts that are not told otherwise need no Keep Alive for as long as a test runs."""

CLOSED = "closed"

STATUS = 0x7ff
"""The status code type and the status code in a status field."""

DNR = 0x4000


class StepFailed(Exception):
    """A step could not be done; the text says why."""


class ScriptedHosts(Program):
    """A process with any number of hosts, each known by a name. To be used in `with`."""

    def __init__(self, fabric: Fabric, name: str, port: int = 4420):
        super().__init__(fabric, name, SCRIPTED_HOST, "-s", port, talks=True)

    def connect(self, host: str, nqn: str, depth: int = 32, kato: int = KATO) -> None:
        """An admin queue and one I/O queue, on which no Keep Alive is sent."""
        self._run("connect", host, nqn, depth, kato)

    def read(self, host: str, count: int) -> None:
        self._run("read", host, count)

    def write(self, host: str, count: int, stride: int) -> None:
        self._run("write", host, count, stride)

    def deallocate(self, host: str, count: int, blocks: int) -> None:
        self._run("deallocate", host, count, blocks)

    def write_block(self, host: str, nsid: int, lba: int, fill: int) -> None:
        self._run("write-block", host, nsid, lba, fill)

    def read_block(self, host: str, nsid: int, lba: int) -> bytes:
        return bytes.fromhex(self._run("read-block", host, nsid, lba)[0])

    def answers(self, host: str, count: int) -> list[int | str]:
        """The status fields of the next responses; CLOSED instead, as the last one, if the connection has ended."""
        return [CLOSED if word == CLOSED else int(word) for word in self._run("answers", host, count)]

    def keep_alive(self, host: str) -> float:
        """Seconds until the response came."""
        return int(self._run("keep-alive", host)[0]) / 1e6

    def leave(self, host: str) -> None:
        self._run("leave", host)

    def never_connect(self, host: str, count: int) -> None:
        """Connects queue pairs and sends no Connect on them."""
        self._run("never-connect", host, count)

    def _run(self, *words) -> list[str]:
        """Runs one step. Returns the words that follow "ok"."""
        print(*words, file=self.process.stdin, flush=True)
        answer = self.process.stdout.readline()
        if not answer.startswith("ok"):
            raise StepFailed(f"{self.name}: {words}: {answer or self.errors()}")
        return answer.split()[1:]
