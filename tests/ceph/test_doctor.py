# SPDX-License-Identifier: Apache-2.0
"""causeway doctor against a real cluster: users that may do what a gateway needs, and users that may not."""

import json
import subprocess

import pytest
from lab import places


def checks(cluster, user, pool="rbd", image=None, status=0, limit=15):
    words = [places.binary("tools/causeway"), "doctor", "--json", "--cluster-config", cluster.conf, "--user", user,
             "--pool", pool,
             "--time-limit", limit,
             *(["--image", image] if image else [])]
    ran = subprocess.run(list(map(str, words)), capture_output=True, text=True, timeout=120)
    assert ran.returncode in (0, 1), ran.stderr
    checks = json.loads(ran.stdout)["checks"]
    found = {c["check"]: c for c in checks if "eph" in c["check"] or c["check"].startswith("RBD")}
    failed = [c for c in found.values() if c["is"] == "fail"]
    assert bool(failed) == bool(status), found
    return found


@pytest.fixture(scope="module")
def user(cluster, tmp_path_factory):
    """Makes users whose keyring the cluster's configuration does not name; a configuration of their own does."""
    folder = tmp_path_factory.mktemp("users")

    class Users:
        conf = folder / "ceph.conf"

        def add(self, name, **caps):
            words = [word for service, cap in caps.items() for word in (service, cap)]
            key = cluster.ceph("auth", "get-or-create", f"client.{name}", *words)
            with open(folder / "keyring", "a") as keyring:
                keyring.write(key + "\n")
            lines = [line for line in cluster.conf.read_text().splitlines() if not line.startswith("keyring =")]
            at = lines.index("[global]") + 1
            lines.insert(at, f"keyring = {folder}/keyring")
            self.conf.write_text("\n".join(lines) + "\n")

    return Users()


def test_a_user_with_the_profile_of_rbd_is_well(cluster, user):
    cluster.create_image("examined", "8M")
    user.add("well", mon="profile rbd", osd="profile rbd pool=rbd")
    found = checks(user, "well", image="examined")
    assert found["Ceph reads"]["is"] == found["Ceph writes"]["is"] == found["RBD image"]["is"] == "ok"
    assert "exclusive-lock" in found["RBD image"]["sentence"]
    assert found["Ceph space"]["is"] == "ok"
    assert checks(user, "well", image="absent", status=1)["RBD image"]["is"] == "fail"
    assert checks(user, "well", pool="absent", status=1)["Ceph pool"]["is"] == "fail"
    cluster.remove_image("examined")


def test_what_a_user_may_not_is_found(user):
    user.add("reader", mon="allow r", osd="allow r pool=rbd")
    assert checks(user, "reader", status=1)["Ceph writes"]["is"] == "fail"
    user.add("stranger", mon="allow r")
    assert checks(user, "stranger", status=1)["Ceph reads"]["is"] == "fail"
    assert "keyring" in checks(user, "nobody", status=1)["ceph"]["cure"]


def test_an_osd_that_does_not_answer_ends_in_a_finding(cluster, user):
    user.add("waiting", mon="profile rbd", osd="profile rbd pool=rbd")
    cluster.osd_pause()
    try:
        found = checks(user, "waiting", status=1, limit=4)
    finally:
        cluster.osd_resume()
    assert found["ceph"]["is"] == "ok"
    assert found["Ceph reads"]["is"] == "fail"


def test_the_probe_leaves_no_object_behind(cluster, user):
    user.add("writer", mon="profile rbd", osd="profile rbd pool=rbd")
    checks(user, "writer")
    assert "causeway_doctor" not in subprocess.run(
        ["rados", "-c", str(cluster.conf), "-p", "rbd", "ls"], capture_output=True, text=True, check=True).stdout
