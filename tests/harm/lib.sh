# SPDX-License-Identifier: Apache-2.0
# What cases share; a case begins with `. "$HARM/lib.sh"`.
# shellcheck shell=bash
set -u
PATH=/usr/lib/postgresql/15/bin:$PATH

# until_true COMMAND…: waits for it; the case's limit is what bounds this.
until_true() { until "$@" >/dev/null 2>&1; do sleep 0.05; done; }

# until_gone PID: for one that is no child.
until_gone() { while kill -0 "$1" 2>/dev/null; do sleep 0.05; done; }

# until_open PORT: something listens there. Asks the kernel, so that no connection is made.
until_open() {
    until_true grep -q "^ *[0-9]*: [0-9A-F]*:$(printf %04X "$1") [0-9A-F:]* 0A " /proc/net/tcp
}

# facts PID: what a process looks like from outside; the thread that the tracer says it adds is
# left out, and so are signals 32 and 33, which are libc's own.
facts() {
    grep -E '^(Umask|Uid|Gid|Groups|SigPnd|ShdPnd|NoNewPrivs|Seccomp):' "/proc/$1/status"
    for set in SigBlk SigIgn SigCgt; do
        mask=$(sed -n "s/^$set:\t//p" "/proc/$1/status")
        printf '%s %x\n' "$set" $((0x$mask & ~0x180000000))
    done
    echo "threads $(grep -vx otel_auto "/proc/$1"/task/*/comm | wc -l)"
    for fd in $(cd "/proc/$1/fd" && printf '%s\n' * | sort -n); do
        echo "fd $fd $(readlink "/proc/$1/fd/$fd" | sed 's/:\[[0-9]*\]$/:/')"
    done
    cat "/proc/$1/limits"
}
