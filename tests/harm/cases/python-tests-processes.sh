#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Tests that come with python, of processes, signals and threads: the outcome of each.
# needs: python3 /usr/lib/python3.11/test/test_subprocess.py
# limit: 120
# spans: 3
. "$HARM/lib.sh"
python3 "$HARM/pytests.py" test_subprocess.POSIXProcessTestCase test_posix test_os test_fork1 \
    test_popen test_pty test_atexit test_threadsignals test_threading
echo "status $?"
