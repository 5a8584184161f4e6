# SPDX-License-Identifier: Apache-2.0
"""A real causewayd, run natively without huge pages, and clients of its JSON-RPC socket."""

import json
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

from lab import places, processes, sanitizers

STARTS_WITHIN = 60

STALL = 3.0
"""Seconds. A reactor counts a stall after 2.5."""

ANSWERS_WITHIN = 30
ENDS_WITHIN = 30


class RpcError(Exception):
    def __init__(self, code: int, message: str):
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


class Client:
    """A connection. `call` keeps to JSON-RPC; `send` and `receive` transfer any bytes."""

    def __init__(self, path: Path):
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(ANSWERS_WITHIN)
        self._socket.connect(str(path))
        self._in = b""
        self._last_id = 0

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_) -> None:
        self._socket.close()

    def send(self, text: str | bytes) -> None:
        self._socket.sendall(text.encode() if isinstance(text, str) else text)

    def close_sending_side(self) -> None:
        self._socket.shutdown(socket.SHUT_WR)

    def receive(self):
        """The next response; None if the gateway has closed the connection."""
        while b"\n" not in self._in:
            more = self._socket.recv(65536)
            if not more:
                assert not self._in, f"half an answer: {self._in!r}"
                return None
            self._in += more
        line, self._in = self._in.split(b"\n", 1)
        assert line.isascii()
        return json.loads(line)

    def call_meanwhile(self, method: str):
        """A call while others have not been answered yet."""
        self.send(json.dumps({"id": method, "method": method}))
        answer = self.receive()
        assert answer["id"] == method
        return answer["result"]

    def call(self, method: str, params=None):
        self._last_id += 1
        request = {"jsonrpc": "2.0", "id": self._last_id, "method": method}
        if params is not None:
            request["params"] = params
        self.send(json.dumps(request))
        answer = self.receive()
        assert answer["id"] == self._last_id
        if "error" in answer:
            raise RpcError(**answer["error"])
        return answer["result"]


class Daemon:
    """One causewayd with a folder of its own. `environment` is added to ours."""

    def __init__(self, folder: Path, *options: str, build: Path = places.BUILD,
                 environment: dict[str, str] | None = None, mib: int = 64):
        self.folder = folder
        self.build = build
        self.environment = {**sanitizers.SETTINGS, **os.environ, **(environment or {})}
        self.socket = folder / "rpc.sock"
        self.log = folder / "causewayd.log"
        self._options = options
        self._mib = mib
        self.process: subprocess.Popen | None = None

    def __enter__(self) -> "Daemon":
        with open(self.log, "w") as log:
            self.process = subprocess.Popen(processes.prefix() + self.words(), stdout=log, stderr=log, env=self.environment)
        deadline = time.monotonic() + STARTS_WITHIN
        while not self._listens():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, "it does not listen"
            time.sleep(0.02)
        return self

    def _listens(self) -> bool:
        """Whether the gateway listens: the socket may exist before, or be left by another process."""
        try:
            self.client().__exit__()
        except (FileNotFoundError, ConnectionRefusedError):
            return False
        return True

    def words(self) -> list[str]:
        """The command line that starts the gateway."""
        return command(self.socket, *self._options, build=self.build, mib=self._mib)

    def __exit__(self, *_) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def client(self) -> Client:
        return Client(self.socket)

    def await_log(self, *texts: str, within: float = 60) -> str:
        """Waits until the log has all of these, and returns it: the gateway's log has a thread of its own."""
        deadline = time.monotonic() + within
        while missing := [text for text in texts if text not in self.log.read_text()]:
            assert time.monotonic() < deadline, f"not in the log within {within} s: {missing}"
            time.sleep(0.02)
        return self.log.read_text()

    def call(self, method: str, params=None):
        with self.client() as client:
            return client.call(method, params)

    def end(self, sig=signal.SIGTERM) -> int:
        """Sends a signal and returns the exit status."""
        self.process.send_signal(sig)
        return self.process.wait(ENDS_WITHIN)

    def save(self) -> dict:
        """The configuration, as a client's save_config writes it."""
        with self.client() as client:
            return {"subsystems": [
                {"subsystem": s["subsystem"], "config": client.call("framework_get_config", {"name": s["subsystem"]})}
                for s in client.call("framework_get_subsystems")]}


class stopped:
    """Stops a gateway's process within the block, for long enough that its reactors count a stall."""

    def __init__(self, gateway: Daemon, seconds: float = STALL):
        self.process = gateway.process
        self.seconds = seconds

    def __enter__(self) -> None:
        self.process.send_signal(signal.SIGSTOP)
        self.since = time.monotonic()
        # Until it is, some core may still take what comes.
        while open(f"/proc/{self.process.pid}/stat").read().rsplit(")", 1)[1].split()[0] not in "Tt":
            time.sleep(0.001)

    def __exit__(self, *_) -> None:
        time.sleep(max(0, self.since + self.seconds - time.monotonic()))    # the stall itself
        self.process.send_signal(signal.SIGCONT)


def command(path: Path, *options: str, build: Path = places.BUILD, mib: int = 64) -> list[str]:
    return [str(build / "gateway/causewayd"), "--no-huge", "-s", str(mib), "-u", "-r", str(path), *options]


def run_to_end(*options: str, path: Path) -> subprocess.CompletedProcess:
    """A causewayd that is expected to refuse."""
    return subprocess.run(command(path, *options), capture_output=True, text=True, timeout=STARTS_WITHIN)
