# SPDX-License-Identifier: Apache-2.0
"""The Debian package in a fresh Debian 12: dpkg installs it, its service works there, and purge leaves nothing.

Once systemd is not running: the test does what that would do, with the lines of the service file. And once it is, as the first process
of namespaces of its own. All mounts in the Debian are in namespaces that end with their processes: nothing of this machine is ever
below a folder that is removed afterwards.
"""

import os
import re
import shutil
import time
from pathlib import Path

import package_fixture
import pytest
from lab import debian, processes
from package_fixture import SERVICE, line_of

NQN = "nqn.2024-01.io.example:installed"
# What dpkg and the programs that it calls keep for themselves.
KEPT = re.compile(r"var/(lib/dpkg|log|cache|lib/apt|lib/pam)(/|$)|etc/ld\.so\.cache$|(dev|proc|sys|tmp)(/|$)")


@pytest.fixture(scope="module")
def package(tmp_path_factory) -> Path:
    return package_fixture.make(tmp_path_factory.mktemp("package"))


@pytest.fixture(scope="module")
def plain(package) -> Path:
    """A Debian 12 with systemd and what the package depends on, and nothing of ours. Tests copy it."""
    if os.geteuid() != 0:
        pytest.skip("a Debian is made and entered by root")
    needs = processes.run(["dpkg-deb", "-f", package, "Depends"]).stdout.strip().split(", ")
    names = sorted({re.split(r"[ :|(]", need)[0] for need in needs} | {"systemd", "systemd-sysv", "dbus"})
    try:
        return debian.plain_root("bookworm", names)
    except processes.CommandFailed as why:
        pytest.skip(f"no root of Debian 12 can be made here: {why}")


@pytest.fixture
def root(package, plain, tmp_path):
    root = tmp_path / "root"
    try:
        processes.run(["cp", "-a", plain, root], timeout=300)
        shutil.copy(package, root / "root/causeway.deb")
        yield root
    finally:    # pytest would keep it for three runs
        processes.run(["rm", "-rf", "--one-file-system", root], timeout=300)


# In a mount namespace of its own. The device nodes are copies.
MOUNT = """set -e
mount --make-rprivate /
mount --bind "$0" "$0"
cd "$0"
mount -t proc proc proc
mount -t sysfs -o ro sysfs sys
mount -t tmpfs tmpfs dev
for device in null zero full random urandom tty; do
    cp -a /dev/$device dev/
done
mkdir dev/shm dev/pts
ln -s /proc/self/fd dev/fd
"""
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"


def in_chroot(root: Path, *words: str) -> list[str]:
    """A command there, in a mount namespace that ends with it. The process id stays the same throughout."""
    return ["unshare", "--mount", "sh", "-c", MOUNT + 'exec chroot . "$@"', str(root), *words]


def inside(root: Path, *words: str) -> str:
    return processes.run(in_chroot(root, "env", "-i", f"PATH={PATH}", "DEBIAN_FRONTEND=noninteractive", *words), timeout=300).stdout


def content(root: Path) -> set[str]:
    found = processes.run(["find", root, "-xdev", "-mindepth", "1", "-printf", "%P\\n"]).stdout.splitlines()
    return {name for name in found if not KEPT.match(name)}


def test_it_is_installed_serves_reloads_ends_and_is_purged_without_a_trace(root):
    before = content(root)
    inside(root, "dpkg", "-i", "/root/causeway.deb")
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
    words = in_chroot(root, *start, "--no-huge", "-u", "-s", "64")
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
    (root / "run/notify.sock").unlink()

    inside(root, "dpkg", "-r", "causeway")
    left = content(root) - before
    assert left >= {"etc/default/causeway", "var/lib/causeway/config.json"}, "removed, it keeps its configuration"
    inside(root, "dpkg", "-P", "causeway")
    assert content(root) - before == set()
    assert before - content(root) == set()


BOOT = MOUNT + """
mount -t tmpfs tmpfs run
mount -t tmpfs tmpfs tmp
mount -t cgroup2 none sys/fs/cgroup
exec chroot . env -i container=test PATH=/usr/sbin:/usr/bin /lib/systemd/systemd --system --log-target=console
"""
BOOTS_WITHIN = 120


class Machine:
    """A root whose systemd runs, in namespaces that end with us."""

    def __init__(self, root: Path):
        self.root = root

    def __enter__(self) -> "Machine":
        self._boot = processes.spawn(["unshare", "-m", "-p", "-u", "-i", "-C", "--kill-child", "--fork", "sh", "-c", BOOT, self.root],
                                     log=self.root.parent / "boot.log")
        deadline = time.monotonic() + BOOTS_WITHIN
        try:
            while not (self.root / "booted").exists():
                assert self._boot.poll() is None and time.monotonic() < deadline, (self.root.parent / "boot.log").read_text()
                time.sleep(0.1)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_) -> None:
        processes.end_namespace(self._boot)

    def run(self, *words: str, check: bool = True) -> str:
        first = processes.first_of_namespace(self._boot)
        return processes.run(["nsenter", "-t", first, "-m", "-p", "-u", "-i", "-C", "-r", "-w", "env", f"PATH={PATH}",
                              "DEBIAN_FRONTEND=noninteractive", *words], check=check).stdout.strip()

    def main_pid(self) -> str:
        return self.run("systemctl", "show", "-p", "MainPID", "--value", "causewayd")

    def rpc(self, *words: str) -> str:
        return self.run("causeway", "rpc", "-s", "/run/causeway/rpc.sock", *words)


@pytest.fixture
def machine(root, tmp_path):
    if processes.run(["unshare", "-m", "-C", "mount", "-t", "cgroup2", "none", tmp_path], check=False).returncode:
        pytest.skip("cgroups cannot be mounted here, and systemd needs them")
    (root / "etc/systemd/system/booted.service").write_text(
        "[Unit]\nAfter=dbus.socket\n[Service]\nType=oneshot\nExecStart=touch /booted\n[Install]\nWantedBy=basic.target\n")
    (root / "etc/systemd/system/basic.target.wants").mkdir(exist_ok=True)
    (root / "etc/systemd/system/basic.target.wants/booted.service").symlink_to("../booted.service")
    with Machine(root) as running:
        yield running


def test_systemd_runs_it_and_the_package_follows_what_it_is_told(machine):
    machine.run("dpkg", "-i", "/root/causeway.deb")
    assert machine.run("systemctl", "is-enabled", "causewayd", check=False) == "disabled"
    machine.run("sh", "-c", """echo 'CAUSEWAY_OPTIONS="--no-huge -u -s 64"' > /etc/default/causeway""")
    machine.run("systemctl", "enable", "--now", "causewayd")    # ends when the service has said that it is ready
    assert machine.run("systemctl", "is-active", "causewayd") == "active"
    assert "1 subsystems" in machine.run("systemctl", "show", "-p", "StatusText", "causewayd")
    machine.rpc("nvmf_create_subsystem", f"nqn={NQN}")
    machine.run("systemctl", "reload", "causewayd")

    # A crash: it starts again, with its state, and with what its predecessor has left for it.
    first = machine.main_pid()
    machine.run("touch", "/run/causeway/left")
    machine.run("systemctl", "kill", "-s", "KILL", "causewayd")
    deadline = time.monotonic() + 60
    while machine.run("systemctl", "is-active", "causewayd", check=False) != "active" or machine.main_pid() == first:
        assert time.monotonic() < deadline, machine.run("journalctl", "-u", "causewayd")
        time.sleep(0.1)
    assert NQN in machine.rpc("nvmf_get_subsystems")
    machine.run("test", "-e", "/run/causeway/left")    # rpc.sock.clients stands beside it

    second = machine.main_pid()
    machine.run("dpkg", "-i", "/root/causeway.deb")    # an upgrade
    assert machine.run("systemctl", "is-active", "causewayd") == "active"
    assert machine.main_pid() not in (first, second)
    assert "--no-huge" in (machine.root / "etc/default/causeway").read_text()
    assert NQN in machine.rpc("nvmf_get_subsystems")

    machine.run("dpkg", "-r", "causeway")
    assert machine.run("systemctl", "is-active", "causewayd", check=False) == "inactive"
    machine.run("dpkg", "-P", "causeway")
    for left in ("/var/lib/causeway", "/run/causeway", "/etc/default/causeway", "/etc/systemd/system/multi-user.target.wants/causewayd.service"):
        machine.run("test", "!", "-e", left)
