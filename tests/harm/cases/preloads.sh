#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Other preloads and tools that work by one: stdbuf, faketime, jemalloc, tcmalloc, ASan, fakeroot's
# way of a list; a preload that is missing; the tracer named twice.
# needs: stdbuf faketime gcc sqlite3 python3
# spans: 5
. "$HARM/lib.sh"
shim=${LD_PRELOAD-}
lib=/usr/lib/x86_64-linux-gnu
stdbuf -oL "$HARM/witness" stdbuf | grep -v '^env _STDBUF'
stdbuf -o0 sh -c 'echo unbuffered; sqlite3 :memory: "SELECT 1"' | cat
faketime '2001-02-03 04:05:06' date -u +%F
faketime -f '2001-02-03 04:05:06' sqlite3 :memory: "SELECT date('now')"
for other in libjemalloc.so.2 libtcmalloc_minimal.so.4; do
    for order in "$lib/$other $shim" "$shim $lib/$other"; do
        LD_PRELOAD=$order sqlite3 :memory: "SELECT '$other'"
        LD_PRELOAD=$order python3 -c 'import sqlite3, subprocess
print(sqlite3.connect(":memory:").execute("SELECT 2").fetchall())
print(subprocess.run(["true"]).returncode)'
    done
done
LD_PRELOAD="$shim $shim" "$HARM/witness" twice
LD_PRELOAD="$shim:${shim:+/run/harm/../harm/libotel_auto.so}" sqlite3 :memory: 'SELECT 3'
LD_PRELOAD="/no/such.so $shim" sqlite3 :memory: 'SELECT 4' 2>&1
cat >bad.c <<'END'
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
int main(int n, char **v) { char *p = malloc(8); strcpy(p, v[1]); puts(p); free(p); return n - 2; }
END
gcc -g -fsanitize=address -o bad bad.c
asan=$(gcc -print-file-name=libasan.so)
LD_PRELOAD="$asan $shim" ./bad fits
LD_PRELOAD="$asan $shim" ./bad 'does not fit' 2>&1 | grep -o 'heap-buffer-overflow' | head -n 1
echo "status ${PIPESTATUS[0]}"
for sanitizer in undefined thread; do
    gcc -g -fsanitize=$sanitizer -o "with-$sanitizer" bad.c && "./with-$sanitizer" fits
    echo "status $?"
done
rm -f with-* bad
