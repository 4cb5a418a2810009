#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What a process finds itself with, before and after its first span: by itself, with signals ignored
# and blocked, with descriptors open, with small limits, as another user, without an environment.
# quick
# spans: 7
. "$HARM/lib.sh"
exec 7<"$0" 9>held
"$HARM/witness" plain
(trap '' INT TERM USR1 && "$HARM/witness" ignoring)
env --block-signal=USR2,WINCH --ignore-signal=HUP "$HARM/witness" blocked
(ulimit -n 40 -s 512 -c 0 -f 1000 && "$HARM/witness" limited)
setpriv --reuid=65534 --regid=65534 --clear-groups --no-new-privs "$HARM/witness" nobody
env -i ${LD_PRELOAD:+"LD_PRELOAD=$LD_PRELOAD"} "$HARM/witness" bare
nice -n 5 setsid --wait "$HARM/witness" session <&- 2>&-
