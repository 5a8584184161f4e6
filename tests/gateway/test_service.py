# SPDX-License-Identifier: Apache-2.0
"""What causewayd tells a service manager: the protocol of sd_notify(3), on a socket of the test's."""

import json
import socket

import pytest
from daemon import Daemon

NQN = "nqn.2024-01.io.example:a"


class Manager:
    """A service manager's end of the notification socket."""

    def __init__(self, folder):
        self.path = str(folder / "notify.sock")
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self.path)
        self._socket.settimeout(30)

    def environment(self, **more: str) -> dict[str, str]:
        return {"NOTIFY_SOCKET": self.path, **more}

    def next(self) -> dict[str, str]:
        """The next message, as its assignments."""
        return dict(line.split("=", 1) for line in self._socket.recv(4096).decode().splitlines())

    def next_with(self, name: str) -> dict[str, str]:
        while True:
            message = self.next()
            if name in message:
                return message


@pytest.fixture
def manager(tmp_path):
    return Manager(tmp_path)


def test_it_is_ready_when_its_configuration_has_been_made_and_says_when_it_ends(tmp_path, manager):
    file = tmp_path / "config.json"
    file.write_text(json.dumps({"subsystems": [{"subsystem": "nvmf", "config": [
        {"method": "nvmf_create_subsystem", "params": {"nqn": NQN}}]}]}))
    with Daemon(tmp_path, "--json", str(file), environment=manager.environment()) as daemon:
        assert manager.next() == {"READY": "1", "STATUS": "0 devices, 2 subsystems"}    # one is discovery's
        assert daemon.call("nvmf_get_subsystems", {"nqn": NQN})
        assert daemon.end() == 0
        assert manager.next() == {"STOPPING": "1"}


def test_what_cannot_be_made_does_not_keep_it_from_being_ready_and_is_in_its_status(tmp_path, manager):
    file = tmp_path / "config.json"
    file.write_text(json.dumps({"subsystems": [{"subsystem": "keyring", "config": [
        {"method": "keyring_file_add_key", "params": {"name": "k", "path": "/nowhere/at/all"}}]}]}))
    with Daemon(tmp_path, "--json", str(file), environment=manager.environment()):
        message = manager.next()
        assert message["READY"] == "1"
        assert message["STATUS"].startswith("1 of 1 calls of the configuration have failed")


def test_it_shows_that_it_is_alive_where_that_is_asked_for(tmp_path, manager):
    with Daemon(tmp_path, environment=manager.environment(WATCHDOG_USEC="400000")) as daemon:
        for _ in range(3):
            manager.next_with("WATCHDOG")
        assert daemon.end() == 0


def test_without_a_service_manager_it_tells_nobody(tmp_path):
    with Daemon(tmp_path) as daemon:
        daemon.call("framework_wait_init")
        assert daemon.end() == 0
