#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# nginx: workers, a file, a proxy, a reload (HUP), an upgrade of the binary (USR2, WINCH, QUIT),
# logs opened anew (USR1), a graceful end.
# needs: nginx curl
# limit: 30
# spans: 10
# wire: 8082 8080
# wire: 8083 8081
# filter: ^Date: .* => Date:
# filter: ^Last-Modified: .* => Last-Modified:
# filter: ^ETag: .* => ETag:
. "$HARM/lib.sh"
mkdir site temp
chmod 755 .
chmod 777 temp
seq 1 20000 >site/file
cat >nginx.conf <<END
user nobody nogroup;
worker_processes 2;
pid $PWD/pid;
error_log $PWD/error.log notice;
events { worker_connections 64; }
http {
    access_log $PWD/access.log combined;
    client_body_temp_path temp/a; proxy_temp_path temp/b; fastcgi_temp_path temp/c;
    uwsgi_temp_path temp/d; scgi_temp_path temp/e;
    server { listen 127.0.0.1:8080; root site;
        location /text { return 200 "first\n"; }
        location /proxied { proxy_pass http://127.0.0.1:8083/text; proxy_http_version 1.1; } }
    server { listen 127.0.0.1:8081; location / { return 201 "from behind\n"; } }
}
END
/usr/sbin/nginx -p "$PWD" -c "$PWD/nginx.conf" -e "$PWD/error.log" -t 2>&1
/usr/sbin/nginx -p "$PWD" -c "$PWD/nginx.conf" -e "$PWD/error.log"
until_open 8080
ask() { curl -s -i -H 'Connection: close' "http://127.0.0.1:8082$1" | tr -d '\r'; }
workers() { cat "/proc/$1/task/$1/children"; }
ask /text
curl -s http://127.0.0.1:8082/file | md5sum
ask /proxied
ask /none | head -n 1
first=$(cat pid)
facts "$first"
old=$(workers "$first")
for worker in $old; do facts "$worker" | grep -v '^fd'; done
sed -i 's/first/second/' nginx.conf
kill -HUP "$first"
for worker in $old; do until_gone "$worker"; done
until_true sh -c 'curl -s http://127.0.0.1:8080/text | grep second'
ask /text
mv access.log access.old
kill -USR1 "$first"
until_true test -s access.log -o -e access.log
old=$(workers "$first")
kill -USR2 "$first"
until_true test -s pid.oldbin -a -s pid
second=$(cat pid)
until [ -n "$(workers "$second")" ]; do sleep 0.05; done
kill -WINCH "$first"
for worker in $old; do until_gone "$worker"; done
kill -QUIT "$first"
until_gone "$first"
ask /text
facts "$second"
kill -QUIT "$second"
until_gone "$second"
grep -c 200 access.old
# Without times and process ids, which order and count them anew each time.
sed -E 's/^[^[]*(\[\w+\]) [0-9#]+: /\1 /; s/(process|from) [0-9]+/\1 N/g' error.log |
    grep -v 'worker process\|SIGCHLD\|SIGIO' | sort -u
rm -r temp ./*.log access.old
