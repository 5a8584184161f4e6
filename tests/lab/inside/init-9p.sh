#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# First process of a guest whose root is the host's, read-only over 9p, with memory above it for what is written.
# Ends by becoming the agent, which is process 1 from then on: if it ends, the kernel panics, and the emulator with it.
say() { echo "lab: $* at $(cut -d' ' -f1 /proc/uptime) s"; }
fail() { say "cannot $*"; poweroff -f; }

mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
while read -r module; do insmod "$module" || fail "load $module"; done < /modules/order

share() { mount -t 9p -o "trans=virtio,version=9p2000.L,msize=262144,$3" "$1" "$2" || fail "mount $1"; }
mount -t tmpfs tmpfs /run
mkdir -p /run/root /run/written /run/work
share root /run/root ro,cache=loose
mount -t overlay -o lowerdir=/run/root,upperdir=/run/written,workdir=/run/work root /newroot || fail "put memory above the root"

cd /newroot || fail "enter the root"
mkdir -p out proc sys dev run tmp "lib/modules/$(uname -r)"
share out out cache=none
share modules "lib/modules/$(uname -r)" ro,cache=loose
for folder in proc sys dev; do mount --move /$folder $folder; done
mkdir -p dev/pts dev/shm dev/hugepages
mount -t devpts devpts dev/pts
mount -t tmpfs shm dev/shm
mount -t tmpfs run run
mount -t debugfs debugfs sys/kernel/debug 2>/dev/null
cp /agent.py run/lab-agent.py
echo "lab: root ready at $(cut -d' ' -f1 proc/uptime) s"
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=dumb LANG=C.UTF-8
exec switch_root /newroot /usr/bin/python3 -ISu /run/lab-agent.py
