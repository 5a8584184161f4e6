# SPDX-License-Identifier: Apache-2.0
"""What tests of the Debian package share: the package, its service's lines, a gateway that a service manager starts."""

import contextlib
import os
import re
import socket
import subprocess
from pathlib import Path

import pytest
from lab import places, processes

SERVICE = "usr/lib/systemd/system/causewayd.service"
READY_WITHIN = 60
ENDS_WITHIN = 60


def run(*words: object, **more) -> str:
    return subprocess.run([str(w) for w in words], check=True, capture_output=True, text=True, timeout=300, **more).stdout


def make(folder: Path) -> Path:
    """The package, made of the build as it is."""
    for name in ("gateway/causewayd", "tools/causeway"):
        if not places.binary(name).exists():
            pytest.skip(f"{places.binary(name)} is not built")
    run("cpack", "-G", "DEB", "-B", folder, cwd=places.BUILD)
    return next(folder.glob("causeway_*.deb"))


def line_of(unit: str, name: str) -> str:
    """The value of a line of the service, such as ExecStart."""
    return re.search(rf"^{name}=(.*)$", unit, re.M)[1]


@contextlib.contextmanager
def started(words: list[str], notify: Path, environment: dict[str, str] | None = None):
    """The service's process, once it has said that it is ready. `notify`: the manager's socket. `environment` is added
    to ours."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(notify))
        manager.settimeout(READY_WITHIN)
        with subprocess.Popen(processes.prefix() + words, env={**os.environ, "NOTIFY_SOCKET": str(notify), **(environment or {})}) as gateway:
            try:
                assert manager.recv(4096).startswith(b"READY=1")
                yield gateway
                gateway.terminate()
                assert gateway.wait(ENDS_WITHIN) == 0
            finally:
                gateway.kill()
