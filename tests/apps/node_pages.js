// SPDX-License-Identifier: Apache-2.0
//
// Answers of node's http server in the forms it has: the path says which. Prints its port, and ends
// when standard input does.
'use strict';
const http = require('node:http');

const pages = {
  '/hello': (request, response) => response.end('hello\n'),
  '/length': (request, response) => {
    response.writeHead(200, { 'Content-Length': 6 });
    response.write('hel');
    response.end('lo\n');
  },
  '/trailers': (request, response) => {
    response.writeHead(200, { Trailer: 'X-End' });
    response.write('a piece');
    response.addTrailers({ 'X-End': 'yes' });
    response.end();
  },
  '/nothing': (request, response) => response.writeHead(204).end(),
  '/broken': (request, response) => {
    response.writeHead(500);
    response.end('broken\n');
  },
  '/post': async (request, response) => {
    let length = 0;
    for await (const piece of request) length += piece.length;
    response.end(`${length}\n`);
  },
  '/large': (request, response) => response.end('x'.repeat(1000000)),
};

const server = http.createServer((request, response) => {
  response.sendDate = false;
  const page = pages[request.url.split('?')[0]];
  if (page) return page(request, response);
  response.writeHead(404);
  response.end('no such page\n');
});
server.on('upgrade', (request, socket, early) => {
  socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n');
  if (early.length) socket.write(early); // what came with the request's head
  socket.pipe(socket);
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
process.stdin.on('end', () => process.exit(0)).resume();
