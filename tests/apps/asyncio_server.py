# SPDX-License-Identifier: Apache-2.0
"""An asyncio server that answers each request with what the upstream says for the same path.

    asyncio_server.py now PORT     at once, over a new connection
    asyncio_server.py timer PORT   after a timer of 5 ms

Prints its own port, and ends when standard input does.
"""
import asyncio
import functools
import sys


async def message(reader):
    """(head, body), or None at the end."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    length = 0
    for line in head.split(b"\r\n"):
        if line.lower().startswith(b"content-length:"):
            length = int(line.split(b":")[1])
    return head, await reader.readexactly(length)


async def ask(port, path):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET " + path + b" HTTP/1.1\r\nHost: upstream\r\nConnection: close\r\n\r\n")
    _, body = await message(reader)
    writer.close()
    return body


async def serve(mode, port, reader, writer):
    while request := await message(reader):
        if mode == "timer":
            await asyncio.sleep(0.005)
        body = await ask(port, request[0].split(b" ")[1])
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        if b"\r\nconnection: close" in request[0].lower():
            break
    writer.close()


async def main():
    mode, port = sys.argv[1], int(sys.argv[2])
    server = await asyncio.start_server(functools.partial(serve, mode, port), "127.0.0.1", 0,
                                        backlog=512)
    print(server.sockets[0].getsockname()[1], flush=True)
    ended = asyncio.Event()
    asyncio.get_running_loop().add_reader(0, ended.set)
    await ended.wait()


asyncio.run(main())
