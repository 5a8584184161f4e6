# SPDX-License-Identifier: Apache-2.0
# The guest's part of null_beside_nvmet.py, which puts the settings in capitals and `load` in front of it.
# Prints for each measurement "@ TARGET ROUND WORKLOAD", how long every thread had run before and after, and fio's report.

NVMET=/sys/kernel/config/nvmet

fail() {
    echo "cannot $*"
    cat /run/*.log
    dmesg | tail -n 20
    exit 1
}

lay_soft_roce() {
    ip link set dummy0 mtu 9000 up && ip addr add $ADDRESS/24 dev dummy0 || fail "make a network card"
    rdma link add rxe0 type rxe netdev dummy0 || fail "lay soft-RoCE on it"
}

start_nvmet() {
    subsystem=$NVMET/subsystems/$NQN-nvmet
    port=$NVMET/ports/1
    mkdir $subsystem && mkdir $subsystem/namespaces/1 $port || fail "make a subsystem of nvmet"
    echo 1 > $subsystem/attr_allow_any_host
    echo -n /dev/nullb0 > $subsystem/namespaces/1/device_path
    echo 1 > $subsystem/namespaces/1/enable || fail "give nvmet its device"
    echo ipv4 > $port/addr_adrfam
    echo rdma > $port/addr_trtype
    echo $ADDRESS > $port/addr_traddr
    echo $PORT_nvmet > $port/addr_trsvcid
    ln -s $subsystem $port/subsystems/ || fail "make nvmet listen"
}

# What it is told is in a file, so that nothing else of ours need run here.
start_causewayd() {
    $CAUSEWAYD > /run/causewayd.log 2>&1 &
    GATEWAY=$!
}

# Repeats a command until it succeeds, for ten seconds, or until causewayd has ended.
try() {
    left=100
    until "$@" 2> /run/try.log; do
        left=$((left - 1))
        [ $left -gt 0 ] && { [ -z "$GATEWAY" ] || kill -0 $GATEWAY; } || return 1
        sleep 0.1
    done
}

appeared() {
    DEVICE=$(ls /dev/nvme*n1) && [ -b "$DEVICE" ]
}

connect() {
    eval "port=\$PORT_$1"
    try nvme connect -t rdma -a $ADDRESS -s $port -n $NQN-$1 $HOST -i 1 || fail "connect to $1"
    try appeared || fail "find the device of $1"
}

# "$1 NANOSECONDS TID NAME" for all that live.
threads() {
    for thread in /proc/[0-9]*/task/[0-9]*; do
        read -r name < $thread/comm && read -r ns rest < $thread/schedstat && echo "$1 $ns ${thread##*/} $name"
    done 2>/dev/null
}

measure() {
    connect $1
    for workload in $WORKLOADS; do
        echo "@ $1 $2 $workload"
        threads before
        load ${workload%/*} ${workload#*/} > /run/report || fail "load $1"
        threads after
        cat /run/report
    done
    nvme disconnect -n $NQN-$1 > /dev/null || fail "disconnect from $1"
}

lay_soft_roce
round=1
while [ $round -le $ROUNDS ]; do
    for target in $TARGETS; do
        [ $round -gt 1 ] || start_$target
        measure $target $round
    done
    round=$((round + 1))
done
