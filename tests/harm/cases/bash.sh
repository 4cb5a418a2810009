#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Pipes, job control, traps, here-documents, process substitution, co-processes, sub-shells.
# quick
. "$HARM/lib.sh"
set -m
seq 1 2000 | grep 7 | sort -r | head -n 5
printf '%s\n' one two three | while read -r word; do echo "<$word>"; done
(exit 3) | true
echo "${PIPESTATUS[@]}"
yes | head -n 1
echo "${PIPESTATUS[@]}"
sleep 100 &
kill -STOP %1
until_true grep -q 'State:.T' "/proc/$!/status"
jobs
kill -CONT %1
kill %1
wait %1
echo "slept: $?"
(trap 'echo caught TERM; exit 7' TERM; kill -TERM $BASHPID; echo not here) &
wait $!
echo "trapped: $?"
diff <(seq 1 5) <(seq 2 6)
coproc cat
echo through the coprocess >&"${COPROC[1]}"
read -r line <&"${COPROC[0]}"
echo "$line"
exec {COPROC[1]}>&-
wait
cat <<END
here $(echo nested "$(printf '%d' 0x1f)")
END
exec 3>file 4<&0
echo kept >&3
exec 3>&-
cat file
ulimit -n 64
bash -c 'ls /proc/self/fd | wc -l; exit 9'
echo "status $?"
bash -c 'kill -SEGV $$'
echo "status $?"
/no/such/program
echo "status $?"
for i in 1 2 3 4; do (echo "$i" >"made.$i") & done
wait
cat made.*
trap 'echo at the end' EXIT
"$HARM/witness" last <&4
exit 12
