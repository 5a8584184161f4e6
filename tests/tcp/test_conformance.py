# SPDX-License-Identifier: Apache-2.0
"""Every row of tests/conformance over TCP."""

import os
import subprocess

import pytest
from conformance import prepared_target
from gateway_nqn import NQN
from lab import places, sanitizers


def test_every_row_is_answered_as_it_says(gateway, preset, tmp_path):
    program = places.BUILD.parent / preset / "tests/conformance/conformance"
    if not program.exists():
        pytest.skip(f"{program} is not built")
    address, port = gateway.address
    more = prepared_target.prepare(gateway, tmp_path, "TCP", address, port)
    done = subprocess.run([program, "-t", "tcp", "-a", address, "-s", str(port), "-n", NQN, *more], capture_output=True,
                          text=True, timeout=300, env={**sanitizers.SETTINGS, **os.environ})
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith(" rows, 0 not as expected\n")
