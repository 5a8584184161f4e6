# SPDX-License-Identifier: Apache-2.0
"""TLS natively, in each build: the `causeway` command as a host, with verified load."""

import os
import subprocess

import pytest
from gateway_nqn import NQN

from lab import places, sanitizers

HOST = "nqn.2024-01.io.example:tls-host"
KEYS = {"sha256": "NVMeTLSkey-1:01:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh+KfiaR:",
        "sha384": "NVMeTLSkey-1:02:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vcSEgBQ==:"}
NO_CONNECTION = 3


@pytest.fixture
def secured(gateway, tmp_path):
    """Key files by name, and a port at which hosts need a key."""
    return gateway.add_keys(tmp_path, KEYS), gateway.listen("127.0.0.1", secure_channel=True)


def perf(preset: str, port: int, *options, hostnqn: str = HOST):
    return subprocess.run([places.BUILD.parent / preset / "tools/causeway", "perf", "-a", "127.0.0.1", "-s", str(port), "-n", NQN,
                           "-q", hostnqn, "--namespaces", "1", "--seconds", "2", "--warm-up", "0", *map(str, options)],
                          capture_output=True, text=True, timeout=120, env={**sanitizers.SETTINGS, **os.environ})


@pytest.mark.parametrize("key", KEYS)
def test_written_data_reads_back(gateway, preset, secured, key):
    files, port = secured
    gateway.call("nvmf_subsystem_add_host", nqn=NQN, host=HOST, psk=key)
    for size in ("512", "16k", "128k"):
        done = perf(preset, port, "--psk", files[key], "--verify", "--mix", 50, "--size", size, "--depth", 32)
        assert done.returncode == 0, done.stdout + done.stderr


def test_a_host_without_the_right_key_is_refused(gateway, preset, secured):
    files, port = secured
    gateway.call("nvmf_subsystem_add_host", nqn=NQN, host=HOST, psk="sha256")
    for hostnqn, options in ((HOST, ()), (HOST, ("--psk", files["sha384"])),
                             (HOST + "-other", ("--psk", files["sha256"]))):
        assert perf(preset, port, *options, hostnqn=hostnqn).returncode == NO_CONNECTION
    assert perf(preset, port, "--psk", files["sha256"]).returncode == 0
    assert perf(preset, gateway.address[1], "--psk", files["sha256"]).returncode == NO_CONNECTION, "the listener does not offer TLS"
