# SPDX-License-Identifier: Apache-2.0
"""The Debian package in a fresh Debian 12: dpkg installs it, its service works there, and purge leaves nothing.

Once without systemd: the test does what that would do, with the lines of the service file. And once with it: it is the first
process of namespaces of its own.
"""

import re
import shutil
import subprocess
import time
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


def fresh_root(package: Path, folder: Path, *more: str) -> Path:
    """A Debian 12 with what the package depends on and `more`, and nothing of ours."""
    needs = run("dpkg-deb", "-f", package, "Depends").strip().split(", ")
    names = sorted({re.split(r"[ :|(]", need)[0] for need in needs} | set(more))
    try:
        made = debian.plain_root("bookworm", names)
    except processes.CommandFailed as why:
        pytest.skip(f"no root of Debian 12 can be made here: {why}")
    run("cp", "-a", made, folder / "root")
    shutil.copy(package, folder / "root/root/causeway.deb")
    return folder / "root"


@pytest.fixture
def root(package, tmp_path):
    root = fresh_root(package, tmp_path)
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
    (root / "run/notify.sock").unlink()

    inside(root, "dpkg", "-r", "causeway")
    left = content(root) - before
    assert left >= {"etc/default/causeway", "var/lib/causeway/config.json"}, "removed, it keeps its configuration"
    inside(root, "dpkg", "-P", "causeway")
    assert content(root) - before == set()
    assert before - content(root) == set()


BOOT = """set -e
mount --make-rprivate /
mount --bind $0 $0
cd $0
mount -t proc proc proc
mount -t tmpfs tmpfs run
mount -t tmpfs tmpfs tmp
mount -t sysfs -o ro sysfs sys
mount -t tmpfs tmpfs dev
for device in null zero full random urandom tty; do
    touch dev/$device
    mount --bind /dev/$device dev/$device
done
mkdir dev/shm dev/pts
ln -s /proc/self/fd dev/fd
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
        while not (self.root / "booted").exists():
            assert self._boot.poll() is None and time.monotonic() < deadline, (self.root.parent / "boot.log").read_text()
            time.sleep(0.1)
        return self

    def __exit__(self, *_) -> None:
        processes.end(self._boot)

    def run(self, *words: str, check: bool = True) -> str:
        first = Path(f"/proc/{self._boot.pid}/task/{self._boot.pid}/children").read_text().split()[0]
        return processes.run(["nsenter", "-t", first, "-m", "-p", "-u", "-i", "-C", "-r", "-w", "env",
                              "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND=noninteractive", *words], check=check).stdout.strip()

    def main_pid(self) -> str:
        return self.run("systemctl", "show", "-p", "MainPID", "--value", "causewayd")

    def rpc(self, *words: str) -> str:
        return self.run("causeway", "rpc", "-s", "/run/causeway/rpc.sock", *words)


@pytest.fixture
def machine(package, tmp_path):
    if subprocess.run(["unshare", "-m", "-C", "mount", "-t", "cgroup2", "none", tmp_path], capture_output=True).returncode:
        pytest.skip("cgroups cannot be mounted here, and systemd needs them")
    root = fresh_root(package, tmp_path, "systemd", "systemd-sysv", "dbus")
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
