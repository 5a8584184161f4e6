# SPDX-License-Identifier: Apache-2.0
"""The lab itself, which all other tests in guests use."""

import contextlib
import json
import os
import time

import pytest

from lab import fio
from lab.channel import GuestDied
from lab.guest import Guest
from lab.kernel_target import KernelTarget
from lab.machine import Timeout
from lab.namespace import Network

NQN = "nqn.2024-01.lab:ram"


def test_a_command_returns_its_output_and_its_status(guest):
    result = guest.run("echo here; echo there >&2; exit 3")
    assert (result.rc, result.out, result.err) == (3, "here\n", "there\n")


def test_a_command_that_does_not_exist_fails(guest):
    assert guest.run(["no-such-program"]).rc == 127


def test_input_and_environment_reach_a_command(guest):
    assert guest.out("cat; echo $COLOUR", input="grün\n", env={"COLOUR": "blue"}) == "grün\nblue\n"


def test_commands_run_beside_each_other(guest):
    slow = guest.start("echo begun; sleep 30")
    slow.wait_for("begun")
    assert guest.out("echo quick") == "quick\n"
    assert slow.running
    slow.kill()
    assert slow.wait().rc == 128 + 9


def test_a_command_that_takes_too_long_is_killed_and_reported(guest):
    with pytest.raises(Timeout, match="so far"):
        guest.run("echo so far; sleep 100 & wait", timeout=1)
    assert not guest.run("pgrep -x sleep").ok


def test_long_output_arrives_whole(guest):
    assert guest.out("seq 200000") == "".join(f"{n}\n" for n in range(1, 200001))


def test_the_share_is_seen_from_both_sides(guest):
    (guest.share / "from-here").write_text("hello")
    assert guest.out("cat /out/from-here; echo back > /out/from-there") == "hello"
    assert (guest.share / "from-there").read_text() == "back\n"


def test_soft_roce_is_up(guest):
    assert "state ACTIVE" in guest.out("rdma link show rxe0/1")


def test_the_kernels_own_target_serves_a_verified_load(guest, host):
    target = KernelTarget(guest)
    try:
        where = target.expose(NQN, target.ram_disk())
        assert [record["subnqn"] for record in host.discover(where)] == [NQN]
        device = host.connect(where)
        done = fio.verify(guest, device, bs="4k", size="4m")
        assert done.write.bytes == done.read.bytes == 4 << 20
    finally:
        host.disconnect_all()
        target.close()
    assert guest.kernel_complaints() == ""


def test_ceph_is_reached_from_the_guest(lab, guest):
    lab.cluster.create_image("seen", "16M")
    assert "seen" in guest.out(f"rbd -c {lab.guest_conf} ls").split()


def test_the_cluster_exports_what_the_guest_wrote_to_an_image(lab, guest, tmp_path):
    guest.out("head -c 8M /dev/urandom > /out/content")
    guest.out(f"rbd -c {lab.guest_conf} import --no-progress /out/content rbd/written")
    exported = lab.cluster.export_image("written", tmp_path / "exported")
    assert exported.read_bytes() == (guest.share / "content").read_bytes()


def test_fio_reaches_an_image_through_librbd(lab, guest):
    lab.cluster.create_image("fio", "16M")
    guest.out("fio --name=v --ioengine=rbd --clientname=admin --pool=rbd --rbdname=fio --rw=randwrite --bs=4k "
              f"--iodepth=8 --size=2m {fio.VERIFY}", env={"CEPH_CONF": lab.guest_conf})


def test_a_paused_osd_answers_again_when_resumed(lab, guest):
    lab.cluster.create_image("paused", "16M")
    lab.cluster.osd_pause()
    try:
        writing = guest.start(f"rbd -c {lab.guest_conf} bench --io-type write --io-total 64K --io-size 4K rbd/paused")
        time.sleep(2)
        assert writing.running
    finally:
        lab.cluster.osd_resume()
    assert writing.wait(60).ok


def test_an_osd_that_ends_comes_back_with_its_data(lab):
    lab.cluster.create_image("kept", "16M")
    lab.cluster.kill_osd()
    lab.cluster.start_osd()
    assert "kept" in lab.cluster.rbd("ls").split()


def test_a_network_keeps_its_address_when_guests_join():
    """Guests that run would look for the cluster at the old one."""
    if os.geteuid() != 0:
        pytest.skip("the lab needs root, for a network of its own")

    def address_of_the_bridge():
        return json.loads(network.ip("-json", "link", "show", network.BRIDGE))[0]["address"]
    with contextlib.closing(Network()) as network:
        before = address_of_the_bridge()
        for number in range(10):    # each with a random address: all of them above the bridge's is one case in 1,000
            network.card(number)
        assert address_of_the_bridge() == before


def test_two_guests_see_each_other(lab):
    with lab.new_guest(smp=1, memory="1G") as other:
        lab.guest.out(f"nvme discover -t tcp -a {other.address} -s 1 2>&1 | grep -i refused", timeout=30)


def test_a_panic_is_reported_with_the_end_of_the_console(lab):
    with lab.new_guest(smp=1, memory="1G") as other:
        with pytest.raises(GuestDied, match="sysrq triggered crash"):
            other.run("echo c > /proc/sysrq-trigger", timeout=30)


def test_a_guest_without_network_boots(tmp_path):
    with Guest(tmp_path / "lonely", smp=1, memory="1G") as lonely:
        assert lonely.out("ls /sys/class/net") == "lo\n"
