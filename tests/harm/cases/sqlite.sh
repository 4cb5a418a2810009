#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# sqlite3's shell: scripts, errors, a database of two processes, dump and restore, blobs, functions
# that fail, an interrupt, a full disk.
# needs: sqlite3
# quick
# spans: 20
. "$HARM/lib.sh"
sqlite3 a.db <<'END'
CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT, c BLOB);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500)
INSERT INTO t SELECT i, 'text ' || i, x'00ff00' FROM n;
SELECT count(*), sum(a), hex(max(c)) FROM t;
.mode json
SELECT * FROM t WHERE a < 4;
.mode box
EXPLAIN QUERY PLAN SELECT b FROM t WHERE a = 3;
SELECT * FROM nowhere;
SELECT json_extract('{', '$.a');
INSERT INTO t VALUES (1, 'again', NULL);
CREATE TRIGGER r BEFORE DELETE ON t BEGIN SELECT RAISE(ABORT, 'no'); END;
DELETE FROM t;
ATTACH 'b.db' AS other;
CREATE TABLE other.u AS SELECT * FROM t;
SELECT count(*) FROM other.u;
PRAGMA journal_mode = WAL;
END
echo "status $?"
sqlite3 a.db .dump | sha256sum
sqlite3 a.db .dump | sqlite3 c.db
sqlite3 c.db .schema
sqlite3 a.db 'BEGIN IMMEDIATE; SELECT 1;' '.shell sqlite3 a.db "INSERT INTO t(b) VALUES (1)"' \
    'COMMIT'
sqlite3 -cmd '.timeout 5000' a.db 'SELECT count(*) FROM t'
sqlite3 :memory: 'SELECT load_extension("/no/such")'
echo "status $?"
echo 'garbage, not a database, and long enough to be read as a header of one: 0123456789' >d.db
sqlite3 d.db 'SELECT 1 FROM t'
echo "status $?"
sqlite3 -csv :memory: '.import |printf a,b\\n1,2\\n x' 'SELECT * FROM x'
(ulimit -f 4 && trap '' XFSZ && sqlite3 e.db \
    'CREATE TABLE big(a); INSERT INTO big VALUES (randomblob(100000))')
echo "status $?"
timeout -s INT 0.2 sqlite3 :memory: \
    'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n'
echo "status $?"
echo 'SELECT 1;' | stdbuf -o0 sqlite3
rm -f ./*.db ./*.db-*
