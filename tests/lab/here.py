# SPDX-License-Identifier: Apache-2.0
"""This machine itself: in a guest's place, with its own kernel and its own RDMA device or none; or beside guests, in their
network."""

import json
import os
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from . import processes
from .machine import Machine, Result, Timeout


class Unfit(Exception):
    """This machine does not meet a requirement; the message names it in one line."""


class Here(Machine):
    def __init__(self, share: Path, address: str, *, network=None, outlive: bool = False):
        """`network`: where its commands run, and have `address`."""
        self._network, self._outlive = network, outlive
        share.mkdir(parents=True, exist_ok=True)
        self.share = share
        self.inside = str(share)
        self.address = address

    def start(self, command, *, env=None, cwd="/root", input=""):
        argv = ["/bin/sh", "-c", command] if isinstance(command, str) else [str(word) for word in command]
        shown = command if isinstance(command, str) else " ".join(argv)
        return LocalProcess(processes.prefix(self._network, self._outlive) + argv, shown, env or {}, cwd, input,
                            self._network.descriptors() if self._network else ())


class LocalProcess:
    def __init__(self, argv: list[str], command: str, env: dict, cwd: str, text: str, descriptors: tuple):
        self.command = command
        self._started = time.monotonic()
        self._out, self._err = (tempfile.TemporaryFile("w+", errors="replace") for _ in range(2))
        with tempfile.TemporaryFile("w+") as given:
            given.write(text)
            given.seek(0)
            self._process = subprocess.Popen(argv, stdin=given, stdout=self._out, stderr=self._err, cwd=cwd,
                                             env={**os.environ, **env}, start_new_session=True,
                                             pass_fds=descriptors)
        self.pid = self._process.pid

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    @property
    def rc(self) -> int | None:
        code = self._process.poll()
        return 128 - code if code is not None and code < 0 else code

    def output(self) -> str:
        return _content(self._out)

    def errors(self) -> str:
        return _content(self._err)

    def wait(self, timeout: float = 60) -> Result:
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            processes.end(self._process, grace=0)
            raise Timeout(f"{self.command}: not done after {timeout} s\n{self.output()}{self.errors()}") from None
        return Result(self.command, self.rc, self.output(), self.errors(), time.monotonic() - self._started)

    def kill(self, number: int = signal.SIGKILL) -> None:
        if self.running:
            os.killpg(self.pid, number)


def check() -> str:
    """This machine's RDMA address, if it has all that a host over RDMA takes; if not, `Unfit`."""
    address = rdma_address()
    loaded = processes.run(["modprobe", "nvme-rdma"], check=False).returncode == 0
    if not loaded and not Path("/sys/module/nvme_rdma").exists():
        raise Unfit("this machine's kernel has no nvme-rdma")
    return address


def rdma_address() -> str:
    """The IPv4 address of the first RDMA device that has one and is up."""
    links = json.loads(processes.run(["rdma", "-j", "link", "show"], check=False).stdout or "[]")
    if not links:
        raise Unfit("this machine has no RDMA device (rdma link show)")
    for link in links:
        if link.get("state") == "ACTIVE" and "netdev" in link:
            shown = json.loads(processes.run(["ip", "-j", "-4", "addr", "show", "dev", link["netdev"]]).stdout)
            for address in shown[0].get("addr_info", []) if shown else []:
                return address["local"]
    raise Unfit("none of this machine's RDMA devices is active with an IPv4 address")


def _content(file) -> str:
    position = file.tell()
    file.seek(0)
    text = file.read()
    file.seek(position)
    return text
