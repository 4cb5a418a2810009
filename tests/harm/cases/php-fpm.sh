#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# php-fpm: requests by cgi-fcgi, a script that fails, a worker's end after some requests, a reload,
# a slow end; and php's command line.
# needs: php-fpm8.2 cgi-fcgi
# spans: 4
# killed: workers at a reload
# Process ids and times.
# filter: \[\d\d-\w+-\d+ [0-9:.]+\] => [TIME]
# filter: \b(pid|child) \d+ => \1 N
# filter: [0-9.]+ seconds => N seconds
# filter: ^PHP/(\S+) => PHP
. "$HARM/lib.sh"
chmod 755 .
cat >page.php <<'END'
<?php
$db = new SQLite3(':memory:');
echo $db->querySingle('SELECT 40 + 2'), "\n", shell_exec('echo from the shell'),
     implode(' ', sscanf('a 1', '%s %d')), "\n";
echo file_get_contents('php://input'), $_SERVER['REQUEST_METHOD'], "\n";
$child = proc_open(['cat'], [['pipe', 'r'], ['pipe', 'w']], $pipes);
fwrite($pipes[0], "by a pipe\n");
fclose($pipes[0]);
echo stream_get_contents($pipes[1]), proc_close($child), "\n";
if (isset($_GET['fail'])) nothing_of_the_kind();
END
cat >fpm.conf <<END
[global]
pid = $PWD/pid
error_log = $PWD/log
[www]
listen = 127.0.0.1:9000
user = www-data
group = www-data
pm = static
pm.max_children = 2
pm.max_requests = 2
catch_workers_output = yes
END
php-fpm8.2 -n -d extension=sqlite3 --fpm-config "$PWD/fpm.conf" --daemonize
until_open 9000
pid=$(cat pid)
ask() {
    printf '%s' "$2" | SCRIPT_FILENAME=$PWD/page.php SCRIPT_NAME=/page.php QUERY_STRING=$1 \
        REQUEST_METHOD=POST CONTENT_TYPE=text/plain CONTENT_LENGTH=${#2} \
        cgi-fcgi -bind -connect 127.0.0.1:9000 | tr -d '\r'
}
facts "$pid"
for i in 1 2 3 4 5; do ask '' "body $i "; done
ask fail=1 ''
kill -USR2 "$pid"
until_true grep -c 'using inherited socket' log
until_open 9000
ask '' again
kill -QUIT "$(cat pid)"
until_gone "$pid"
php -r 'system("echo from the command line; exit 3", $rc); echo $rc, "\n"; exit(4);'
echo "status $?"
php -r '$pid = pcntl_fork(); if (!$pid) exit(2); pcntl_waitpid($pid, $s); echo $s, "\n";'
php -d error_log= -r 'nothing();'
echo "status $?"
rm log
