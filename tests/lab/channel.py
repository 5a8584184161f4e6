# SPDX-License-Identifier: Apache-2.0
"""Commands in a running guest: this end of the virtio-serial port. The other is `inside/agent.py`."""

import itertools
import json
import os
import signal
import socket
import threading
import time
from pathlib import Path

from .machine import Result, Timeout
from .processes import CommandFailed

ANSWERS_WITHIN = 20
"""Seconds in which a live guest answers a ping, however busy."""


class GuestDied(Exception):
    """The guest panicked, hung or ended."""


class Process:
    """A command running in the guest. Its output collects here while it runs."""

    def __init__(self, channel: "Channel", key: str, command: str):
        self._channel = channel
        self._key = key
        self._started = time.monotonic()
        self._seconds = 0.0
        self.command = command
        self.pid: int | None = None
        self.rc: int | None = None
        self._streams: dict[str, list[str]] = {"out": [], "err": []}

    @property
    def running(self) -> bool:
        return self.rc is None

    def output(self) -> str:
        """Standard output so far."""
        return "".join(self._streams["out"])

    def errors(self) -> str:
        """Standard error so far."""
        return "".join(self._streams["err"])

    def wait(self, timeout: float = 60) -> Result:
        """Its result. When time is up the command is killed, and `Timeout` raised: `GuestDied` if the guest hangs."""
        if not self._channel.wait_for(lambda: self.rc is not None, timeout):
            self._channel.ping()
            self.kill()
            self._channel.wait_for(lambda: self.rc is not None, ANSWERS_WITHIN)
            raise Timeout(f"{self.command}: not done after {timeout} s\n{self.output()}{self.errors()}")
        return Result(self.command, self.rc, self.output(), self.errors(), self._seconds)

    def wait_for(self, text: str, timeout: float = 60) -> None:
        """Until it has printed `text`, on either stream."""
        def seen():
            return text in self.output() or text in self.errors() or not self.running
        self._channel.wait_for(seen, timeout)
        if text not in self.output() and text not in self.errors():
            raise CommandFailed(f"{self.command}: did not say {text!r}\n{self.output()}{self.errors()}")

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Signals the command and all it started."""
        if self.running:
            self._channel.send(signal=int(number), id=self._key)

    def _on(self, message: dict) -> None:
        for stream, parts in self._streams.items():
            if stream in message:
                parts.append(message[stream])
        self.pid = message.get("pid", self.pid)
        if "rc" in message:
            self._seconds = time.monotonic() - self._started
            self.rc = message["rc"]


class Channel:
    """One connection to a guest's agent. Any thread may call; one thread of ours reads."""

    def __init__(self, path: Path, obituary):
        """`obituary()` says why the guest is dead, for the exception that ends a wait."""
        self._obituary = obituary
        self._processes: dict[str, Process] = {}
        self._keys = (f"{os.getpid()}.{n}" for n in itertools.count())
        self._changed = threading.Condition()
        self._pongs: set[str] = set()
        self._dead = False
        self.hello: float | None = None
        """The guest's uptime in seconds when its agent started."""
        self._socket = connect(path)
        threading.Thread(target=self._read, daemon=True, name="guest channel").start()

    def start(self, command: str | list[str], *, env: dict | None = None, cwd: str = "/root",
              input: str = "") -> Process:
        argv = ["/bin/sh", "-c", command] if isinstance(command, str) else [str(word) for word in command]
        process = Process(self, next(self._keys), command if isinstance(command, str) else " ".join(argv))
        self._processes[process._key] = process
        self.send(start=process._key, argv=argv, env=env or {}, cwd=cwd, input=input)
        return process

    def ping(self) -> None:
        """Returns if the guest is alive; if not, `GuestDied`."""
        key = next(self._keys)
        self.send(ping=key)
        if not self.wait_for(lambda: key in self._pongs, ANSWERS_WITHIN):
            raise GuestDied(f"the guest hangs: no answer in {ANSWERS_WITHIN} s\n{self._obituary()}")

    def wait_for(self, condition, timeout: float) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: self._dead or condition(), timeout)
            if condition():
                return True
            if self._dead:
                raise GuestDied(f"the guest ended\n{self._obituary()}")
            return False

    def send(self, **message) -> None:
        try:
            self._socket.sendall(json.dumps(message).encode() + b"\n")
        except OSError as broken:
            raise GuestDied(f"the guest ended\n{self._obituary()}") from broken

    def close(self) -> None:
        """Lets go of the guest; what runs in it runs on."""
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _read(self) -> None:
        try:
            with self._socket.makefile("rb") as lines:
                for line in lines:
                    message = json.loads(line)
                    with self._changed:
                        self._on(message)
                        self._changed.notify_all()
        except (OSError, ValueError):
            pass
        with self._changed:
            self._dead = True
            self._changed.notify_all()

    def _on(self, message: dict) -> None:
        if "hello" in message:
            self.hello = message["hello"]
        elif "pong" in message:
            self._pongs.add(message["pong"])
        elif process := self._processes.get(message["id"]):
            process._on(message)
            if not process.running:
                del self._processes[process._key]


def connect(path: Path) -> socket.socket:
    """A unix socket's path has 107 bytes at most; through its folder's descriptor it always fits."""
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(f"/proc/self/fd/{folder}/{path.name}")
        return connection
    finally:
        os.close(folder)
