# SPDX-License-Identifier: Apache-2.0
"""The Debian package in a fresh Debian 12: dpkg installs it, its service's lines work there, and purge leaves nothing.

There is no systemd in that root: the test does what it would do, with the lines of the service file.
"""

import re
import shutil
import subprocess
from pathlib import Path

import package_fixture
import pytest
from lab import debian, processes
from package_fixture import SERVICE, line_of, run

NQN = "nqn.2024-01.io.example:installed"
# What dpkg and the programs that it calls keep for themselves.
KEPT = re.compile(r"var/(lib/dpkg|log|cache|lib/apt|lib/pam)(/|$)|etc/ld\.so\.cache$|(dev|proc|sys|tmp)(/|$)")


@pytest.fixture(scope="module")
def package(tmp_path_factory) -> Path:
    return package_fixture.make(tmp_path_factory.mktemp("package"))


@pytest.fixture
def root(package, tmp_path):
    """A Debian 12 with what the package depends on, and nothing of ours."""
    needs = run("dpkg-deb", "-f", package, "Depends").strip().split(", ")
    names = sorted({re.split(r"[ :|(]", need)[0] for need in needs})
    try:
        made = debian.plain_root("bookworm", names)
    except processes.CommandFailed as why:
        pytest.skip(f"no root of Debian 12 can be made here: {why}")
    root = tmp_path / "root"
    run("cp", "-a", made, root)
    shutil.copy(package, root / "tmp/causeway.deb")
    for folder in ("proc", "sys", "dev"):
        run("mount", "--rbind", f"/{folder}", root / folder)
        run("mount", "--make-rslave", root / folder)
    yield root
    for folder in ("proc", "sys", "dev"):
        run("umount", "-R", "-l", root / folder)


def inside(root: Path, *words: str) -> str:
    done = subprocess.run(["chroot", str(root), *words], capture_output=True, text=True, timeout=300,
                          env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive"})
    assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
    return done.stdout


def content(root: Path) -> set[str]:
    found = run("find", root, "-xdev", "-mindepth", "1", "-printf", "%P\\n").splitlines()
    return {name for name in found if not KEPT.match(name)}


def test_it_is_installed_serves_reloads_ends_and_is_purged_without_a_trace(root):
    before = content(root)
    inside(root, "dpkg", "-i", "/tmp/causeway.deb")
    assert inside(root, "dpkg-query", "-W", "-f=${db:Status-Status}", "causeway") == "installed"
    assert "not found" not in inside(root, "ldd", "/usr/sbin/causewayd", "/usr/bin/causeway")

    unit = (root / SERVICE).read_text()
    for folder, mode in ((f"run/{line_of(unit, 'RuntimeDirectory')}", line_of(unit, "RuntimeDirectoryMode")),
                         (f"var/lib/{line_of(unit, 'StateDirectory')}", line_of(unit, "StateDirectoryMode"))):
        (root / folder).mkdir(parents=True)
        (root / folder).chmod(int(mode, 8))
    options = line_of((root / "etc/default/causeway").read_text(), "CAUSEWAY_OPTIONS").strip('"')
    start = line_of(unit, "ExecStart").replace("$CAUSEWAY_OPTIONS", options).split()
    rpc = ("causeway", "rpc", "-s", "/run/causeway/rpc.sock")
    # No huge pages and no SSDs here.
    words = ["chroot", str(root), *start, "--no-huge", "-u", "-s", "64"]
    # DPDK keeps its files in the former; in /run itself the service may not write.
    environment = {"RUNTIME_DIRECTORY": "/run/causeway", "STATE_DIRECTORY": "/var/lib/causeway", "NOTIFY_SOCKET": "/run/notify.sock"}
    with package_fixture.started(words, root / "run/notify.sock", environment):
        inside(root, *rpc, "nvmf_create_subsystem", f"nqn={NQN}")
        # Something that fails at the next start, and is there when it is reloaded.
        inside(root, "sh", "-c", "umask 077; nvme_key=NVMeTLSkey-1:01:VRLbtnN9AQb2WXW3c9+wEf/DRLz0QuLdbYvEhwtdWwNf9LrZ:; "
                                 "mkdir -p /etc/causeway; printf %s $nvme_key > /etc/causeway/a.key")
        inside(root, *rpc, "keyring_file_add_key", "name=a", "path=/etc/causeway/a.key")
    (root / "etc/causeway/a.key").rename(root / "etc/causeway/hidden")
    (root / "run/notify.sock").unlink()
    with package_fixture.started(words, root / "run/notify.sock", environment):
        assert NQN in inside(root, *rpc, "nvmf_get_subsystems"), "its state is kept"
        assert "a.key" in inside(root, *rpc, "framework_get_failed_config")
        (root / "etc/causeway/hidden").rename(root / "etc/causeway/a.key")
        inside(root, *line_of(unit, "ExecReload").split())
        inside(root, *rpc, "framework_wait_init")
        assert "a.key" not in inside(root, *rpc, "framework_get_failed_config")
    shutil.rmtree(root / "etc/causeway")    # the operator's
    shutil.rmtree(root / "run/causeway")    # systemd's
    (root / "run/notify.sock").unlink()

    inside(root, "dpkg", "-r", "causeway")
    left = content(root) - before
    assert left >= {"etc/default/causeway", "var/lib/causeway/config.json"}, "removed, it keeps its configuration"
    inside(root, "dpkg", "-P", "causeway")
    assert content(root) - before == set()
    assert before - content(root) == set()
