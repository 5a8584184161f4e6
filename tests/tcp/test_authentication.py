# SPDX-License-Identifier: Apache-2.0
"""Authentication in band (DH-HMAC-CHAP) natively, in each build: the `causeway` command as a host, with verified load."""

import os
import subprocess

import pytest
from gateway_nqn import NQN

from lab import places, sanitizers

HOST = "nqn.2024-01.io.example:dhchap-host"
KEYS = {"host": "DHHC-1:01:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh+KfiaR:",
        "ctrlr": "DHHC-1:02:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vcSEgBQ==:",
        "other": "DHHC-1:00:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vcSEgBQ==:",
        "tls": "NVMeTLSkey-1:01:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh+KfiaR:"}
NO_CONNECTION = 3


@pytest.fixture
def files(gateway, tmp_path):
    """Key files by name; the gateway has each key under that name."""
    return gateway.add_keys(tmp_path, KEYS)


@pytest.fixture
def perf(gateway, preset, files):
    """Runs a verified load with keys. Its exit status."""
    def run(*options, port: int | None = None, seconds: float = 1) -> int:
        done = subprocess.run([places.BUILD.parent / preset / "tools/causeway", "perf", "-a", "127.0.0.1",
                               "-s", str(port or gateway.address[1]), "-n", NQN, "-q", HOST, "--namespaces", "1", "--verify",
                               "--mix", "50", "--seconds", str(seconds), "--warm-up", "0",
                               *(str(files.get(o, o)) for o in options)],
                              capture_output=True, text=True, timeout=120, env={**sanitizers.SETTINGS, **os.environ})
        print(done.stdout + done.stderr)
        return done.returncode
    return run


def test_written_data_reads_back_with_and_without_tls(gateway, perf):
    gateway.call("nvmf_subsystem_add_host", nqn=NQN, host=HOST, dhchap_key="host", dhchap_ctrlr_key="ctrlr")
    assert perf("--dhchap-key", "host", "--dhchap-ctrl-key", "ctrlr") == 0
    gateway.call("nvmf_subsystem_remove_host", nqn=NQN, host=HOST)
    gateway.call("nvmf_subsystem_add_host", nqn=NQN, host=HOST, psk="tls", dhchap_key="host")
    port = gateway.listen("127.0.0.1", secure_channel=True)
    assert perf("--dhchap-key", "host", "--psk", "tls", port=port) == 0
    assert perf("--psk", "tls", port=port) == NO_CONNECTION, "one proof does not stand for the other"
    assert perf("--dhchap-key", "host") == NO_CONNECTION


def test_a_host_without_the_right_key_is_refused(gateway, perf):
    gateway.call("nvmf_subsystem_add_host", nqn=NQN, host=HOST, dhchap_key="host", dhchap_ctrlr_key="ctrlr")
    assert perf() == NO_CONNECTION
    assert perf("--dhchap-key", "other") == NO_CONNECTION
    assert perf("--dhchap-key", "host", "--dhchap-ctrl-key", "other") == NO_CONNECTION
    gateway.call("nvmf_subsystem_set_keys", nqn=NQN, host=HOST, dhchap_key="other")
    assert perf("--dhchap-key", "host") == NO_CONNECTION
    assert perf("--dhchap-key", "other") == 0
    log = gateway.await_log("failed to authenticate: its Reply does not prove its key",
                            "failed to authenticate: it does not accept the controller's proof")
    assert "DHHC" not in log
    gateway.await_qpairs(0)
