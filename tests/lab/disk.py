# SPDX-License-Identifier: Apache-2.0
"""An image in the cluster, in the gateway, and as a block device of a host."""

from dataclasses import dataclass

from .gateway import Gateway
from .initiator import Initiator, Target
from .lab import Lab


@dataclass(frozen=True)
class Disk:
    image: str
    target: Target
    device: str

    @property
    def nqn(self) -> str:
        return self.target.nqn


def serve(lab: Lab, gateway: Gateway, image: str, size: str = "16M", block_size: int = 4096, *, pool: str = "rbd",
          cluster: str = "ceph") -> Target:
    """A new image in a subsystem of its own. `cluster`: as the gateway calls it."""
    lab.cluster.create_image(image, size, pool=pool)
    gateway.add_image(image, block_size=block_size, pool=pool, cluster=cluster)
    return gateway.add_subsystem(f"nqn.2024-01.io.causeway:{image}", image)


def attach(lab: Lab, gateway: Gateway, host: Initiator, image: str, size: str = "16M", options: str = "-i 2",
           **where: str) -> Disk:
    """A new image, served and connected to; over TLS with a new key."""
    target = serve(lab, gateway, image, size, **where)
    if target.fabric.secure:
        gateway.admit(target.nqn, host.host_nqn, host.make_key(target.nqn))
    return Disk(image, target, host.connect(target, options))


def withdraw(lab: Lab, gateway: Gateway, host: Initiator, disk: Disk) -> None:
    """Disconnects the host, and removes the subsystem and the image from the gateway."""
    host.disconnect(disk.nqn)
    gateway.remove_subsystem(disk.nqn)
    gateway.remove_image(disk.image)
    lab.cluster.remove_image(disk.image)
