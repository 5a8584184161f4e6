# SPDX-License-Identifier: Apache-2.0
"""The fabrics over which a host reaches a gateway, and everything that differs between them."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Fabric:
    name: str            # of tests
    transport: str       # as nvme-cli and discovery say
    options: str = ""    # more for nvme-cli
    secure: bool = False    # TLS, with a key of the host for that subsystem

    @property
    def trtype(self) -> str:
        """As the RPCs name it."""
        return self.transport.upper()

    def __str__(self) -> str:
        return self.name


RDMA = Fabric("rdma", "rdma")
TCP = Fabric("tcp", "tcp")
TCP_DIGESTS = Fabric("tcp-digests", "tcp", "--hdr-digest --data-digest")
"""CRC-32C over the header and the data of every PDU, both ways."""
TCP_TLS = Fabric("tcp-tls", "tcp", "--tls", secure=True)
"""Not among the fabrics below: it takes a newer host (debian.py)."""
TCP_TLS_DIGESTS = Fabric("tcp-tls-digests", "tcp", f"{TCP_TLS.options} {TCP_DIGESTS.options}", secure=True)

FABRICS = (RDMA, TCP, TCP_DIGESTS)
