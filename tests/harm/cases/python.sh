#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# python's ways of children: subprocess with everything it can close and pass, fork, multiprocessing
# by fork, spawn and forkserver, a pool, os.system and popen.
# needs: python3
# quick
# spans: 4
# limit: 120
# Numbers of pipes that multiprocessing passes on.
# filter: (--multiprocessing-fork|tracker_fd=\d+, pipe_handle=\d+).* => \1
. "$HARM/lib.sh"
cat >children.py <<'END'
import ctypes, errno, multiprocessing, os, signal, socket, subprocess, sys, threading

WITNESS = os.environ["HARM"] + "/witness"

def square(n):
    return n * n

def talk(ends):
    ends.send([1, "two", os.getppid() > 0])
    ends.close()

def main():
    print(subprocess.run([WITNESS, "run"], capture_output=True, check=True).stdout.decode())
    read, write = os.pipe()
    out = subprocess.run([WITNESS, "passing"], pass_fds=[write], close_fds=True,
                         stdout=subprocess.PIPE, start_new_session=True, cwd="/",
                         env={k: v for k, v in os.environ.items() if k.startswith("LD_")}).stdout
    print(out.decode())
    out = subprocess.run([WITNESS, "not closing"], close_fds=False, restore_signals=False,
                         stdout=subprocess.PIPE, preexec_fn=lambda: os.nice(1)).stdout
    print(out.decode())
    os.close(read), os.close(write)
    for bad in ("/no/such/program", "/etc/passwd"):
        try:
            subprocess.run([bad])
        except OSError as why:
            print(errno.errorcode[why.errno])
    sys.stdout.flush()
    print(os.system("exit 5"), os.popen("echo popen").read(), flush=True)
    pid = os.fork()
    if pid == 0:
        os._exit(4)
    print(os.waitpid(pid, 0)[1])
    for method in ("fork", "spawn", "forkserver"):
        context = multiprocessing.get_context(method)
        with context.Pool(3) as pool:
            print(method, pool.map(square, range(10)))
        here, there = context.Pipe()
        child = context.Process(target=talk, args=(there,))
        child.start()
        print(here.recv())
        child.join()
        print(child.exitcode)
    threads = [threading.Thread(target=subprocess.run, args=(["/bin/true"],)) for _ in range(8)]
    [t.start() for t in threads], [t.join() for t in threads]
    left, right = socket.socketpair()
    child = subprocess.Popen(["cat"], stdin=right, stdout=subprocess.PIPE)
    right.close()
    left.sendall(b"by socket\n"), left.close()
    print(child.communicate()[0])
    child = subprocess.Popen(["sleep", "100"])
    child.send_signal(signal.SIGKILL)
    print(child.wait())
    print(len(os.listdir("/proc/self/fd")))

if __name__ == "__main__":
    main()
END
python3 children.py
echo "status $?"
python3 -c 'import os; os.abort()'
echo "status $?"
python3 -c 'import sys; sys.exit("said at exit")'
echo "status $?"
python3 -c 'import asyncio
async def main():
    child = await asyncio.create_subprocess_exec("sh", "-c", "echo out; echo err >&2; exit 6",
                                                 stdout=-1, stderr=-1)
    print(await child.communicate(), child.returncode)
asyncio.run(main())'
