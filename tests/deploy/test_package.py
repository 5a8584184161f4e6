# SPDX-License-Identifier: Apache-2.0
"""The Debian package: what is in it, what it needs, and that what it installs starts."""

import os
import re
import socket
import subprocess
from pathlib import Path

import pytest
from lab import places

INSTALLED = {
    "usr/sbin/causewayd", "usr/sbin/causeway-bind", "usr/bin/causeway", "usr/lib/systemd/system/causewayd.service",
    "etc/default/causeway", "usr/share/causeway/monitoring/alerts.yml", "usr/share/causeway/monitoring/dashboard.json",
    "usr/share/man/man1/causeway.1", "usr/share/man/man7/causeway-rpc.7", "usr/share/man/man8/causewayd.8",
    "usr/share/bash-completion/completions/causeway", "usr/share/doc/causeway/README.md",
    "usr/share/doc/causeway/CHANGELOG.md", "usr/share/doc/causeway/conformance.md", "usr/share/doc/causeway/copyright"}


def run(*words: object, **more) -> str:
    return subprocess.run([str(w) for w in words], check=True, capture_output=True, text=True, timeout=300, **more).stdout


@pytest.fixture(scope="module")
def package(tmp_path_factory) -> Path:
    for name in ("gateway/causewayd", "tools/causeway"):
        if not places.binary(name).exists():
            pytest.skip(f"{places.binary(name)} is not built")
    folder = tmp_path_factory.mktemp("package")
    run("cpack", "-G", "DEB", "-B", folder, cwd=places.BUILD)
    return next(folder.glob("causeway_*.deb"))


@pytest.fixture(scope="module")
def root(package, tmp_path_factory) -> Path:
    """What the package installs, in a folder."""
    folder = tmp_path_factory.mktemp("root")
    run("dpkg-deb", "-x", package, folder)
    return folder


def test_it_installs_what_is_expected_and_nothing_else(root):
    assert {str(p.relative_to(root)) for p in root.rglob("*") if p.is_file()} == INSTALLED


def test_it_names_the_libraries_that_its_programs_need(package):
    needs = run("dpkg-deb", "-f", package, "Depends")
    for library in ("librbd1", "librados2", "libibverbs1", "librdmacm1", "librte-eal", "libssl3", "python3"):
        assert library in needs


def test_its_configuration_survives_an_upgrade(package):
    assert run("dpkg-deb", "-I", package, "conffiles") == "/etc/default/causeway\n"


def test_its_scripts_are_shell(package, tmp_path):
    run("dpkg-deb", "-e", package, tmp_path)
    for script in ("postinst", "prerm", "postrm"):
        run("sh", "-n", tmp_path / script)


def test_the_services_command_line_starts_a_gateway_that_is_ready_and_ends(root, tmp_path):
    unit = (root / "usr/lib/systemd/system/causewayd.service").read_text()
    line = re.search(r"^ExecStart=(.*)$", unit, re.M)[1]
    words = line.replace("/run/causeway", str(tmp_path)).replace("/var/lib/causeway", str(tmp_path / "state")).split()
    assert words[-1] == "$CAUSEWAY_OPTIONS"
    words = [str(root) + words[0], *words[1:-1], "--no-huge", "-u", "-s", "64"]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify.sock"))
        manager.settimeout(60)
        environment = {**os.environ, "NOTIFY_SOCKET": str(tmp_path / "notify.sock")}
        with subprocess.Popen(words, env=environment) as gateway:
            try:
                assert manager.recv(4096).startswith(b"READY=1")
                run(root / "usr/bin/causeway", "rpc", "-s", tmp_path / "rpc.sock", "nvmf_create_subsystem",
                    "nqn=nqn.2024-01.io.example:a")
                gateway.terminate()
                assert gateway.wait(60) == 0
            finally:
                gateway.kill()
    assert "nqn.2024-01.io.example:a" in (tmp_path / "state/config.json").read_text()
