#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# node's children: spawn, exec, fork with a channel, a cluster of servers, worker threads.
# needs: node
# quick
# spans: 4
# wire: 8081 8080
# filter: ^Date: .* => Date:
. "$HARM/lib.sh"
cat >children.js <<'END'
const { spawn, spawnSync, exec, fork } = require('child_process');
const cluster = require('cluster'), http = require('http'), worker = require('worker_threads');
const witness = process.env.HARM + '/witness';

if (process.argv[2] === 'forked') {
    process.on('message', m => { process.send({ got: m }); process.disconnect(); });
} else if (cluster.isWorker) {
    http.createServer((q, r) => { r.end(`${q.method} ${q.url} by a worker\n`); }).listen(8080);
} else if (!worker.isMainThread) {
    worker.parentPort.postMessage(spawnSync('echo', ['from a thread']).stdout.toString());
} else {
    const done = child => new Promise(end => child.on('exit', (...how) => end(how)));
    (async () => {
        console.log(spawnSync(witness, ['from', 'node']).stdout.toString());
        console.log(spawnSync('/no/such/program').error.code);
        console.log(await done(spawn('sh', ['-c', 'kill -9 $$'])));
        await new Promise(end => exec('echo out; exit 3',
                                      (e, out) => end(console.log(e.code, out))));
        const child = fork(__filename, ['forked']);
        child.on('message', m => console.log(m));
        child.send({ a: [1, 2] });
        console.log(await done(child));
        const thread = new worker.Worker(__filename);
        thread.on('message', m => console.log(m));
        console.log(await done(thread));
        cluster.fork();
        await new Promise(end => cluster.on('listening', end));
        for (const path of ['/one', '/two']) {
            const answer = await fetch('http://127.0.0.1:8081' + path,
                                       { headers: { connection: 'close' } });
            console.log(answer.status, await answer.text());
        }
        cluster.disconnect(() => console.log('disconnected'));
    })();
}
END
node children.js
echo "status $?"
node -e 'process.on("SIGTERM", () => { console.log("caught"); process.exit(8); });
         process.kill(process.pid, "SIGTERM"); setInterval(() => {}, 1000);'
echo "status $?"
node -e 'process.abort()' >/dev/null 2>&1
echo "status $?"
node -e 'throw new Error("uncaught")' 2>&1 | grep -v '^ *at\|Node.js v'
