# SPDX-License-Identifier: Apache-2.0
"""Which hosts a subsystem admits, over real sockets: those that connected to a listener of its own, and a host that has a key
only with that key."""

import json
import os
import socket
import subprocess

import pytest
from daemon import RpcError
from gateway_nqn import NQN
from lab import places, sanitizers
from raw_host import HOST, Closed, Connection, Host, connect, connect_data

SECURED = "nqn.2024-01.io.example:secured"
KEY = "NVMeTLSkey-1:01:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh+KfiaR:"
ADMITTED, NOT_HERE, NOT_YOU = 0, 0x182, 0x184    # Success, Connect Invalid Parameters, Connect Invalid Host


@pytest.fixture
def key(gateway, tmp_path) -> str:
    file = tmp_path / "key"
    file.touch(0o600)
    file.write_text(KEY + "\n")
    gateway.call("keyring_file_add_key", name="key", path=str(file))
    return "key"


@pytest.fixture
def port() -> int:
    """A port that is free in both address families."""
    with socket.socket(socket.AF_INET6) as probe:
        probe.bind(("::", 0))
        return probe.getsockname()[1]


def listen(gateway, nqn: str, traddr: str, port: int | str, **more) -> None:
    gateway.call("nvmf_subsystem_add_listener", nqn=nqn, listen_address={
        "trtype": "TCP", "adrfam": "IPv6" if ":" in traddr else "IPv4", "traddr": traddr, "trsvcid": str(port)}, **more)


def answer(address: tuple[str, int], nqn: str, host: str = HOST) -> int:
    """The status of a Connect of an admin queue without TLS."""
    with Connection(address) as admin:
        admin.initialize()
        return admin.call(connect(0), connect_data(nqn, host=host)).status


@pytest.mark.parametrize("plain_at", ["::1", "::"])
def test_a_plain_listener_of_another_subsystem_does_not_lead_into_a_secured_one(gateway, key, port, plain_at):
    gateway.call("nvmf_create_subsystem", nqn=SECURED)
    gateway.call("nvmf_subsystem_add_host", nqn=SECURED, host=HOST, psk=key)
    listen(gateway, SECURED, "0.0.0.0", port, secure_channel=True)
    listen(gateway, NQN, plain_at, port)
    assert answer(("::1", port), SECURED) == NOT_HERE
    assert answer(("::1", port), NQN) == ADMITTED
    for secured_address in ("127.0.0.1", "127.0.0.2", "::ffff:127.0.0.1"):
        with Connection((secured_address, port)) as admin, pytest.raises(Closed):
            admin.initialize()    # not a TLS record


def test_a_host_with_a_key_is_not_admitted_without_it(gateway, key):
    assert answer(gateway.address, NQN) == ADMITTED, "any host may connect"
    gateway.call("nvmf_subsystem_add_host", nqn=NQN, host=HOST, psk=key)
    assert answer(gateway.address, NQN) == NOT_YOU
    assert answer(gateway.address, NQN, host=HOST[:-1] + "2") == ADMITTED, "a host without a key needs no TLS"
    gateway.call("nvmf_subsystem_remove_host", nqn=NQN, host=HOST)
    assert answer(gateway.address, NQN) == ADMITTED



@pytest.mark.parametrize("traddr, trsvcid", [
    ("127.0.0.1", "0"), ("127.0.0.1", "70000"), ("127.0.0.1", " 4420"), ("127.1", "4420"), ("::ffff:127.0.0.1", "4420"),
    ("localhost", "4420")])
def test_an_invalid_address_is_refused(gateway, traddr, trsvcid):
    with pytest.raises(RpcError) as refused:
        listen(gateway, NQN, traddr, trsvcid)
    assert refused.value.code == -32602, refused.value


def test_an_address_is_the_same_however_it_is_spelled(gateway, port):
    listen(gateway, NQN, "0:0:0:0:0:0:0:1", port)
    assert answer(("::1", port), NQN) == ADMITTED
    with pytest.raises(RpcError, match="has this listener"):
        listen(gateway, NQN, "::1", port)
    gateway.call("nvmf_subsystem_remove_listener", nqn=NQN, listen_address={
        "trtype": "TCP", "adrfam": "IPv6", "traddr": "::0001", "trsvcid": str(port)})
    with pytest.raises(ConnectionRefusedError):
        Connection(("::1", port))


def test_removing_a_listener_disconnects_the_hosts_that_used_it(gateway, port):
    listen(gateway, NQN, "127.0.0.1", port)
    with Host(("127.0.0.1", port), NQN) as leaving, Host(gateway.address, NQN) as staying:
        gateway.call("nvmf_subsystem_remove_listener", nqn=NQN, listen_address={
            "trtype": "TCP", "adrfam": "IPv4", "traddr": "127.0.0.1", "trsvcid": str(port)})
        assert leaving.admin.closed() and leaving.io.closed()
        assert len(staying.read(0, 1, 512)) == 512


def test_discovery_lists_the_address_that_the_host_used_for_a_wildcard_listener(gateway, preset, port):
    program = places.BUILD.parent / preset / "tools/causeway"
    if not program.exists():
        pytest.skip(f"{program} is not built")
    for traddr in ("0.0.0.0", "::"):
        listen(gateway, NQN, traddr, port)
    for asked in ("127.0.0.2", "::1"):
        done = subprocess.run([program, "discover", "-a", asked, "-s", str(port), "--json"], capture_output=True, text=True,
                              timeout=60, env={**sanitizers.SETTINGS, **os.environ})
        assert done.returncode == 0, done.stderr
        assert [e["traddr"] for e in json.loads(done.stdout) if e["subnqn"] == NQN and e["trsvcid"] == str(port)] == [asked]
