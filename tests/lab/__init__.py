# SPDX-License-Identifier: Apache-2.0
"""A whole system in a private corner of one plain machine: a real Ceph cluster, and guests with a stock kernel.

    places      where things are: the checkout, the build, the folder of work state
    processes   child processes that cannot outlive us
    namespace   a network of our own
    ceph        one-node Ceph cluster in memory
    kernel      Debian's stock kernel, downloaded and unpacked, never installed
    initramfs   the archive a guest starts from
    qemu        the command line of the emulator
    channel     commands in a running guest, over a virtio-serial port
    guest       a booted guest
    icount      repeatable figures: a guest whose time is the number of its instructions
    lab         all of it together: network, cluster, guest
"""
