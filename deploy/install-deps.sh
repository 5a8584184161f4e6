#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs every Debian 12 package that Causeway needs, each named once, with what it is for.
# Usage: install-deps.sh [build|test]     build: to compile and run; test: that and what ./demo and ./test use (default)
set -euo pipefail

build=(
    g++ cmake ninja-build pkg-config ccache      # the build
    libdpdk-dev                                  # lcores, huge pages, PCI
    libibverbs-dev librdmacm-dev                 # RDMA
    libisal-dev                                  # CRC-32C, the digests of NVMe over TCP
    libssl-dev                                   # TLS of NVMe over TCP
    librbd-dev librados-dev                      # Ceph
    nlohmann-json3-dev libcli11-dev              # JSON, options
    libspdlog-dev libfmt-dev libexpected-dev     # log, formatting, results
    prometheus-cpp-dev                           # metrics over HTTP
    libsystemd-dev                               # readiness and watchdog of a service
    libgoogle-perftools-dev                      # tcmalloc, from which librbd gains
    libgtest-dev libgmock-dev libbenchmark-dev   # unit tests and micro-benchmarks
    libxxhash-dev                                # checksum of the state; tests/softrdma: whether a buffer was touched
)
test=(
    python3 python3-pytest                       # whole-system tests
    ceph-mon ceph-osd ceph-common                # a real cluster
    qemu-system-x86 busybox-static cpio kmod     # a guest with a stock kernel
    mmdebstrap debian-archive-keyring zstd       # and one of a newer Debian (newer-host.txt)
    iproute2 nvme-cli fio e2fsprogs              # what a Linux host uses
    rdma-core ibverbs-providers ibverbs-utils    # soft-RoCE
    rdmacm-utils perftest
    pciutils dmsetup                             # slots of NVMe drives, and a disk in use
    openssl                                      # a TLS that is not ours
    valgrind                                     # instructions counted by callgrind
    clang-16 libclang-rt-16-dev                  # sanitizer builds and fuzzers
    clang-format-16                              # tests/house
)

case "${1:-test}" in
build) packages=("${build[@]}") ;;
test) packages=("${build[@]}" "${test[@]}") ;;
*) echo "usage: install-deps.sh [build|test]" >&2; exit 2 ;;
esac

missing=()
for package in "${packages[@]}"; do
    dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

if [ "$(id -u)" != 0 ]; then
    echo "install-deps.sh: these packages are missing and only root can install them: ${missing[*]}" >&2
    exit 1
fi
export DEBIAN_FRONTEND=noninteractive
echo "installing ${#missing[@]} packages: ${missing[*]}"
apt-get -o DPkg::Lock::Timeout=600 update -qq
apt-get -o DPkg::Lock::Timeout=600 install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
