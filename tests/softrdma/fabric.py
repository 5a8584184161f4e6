# SPDX-License-Identifier: Apache-2.0
"""An RDMA network of a test's own: the libraries of one build, a domain of its own, and its record."""

import itertools
import os
import re
import socket
from pathlib import Path

from lab import places, sanitizers

LIBRARIES = "tests/softrdma/lib"
BUILDS = ("release", "asan", "tsan")

_numbers = itertools.count()


def build_folder(preset: str) -> Path:
    return places.BUILD if preset == "release" else places.CHECKOUT / "build" / preset


class Fabric:
    """Programs that are started with `environment()` see each other and no other programs."""

    def __init__(self, folder: Path, build: Path, devices: int = 1):
        self.folder = folder
        self.build = build
        self.devices = devices
        self.domain = f"test-{os.getpid()}-{next(_numbers)}"

    def environment(self, name: str, **more: str) -> dict[str, str]:
        """The environment of a program called `name`, as its record and its control socket are. `more` becomes SOFTRDMA_MORE."""
        settings = {"DOMAIN": self.domain, "DEVICES": str(self.devices), "RECORD": str(self.record(name)),
                    **{key.upper(): value for key, value in more.items()}}
        return {**os.environ, **sanitizers.SETTINGS, "LD_LIBRARY_PATH": str(self.build / LIBRARIES),
                **{f"SOFTRDMA_{key}": value for key, value in settings.items()}}

    def record(self, name: str) -> Path:
        return self.folder / f"{name}.record"

    def control(self, name: str) -> Path:
        return self.folder / f"{name}.control"

    def violations(self, name: str) -> list[str]:
        """The wrong uses of verbs by a program that has ended. A program that was killed leaves no record."""
        text = self.record(name).read_text() if self.record(name).exists() else ""
        counted = sum(int(n) for n in re.findall(r"^violations (\d+)$", text, re.M))
        listed = re.findall(r"^violation: (.*)$", text, re.M)
        return listed if len(listed) == counted else [*listed, f"{counted} in all"]


def tell(control: Path, *rules: str) -> list[str]:
    """Sends rules to a running program. Returns its answers."""
    answers = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
        connection.settimeout(30)
        connection.connect(str(control))
        for rule in rules:
            connection.send(rule.encode())
            answers.append(connection.recv(1 << 20).decode().rstrip("\n"))
    return answers
