// SPDX-License-Identifier: Apache-2.0
//
// An HTTP server that answers each request with what the upstream says for the same path, asked
// with fetch().
//
//     node_server.js now PORT     at once
//     node_server.js timer PORT   after a timer of 5 ms
//     node_server.js two PORT     twice at a time, for PATH/a and PATH/b
//     node_server.js pool PORT    at once, but over four connections at most: fetch queues
//
// Meanwhile a timer of its own asks for /background/N, which belongs to no request; not so with
//
//     node_server.js only PORT    at once
//
// Prints its own port, and ends when standard input does.
'use strict';
const http = require('node:http');
const { setTimeout: timer } = require('node:timers/promises');

const [mode, port] = process.argv.slice(2);
const upstream = `http://127.0.0.1:${port}`;

const ask = async (path) => (await fetch(upstream + path)).text();

async function answer(path) {
  if (mode === 'timer') await timer(5);
  if (mode !== 'two') return ask(path);
  await Promise.all([ask(path + '/a'), ask(path + '/b')]);
  return path;
}

async function main() {
  if (mode === 'pool') {
    await ask('/warm-up'); // makes fetch's dispatcher, whose class is found in no other way
    const dispatcher = Symbol.for('undici.globalDispatcher.1');
    globalThis[dispatcher] = new globalThis[dispatcher].constructor({ connections: 4 });
  }
  const server = http.createServer(async (request, response) => {
    const body = await answer(request.url);
    response.writeHead(200, { 'Content-Length': Buffer.byteLength(body) });
    response.end(body);
  });
  server.keepAliveTimeout = 60000;
  server.listen(0, '127.0.0.1', () => console.log(server.address().port));
  let number = 0;
  if (mode !== 'only') setInterval(() => ask(`/background/${number++}`).catch(() => {}), 4);
  process.stdin.on('end', () => process.exit(0)).resume();
}

main();
