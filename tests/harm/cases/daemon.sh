#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A daemon as cron and its like become one: two forks, a session, every descriptor closed; and two
# of Debian's starters of daemons.
# quick
# spans: 3
# needs: start-stop-daemon
. "$HARM/lib.sh"
"$HARM/witness" daemon "$PWD/facts"
until_true test -e facts
cat facts
start-stop-daemon --start --background --make-pidfile --pidfile "$PWD/pid" \
    --output "$PWD/said" --chdir / --startas "$HARM/witness" -- background
until_true grep -c '^threads' said
until_gone "$(cat pid)"
cat said
rm pid said
nohup setsid "$HARM/witness" daemon "$PWD/more" >/dev/null 2>&1 &
until_true test -e more
wait
cat more
