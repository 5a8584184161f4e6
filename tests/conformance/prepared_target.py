# SPDX-License-Identifier: Apache-2.0
"""Prepares a gateway for the rows about ANA and authentication: what README.md says of the subsystems."""

from pathlib import Path

HOST = "nqn.2014-08.org.nvmexpress:uuid:0c5a7b3e-57ac-4d4e-9d0b-9d6f6e1f0901"
"""As whom the program connects."""

KEYS = {"conformance_host": "DHHC-1:01:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh+KfiaR:",
        "conformance_ctrlr": "DHHC-1:02:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vcSEgBQ==:"}
STATES = ("optimized", "non_optimized", "inaccessible", "persistent_loss", "change")
ANA, AUTHENTICATION = "nqn.2024-01.io.example:conformance-ana", "nqn.2024-01.io.example:conformance-authentication"


def prepare(gateway, folder: Path, trtype: str, address: str, port: int) -> list[str]:
    """Makes both subsystems, reached at that address. The options by which the program is told of them."""
    def call(method: str, **params):
        with gateway.client() as client:
            return client.call(method, params)

    at = {"trtype": trtype, "adrfam": "IPv4", "traddr": address, "trsvcid": str(port)}

    def add(nqn: str, disks: int, **options) -> None:
        call("nvmf_create_subsystem", nqn=nqn, serial_number=nqn[-20:], max_namespaces=8, **options)
        for n in range(1, disks + 1):
            name = f"{nqn.rpartition('-')[2]}{n}"
            call("bdev_malloc_create", name=name, block_size=512, num_blocks=2048)
            call("nvmf_subsystem_add_ns", nqn=nqn, namespace={"bdev_name": name})
        call("nvmf_subsystem_add_listener", nqn=nqn, listen_address=at)

    add(ANA, len(STATES), allow_any_host=True, ana_reporting=True)
    for group, state in enumerate(STATES, 1):
        call("nvmf_subsystem_listener_set_ana_state", nqn=ANA, listen_address=at, ana_state=state, anagrpid=group)
    add(AUTHENTICATION, 1)
    for name, key in KEYS.items():
        path = folder / name
        path.touch(0o600)
        path.write_text(key + "\n")
        call("keyring_file_add_key", name=name, path=str(path))
    call("nvmf_subsystem_add_host", nqn=AUTHENTICATION, host=HOST, dhchap_key="conformance_host",
         dhchap_ctrlr_key="conformance_ctrlr")
    return ["--ana-nqn", ANA, "--auth-nqn", AUTHENTICATION, "--rpc", str(gateway.socket)]
