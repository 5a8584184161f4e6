# SPDX-License-Identifier: Apache-2.0
"""The Debian package: what is in it, what it needs, and that what it installs starts."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import package_fixture
import pytest
import system_calls
from lab import places
from package_fixture import SERVICE, line_of, run

INSTALLED = {
    "usr/sbin/causewayd", "usr/sbin/causeway-bind", "usr/bin/causeway", "usr/lib/systemd/system/causewayd.service",
    "etc/default/causeway", "usr/share/causeway/monitoring/alerts.yml", "usr/share/causeway/monitoring/dashboard.json",
    "usr/share/man/man1/causeway.1", "usr/share/man/man7/causeway-rpc.7", "usr/share/man/man8/causewayd.8",
    "usr/share/bash-completion/completions/causeway", "usr/share/doc/causeway/README.md",
    "usr/share/doc/causeway/CHANGELOG.md", "usr/share/doc/causeway/SECURITY.md", "usr/share/doc/causeway/conformance.md",
    "usr/share/doc/causeway/events.md", "usr/share/doc/causeway/operations.md", "usr/share/doc/causeway/copyright"}


@pytest.fixture(scope="module")
def package(tmp_path_factory) -> Path:
    return package_fixture.make(tmp_path_factory.mktemp("package"))


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
    line = line_of((root / SERVICE).read_text(), "ExecStart")
    words = line.replace("/run/causeway", str(tmp_path)).replace("/var/lib/causeway", str(tmp_path / "state")).split()
    assert words[-1] == "$CAUSEWAY_OPTIONS"
    words = [str(root) + words[0], *words[1:-1], "--no-huge", "-u", "-s", "64"]
    if shutil.which("systemd-analyze"):    # with the system calls that the service may make, and no others
        words = [sys.executable, str(Path(system_calls.__file__)), str(root / SERVICE), *words]
    with package_fixture.started(words, tmp_path / "notify.sock"):
        run(root / "usr/bin/causeway", "rpc", "-s", tmp_path / "rpc.sock", "nvmf_create_subsystem",
            "nqn=nqn.2024-01.io.example:a")
    assert "nqn.2024-01.io.example:a" in (tmp_path / "state/config.json").read_text()


def test_the_container_runs_what_the_service_runs():
    """It cannot be built here: no registry has its base."""
    text = (places.CHECKOUT / "deploy/Containerfile").read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert {line.split()[0] for line in lines} == {"FROM", "COPY", "RUN", "VOLUME", "STOPSIGNAL", "ENTRYPOINT"}
    unit = (places.CHECKOUT / "deploy/package/causewayd.service").read_text()
    entry = json.loads(next(line for line in lines if line.startswith("ENTRYPOINT")).partition(" ")[2])
    assert entry == line_of(unit, "ExecStart").split()[:-1]
    script = next(line for line in lines if line.startswith("RUN")).partition(" ")[2]
    subprocess.run(["sh", "-n", "-c", script], check=True)
    for folder in re.findall(r"/(?:run|var/lib)/causeway", " ".join(entry)):
        assert folder in script
