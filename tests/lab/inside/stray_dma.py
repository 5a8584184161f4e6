# SPDX-License-Identifier: Apache-2.0
"""Makes an NVMe controller, given by its PCI address and bound to vfio-pci, read memory that nobody gave to it.

Its admin queue lies at an address that the IOMMU maps to nothing; ringing its doorbell makes it fetch a command there.
Prints the controller's version, by which it is known to have been reached.
"""

import ctypes
import fcntl
import mmap
import os
import struct
import sys

# linux/vfio.h
GET_API_VERSION, SET_IOMMU, SET_CONTAINER, GET_DEVICE, REGION_INFO = (ord(";") << 8 | 100 + n for n in (0, 2, 4, 6, 8))
TYPE1 = 1
BAR0, CONFIG = 0, 7

# NVM Express: registers, and what is written to them
CC, CSTS, AQA, ASQ, ACQ, DOORBELL = 0x14, 0x1C, 0x24, 0x28, 0x30, 0x1000
ENABLE = 6 << 16 | 4 << 20 | 1
STRAY = 0xDEAD_0000

BUS_MASTER = 0x4


def region(device, index):
    info = bytearray(struct.pack("IIIIQQ", 32, 0, index, 0, 0, 0))
    fcntl.ioctl(device, REGION_INFO, info)
    return struct.unpack("IIIIQQ", info)[4:]    # size, offset


address = sys.argv[1]
group_number = os.path.basename(os.readlink(f"/sys/bus/pci/devices/{address}/iommu_group"))
container = os.open("/dev/vfio/vfio", os.O_RDWR)
group = os.open(f"/dev/vfio/{group_number}", os.O_RDWR)
fcntl.ioctl(group, SET_CONTAINER, struct.pack("i", container))
fcntl.ioctl(container, SET_IOMMU, TYPE1)
device = ctypes.CDLL(None, use_errno=True).ioctl(group, ctypes.c_ulong(GET_DEVICE), ctypes.c_char_p(address.encode()))

_, config = region(device, CONFIG)
command, = struct.unpack("<H", os.pread(device, 2, config + 4))
os.pwrite(device, struct.pack("<H", command | BUS_MASTER), config + 4)

size, offset = region(device, BAR0)
registers = mmap.mmap(device, size, offset=offset)


def write32(at, value):
    struct.pack_into("<I", registers, at, value)


write32(CC, 0)
while struct.unpack_from("<I", registers, CSTS)[0] & 1:
    pass
write32(AQA, 31 << 16 | 31)
for queue in (ASQ, ACQ):
    write32(queue, STRAY)
    write32(queue + 4, 0)
write32(CC, ENABLE)
while not struct.unpack_from("<I", registers, CSTS)[0] & 1:
    pass
print("version %x" % struct.unpack_from("<I", registers, 8))
write32(DOORBELL, 1)
