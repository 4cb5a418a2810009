#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# git: a repository made, cloned over HTTP (both protocols), fetched, pushed to over a pipe.
# needs: git python3
# quick
# spans: 10
# killed: the server
# wire: 8081 8080
# The order of what a clone over two connections asks for, and the times of an answer.
# filter: ^Date: .* => Date:
# filter: ^Last-Modified: .* => Last-Modified:
# Which of its connections' slots a request gets, and with it whether it names encodings.
# drop: ^Accept-Encoding: 
. "$HARM/lib.sh"
export GIT_AUTHOR_DATE='1000000000 +0000' GIT_COMMITTER_DATE='1000000000 +0000'
git config --global init.defaultBranch main
git config --global user.email someone@example.org
git config --global user.name Someone
git config --global pack.threads 1
git init -q work
for i in 1 2 3; do
    seq 1 "$((i * 500))" >"work/file$i"
    git -C work add . && git -C work commit -q -m "commit $i"
done
git -C work log --stat --oneline | cat
git clone -q --bare work site.git
git -C site.git update-server-info
cat >server.py <<'END'
import functools, http.server, os
class Handler(http.server.CGIHTTPRequestHandler):
    """Files as they are below /plain, git-http-backend below /smart."""
    protocol_version = "HTTP/1.0"
    have_fork = True
    def is_cgi(self):
        if self.path.startswith("/smart/"):
            self.cgi_info = "", "backend" + self.path[6:]
            return True
        return False
    def log_message(self, *what): pass
http.server.HTTPServer(("127.0.0.1", 8080), Handler).serve_forever()
END
ln -s "$(git --exec-path)/git-http-backend" backend
ln -s site.git plain
export GIT_PROJECT_ROOT=$PWD GIT_HTTP_EXPORT_ALL=1
python3 server.py &
server=$!
until_open 8080
git clone -q http://127.0.0.1:8081/plain dumb
echo "status $?"
git -C dumb log --oneline | cat
git clone http://127.0.0.1:8081/smart/site.git smart 2>&1 | tr '\r' '\n' |
    grep -v 'Receiving\|remote:'
git -C smart log --oneline | cat
git -C smart fsck
git -C work commit -q --allow-empty -m more
git -C work push -q ../site.git main
git -C smart pull -q
git -C smart log --oneline | head -n 1
git clone -q http://127.0.0.1:8081/nothing
echo "status $?"
kill "$server"
wait "$server"
git clone -q http://127.0.0.1:8080/plain refused
echo "status $?"
diff -r --exclude=.git smart work && echo the same files
rm -rf dumb smart work site.git
