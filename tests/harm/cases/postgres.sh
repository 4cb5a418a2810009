#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# postgres as an ordinary user: initdb, start, sessions of several clients at once, a backend that
# is killed (and what the server then does), a program run by COPY, dump and restore, stop.
# needs: initdb pg_ctl psql setpriv
# limit: 90
# spans: 3
# Process ids and times.
# filter: ^\d{4}-\d\d-\d\d [0-9:.]+ \w+ \[\d+\] => TIME
# filter: PID \d+|pid \d+ => PID
# drop: checkpoint (starting|complete)|database system was (shut down|interrupted)|redo
. "$HARM/lib.sh"
chmod 777 .
as=(setpriv --reuid=nobody --regid=nogroup --clear-groups)
export PGHOST=$PWD PGUSER=nobody PGDATABASE=postgres PGDATA=$PWD/data HOME=$PWD
"${as[@]}" initdb --auth=trust --no-sync --no-locale --encoding=UTF8 >made 2>&1
echo "status $?"
sed 's/selecting default.*//' made
"${as[@]}" pg_ctl -w -l log -o "-k $PWD -p 5432 -c listen_addresses=127.0.0.1 -c fsync=off" start |
    grep -v '^waiting'
facts "$(head -n 1 data/postmaster.pid)" | grep -v '^fd'
psql -At <<'END'
CREATE TABLE t AS SELECT i, 'text ' || i AS b FROM generate_series(1, 5000) i;
SELECT count(*), sum(i), md5(string_agg(b, ',' ORDER BY i)) FROM t;
SELECT * FROM nowhere;
DO $$ BEGIN RAISE NOTICE 'noticed'; END $$;
COPY (SELECT 'to a program') TO PROGRAM 'cat >told';
CREATE TABLE w(line text);
\! cat data/told
LISTEN x;
NOTIFY x, 'told';
SELECT 1;
SET max_parallel_workers_per_gather = 2;
SET min_parallel_table_scan_size = 0;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SELECT count(*) FROM t a JOIN t b USING (i);
END
psql -qAt -c "COPY w FROM PROGRAM '$HARM/witness in-a-backend' \
                 WITH (FORMAT csv, DELIMITER E'\x01', QUOTE E'\x02')" \
    -c "SELECT line FROM w WHERE line !~ '^env _='" -c 'DROP TABLE w'
for i in 1 2 3 4; do psql -h 127.0.0.1 -Atc "SELECT $i, sum(i) FROM t" >"client$i" & done
wait
cat client?
pgbench -i -q -s 1 2>/dev/null && pgbench -c 4 -t 50 -n | grep 'actually processed'
pg_dump -t t | sed 's/^-- Dumped.*//; s/^\\\(un\)\?restrict.*//' | md5sum
createdb other && pg_dump -t t | psql -q other && psql -At other -c 'SELECT count(*) FROM t'
psql -Atc "SELECT pg_terminate_backend(pg_backend_pid())" 2>&1
psql -At -c 'CREATE TEMP TABLE x(a int)' \
    -c "COPY x FROM PROGRAM 'kill -9 \$PPID; echo 1'" 2>&1
until_true psql -Atc 'SELECT 1'
psql -Atc 'SELECT count(*) FROM t'
"${as[@]}" pg_ctl -w -m fast stop | grep -v '^waiting'
grep -c 'database system is ready' log
rm -rf data log made
