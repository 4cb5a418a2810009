# SPDX-License-Identifier: Apache-2.0
"""One run of one case, in namespaces of its own: the first process of a pid namespace, with an
empty /tmp, /run, /var/tmp and /dev/shm and a network that is a loopback. So ports, folders and
process ids are the same each time, the collector stands at the address where a tracer looks for
one, and what a case leaves behind is all that is there.

    inside.py CASE native | shim        one JSON object to stdout

Imports come first and everything is read before the mounts, which may hide this file.
"""
import base64
import fcntl
import glob
import hashlib
import json
import os
import selectors
import signal
import socket
import stat
import struct
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "support")]
from case import Case  # noqa: E402
from collector import Collector  # noqa: E402
from harness import BUILD, environment, program  # noqa: E402

PRIVATE = ("/tmp", "/var/tmp", "/run", "/dev/shm")
OURS = "/run/harm"  # what the harness brings; no part of what is compared
FOLDER = "/tmp/case"
LINGER_S = 5  # for processes that are about to end when the case has
SMALL = 64 << 10  # files up to here are told whole


def read(path):
    with open(path, "rb") as f:
        return f.read()


def loopback():
    with socket.socket() as sock:
        fcntl.ioctl(sock, 0x8914, struct.pack("16sh14x", b"lo", 0x1 | 0x40))  # SIOCSIFFLAGS, up


def stage(case):
    """Empty folders, and copies of what the case needs in one that every user may read."""
    brought = {os.path.basename(path): read(path) for path in glob.glob(BUILD + "/libotel_*.so")}
    brought |= {name: read(path) for name, path in {
        "witness": program("witness"),
        "probe": program("probe"), "lib.sh": os.path.join(HERE, "lib.sh"),
        "pytests.py": os.path.join(HERE, "pytests.py"),
        "case.sh": case.path}.items()}
    for path in PRIVATE:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=1777", "none", path], check=True)
    os.chdir("/")
    os.umask(0o022)
    os.makedirs(OURS)
    for name, data in brought.items():
        with open(os.path.join(OURS, name), "wb") as f:
            f.write(data)
        os.chmod(os.path.join(OURS, name), 0o755)
    os.mkdir(FOLDER)
    os.mkdir("/tmp/home")


class Wire:
    """Passes connections to one port on to another and keeps the bytes of both directions."""

    def __init__(self, port, target):
        self.target, self.streams = target, []
        self.listener = socket.create_server(("127.0.0.1", port))
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            client, _ = self.listener.accept()
            try:
                server = socket.create_connection(("127.0.0.1", self.target))
            except OSError:
                client.close()
                continue
            sent, answered = bytearray(), bytearray()
            self.streams.append((sent, answered))
            for pair in ((client, server, sent), (server, client, answered)):
                threading.Thread(target=self._pass_on, args=pair, daemon=True).start()

    @staticmethod
    def _pass_on(source, target, kept):
        try:
            while data := source.recv(1 << 16):
                kept += data
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass


def reap(pid):
    """Takes leave of all that have ended, as the first process must; the status of pid or None."""
    found = None
    try:
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            if ended[0] == pid:
                found = os.waitstatus_to_exitcode(ended[1])
    except ChildProcessError:
        pass
    return found


def others():
    """Names of the processes beside this one."""
    names = []
    for pid in os.listdir("/proc"):
        if pid.isdigit() and pid != "1":
            try:
                names.append(read(f"/proc/{pid}/comm").decode(errors="replace").strip())
            except OSError:
                pass  # it has just ended
    return sorted(names)


def start(env):
    """The case as a child: its pid, and the reading ends of its stdout and stderr."""
    ends = [os.pipe(), os.pipe()]
    pid = os.fork()
    if pid == 0:
        os.setsid()
        os.dup2(os.open("/dev/null", os.O_RDONLY), 0)
        os.dup2(ends[0][1], 1)
        os.dup2(ends[1][1], 2)
        os.closerange(3, 1024)
        for number in (signal.SIGPIPE, signal.SIGXFSZ):  # which python ignores
            signal.signal(number, signal.SIG_DFL)
        os.chdir(FOLDER)
        os.execve("/bin/bash", ["bash", OURS + "/case.sh"], env)
    for _, write in ends:
        os.close(write)
    return pid, [read_end for read_end, _ in ends]


def follow(pid, outputs, limit):
    """Reads the outputs until the case has ended and nothing more comes. Its exit status is None
    when it did not end in time."""
    said, status, ended = {fd: b"" for fd in outputs}, None, None
    with selectors.DefaultSelector() as ready:
        for fd in outputs:
            ready.register(fd, selectors.EVENT_READ)
        until = time.monotonic() + limit
        while time.monotonic() < until:
            events = ready.select(0.02) if ready.get_map() else time.sleep(0.02)
            for key, _ in events or ():
                data = os.read(key.fd, 1 << 16)
                said[key.fd] += data
                if not data:
                    ready.unregister(key.fd)
            found = reap(pid)
            if found is not None:
                status, ended = found, time.monotonic()
            if status is not None and not events and (
                    not others() or time.monotonic() - ended > LINGER_S):
                break
    return status, [said[fd] for fd in outputs]


def left_files():
    """Each file in the private folders: its kind, mode, size and what is in it."""
    found = {}
    for top in PRIVATE:
        for here, folders, names in os.walk(top):
            folders[:] = [f for f in folders if os.path.join(here, f) != OURS]
            for name in folders + names:
                path = os.path.join(here, name)
                what = os.lstat(path)
                text = ""
                if stat.S_ISLNK(what.st_mode):
                    text = os.readlink(path)
                elif stat.S_ISREG(what.st_mode):
                    data = read(path)
                    text = (data.decode("latin-1") if len(data) <= SMALL else
                            hashlib.sha256(data).hexdigest())
                found[path] = [stat.filemode(what.st_mode), what.st_uid, text]
    return found


def main():
    case, shim = Case(sys.argv[1]), sys.argv[2] == "shim"
    # Kept from the program: what this process says to its starter.
    answer = os.fdopen(fcntl.fcntl(1, fcntl.F_DUPFD_CLOEXEC, 900), "w")
    extra = {"HOME": "/tmp/home", "HARM": OURS, "TMPDIR": None, "BUILD": None, "USER": "root"}
    if shim:
        extra |= {"LD_PRELOAD": OURS + "/libotel_auto.so", "OTEL_AUTO_EXIT_TIMEOUT": "10000"}
    stage(case)
    loopback()
    collector = Collector(port=4318)
    wires = [Wire(*pair) for pair in case.wires]
    began = time.monotonic()
    status, (out, err) = follow(*start(environment(extra)), case.limit)
    json.dump({
        "status": status, "stdout": out.decode("latin-1"), "stderr": err.decode("latin-1"),
        "left running": others(), "files": left_files(),
        "wire": [[base64.b64encode(data).decode() for data in stream]
                 for wire in wires for stream in wire.streams],
        "took": time.monotonic() - began, "spans": len(collector.spans),
        "complaints": collector.errors,
    }, answer)


main()
