#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# redis: saved by a fork, rewritten by another, stopped by a signal; its clients one by one, in a
# pipeline, waiting.
# needs: redis-server redis-cli
# quick
# spans: 3
# Times, the id of a process and of a run, amounts of memory.
# filter: ^\d+:[CMS] \d+ \w+ \d+ [0-9:.]+ => PID:R TIME
# filter: just started|pid=\d+ => started
# filter: [0-9.]+ MB|\d+ bytes|[0-9.]+ seconds|PID: \d+|pid \d+ => N
# filter: rewriteaof-bg-\d+ => rewriteaof-bg
# drop: Fork CoW|AOF rewrite CoW|Background|RDB age|RDB memory|keys loaded
. "$HARM/lib.sh"
redis-server --port 7000 --bind 127.0.0.1 --save '' --appendonly no --dir "$PWD" --daemonize yes \
    --pidfile "$PWD/pid" --logfile "$PWD/log" --crash-log-enabled no --always-show-logo no
until_open 7000
ask() { redis-cli -p 7000 "$@"; }
ask ping
seq 1 500 | sed 's/.*/SET key& value&/' | ask | sort | uniq -c
ask debug sleep 0
ask get key77
until_true test -s pid
facts "$(cat pid)" | grep -v '^fd\|limit'
ask bgsave
until_true grep -c 'Background saving terminated' log
ls -s --block-size=1M dump.rdb | cut -c1-5
ask config set appendonly yes
until_true grep -c 'AOF rewrite terminated\|AOF rewrite finished' log
(ask blpop list 20; echo popped) >popped &
until_true sh -c 'redis-cli -p 7000 client list | grep cmd=blpop'
ask rpush list one
wait
cat popped
ask multi
ask info clients | grep connected_clients
ask --no-raw eval 'return {1, redis.call("get", KEYS[1]), {err = "wrong"}}' 1 key3
pid=$(cat pid)
ask shutdown nosave
until_gone "$pid"
ask ping
rm -rf ./*.rdb appendonlydir
