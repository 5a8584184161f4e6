# SPDX-License-Identifier: Apache-2.0
"""Runs a command with the system calls that a service's SystemCallFilter allows; any other one kills it.

    system_calls.py UNIT COMMAND...

systemd answers other calls with an error; a test wants to see that there are none but those of REFUSED.
"""

import ctypes
import errno
import os
import re
import subprocess
import sys
from pathlib import Path

KILL_PROCESS, ALLOW, NOT_PERMITTED = 0x8000_0000, 0x7fff_0000, 0x0005_0000 | errno.EPERM
REFUSED = {"iopl"}
"""What is tried and may fail: DPDK asks for ports of legacy virtio devices."""
UNKNOWN = -1


def group(name: str) -> set[str]:
    """The calls of a group, and of those that it names."""
    said = subprocess.run(["systemd-analyze", "syscall-filter", name], capture_output=True, text=True, check=True).stdout
    found = set()
    for word in re.findall(r"^    ([@\w-]+)$", said, re.M):
        found |= group(word) if word.startswith("@") else {word}
    return found


def allowed(unit: str) -> set[str]:
    calls: set[str] = set()
    for line in re.findall(r"^SystemCallFilter=(.*)$", unit, re.M):
        of_line = set().union(*(group(word.lstrip("~")) for word in line.split()))
        calls = calls - of_line if line.startswith("~") else calls | of_line
    return calls


def restrict(calls: set[str]) -> None:
    seccomp = ctypes.CDLL("libseccomp.so.2")
    seccomp.seccomp_init.restype = ctypes.c_void_p
    context = ctypes.c_void_p(seccomp.seccomp_init(ctypes.c_uint32(KILL_PROCESS)))
    actions = dict.fromkeys(REFUSED, NOT_PERMITTED) | dict.fromkeys(calls, ALLOW)
    for name, action in actions.items():
        number = seccomp.seccomp_syscall_resolve_name(name.encode())
        if number > UNKNOWN:
            assert seccomp.seccomp_rule_add(context, ctypes.c_uint32(action), number, 0) == 0, name
    assert seccomp.seccomp_load(context) == 0


if __name__ == "__main__":
    restrict(allowed(Path(sys.argv[1]).read_text()))
    os.execv(sys.argv[2], sys.argv[2:])
