#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# apache2, prefork and event: files, CGI, a proxy, keep-alive, a graceful restart, a graceful end.
# needs: apache2 curl
# limit: 60
# spans: 12
# killed: the daemon of mod_cgid
# wire: 8082 8080
# filter: ^Date: .* => Date:
# filter: ^Last-Modified: .* => Last-Modified:
# filter: ^ETag: .* => ETag:
# Whether all of a CGI's answer is there when its head is sent is a matter of time.
# drop: ^Content-Length: \d{4}\b
# Process ids.
# filter: proxy\.\d+ => proxy.N
. "$HARM/lib.sh"
mkdir site cgi
chmod 755 .
seq 1 20000 >site/file
cat >cgi/witness <<'END'
#!/bin/sh
# The header a traced client adds, the context its server hands on; and a port of varying length.
unset HTTP_TRACEPARENT TRACEPARENT REMOTE_PORT
said=$("${0%/*}/program" by-cgi 2>&1)
printf 'Content-Type: text/plain\n\n%s' "$said"
END
cp "$HARM/witness" cgi/program
chmod 755 cgi/*
modules=/usr/lib/apache2/modules
serve() {
    mkdir "$1"
    { for module in "mpm_$1" authz_core dir mime alias env "$2" proxy proxy_http; do
        echo "LoadModule ${module}_module $modules/mod_$module.so"
    done
    cat <<END
ServerRoot $PWD/$1
ServerName service
Listen 127.0.0.1:8080
PidFile $PWD/$1/pid
Mutex file:$PWD/$1
ErrorLog $PWD/$1/log
User www-data
Group www-data
TypesConfig /etc/mime.types
StartServers 2
ServerTokens Prod
DocumentRoot $PWD/site
ScriptAlias /cgi/ $PWD/cgi/
PassEnv HARM
ProxyPass /proxied http://127.0.0.1:8080/file
<Directory $PWD/>
Require all granted
</Directory>
END
    [ "$2" = cgi ] || echo "ScriptSock $PWD/$1/cgi"
    } >"$1/conf"
    apache2 -f "$PWD/$1/conf"
    until_open 8080
    until_true test -s "$1/pid"
    pid=$(cat "$1/pid")
    for path in /file /proxied; do
        curl -s "http://127.0.0.1:8082$path" | md5sum
    done
    curl -s0 http://127.0.0.1:8082/cgi/witness
    curl -s -o /dev/null -o /dev/null -w '%{http_code} %{num_connects}\n' \
        http://127.0.0.1:8082/file http://127.0.0.1:8082/none
    facts "$pid"
    apache2 -f "$PWD/$1/conf" -k graceful
    until_true sh -c "[ \$(grep -c 'resuming normal' $1/log) = 2 ]"
    curl -s http://127.0.0.1:8082/file | md5sum
    apache2 -f "$PWD/$1/conf" -k stop
    until_gone "$pid"
    sed 's/^\[[^]]*\] //; s/pid [0-9]*\(:tid [0-9]*\)\?//' "$1/log"
    rm "$1/log"
}
serve prefork cgi
serve event cgid
