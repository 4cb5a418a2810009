#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Tests that come with python, of sockets, servers, event loops and SQLite: the outcome of each.
# needs: python3 /usr/lib/python3.11/test/test_socket.py
# limit: 120
# spans: 500
. "$HARM/lib.sh"
python3 "$HARM/pytests.py" test_socket test_select test_epoll test_fcntl test_httplib \
    test_httpservers \
    test_urllib2_localnet test_ftplib test_asyncio.test_events test_asyncio.test_sock_lowlevel \
    test_asyncio.test_server test_sqlite3
echo "status $?"
