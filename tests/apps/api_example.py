# SPDX-License-Identifier: Apache-2.0
"""An example of the API in Python, by ctypes: spans as `with` blocks. It runs the same without
libotel_auto; core/otel_auto.h has the contracts."""
import contextlib
import ctypes
import sqlite3

INTERNAL, ERROR, NUL = 1, 2, ctypes.c_size_t(-1)


class Span(ctypes.Structure):
    _fields_ = [("opaque", ctypes.c_uint64 * 16)]


class Context(ctypes.Structure):
    _fields_ = [("opaque", ctypes.c_uint64 * 12)]


class Token(ctypes.Structure):
    _fields_ = [("opaque", ctypes.c_uint64 * 2)]


def call(name, *arguments):
    """otel_auto_v1_<name>, when it is there. All of them are found in the process itself."""
    function = getattr(ctypes.CDLL(None), "otel_auto_v1_" + name, None)
    if function is not None:
        function(*arguments)


@contextlib.contextmanager
def span(name):
    """A span that is current inside the block; an exception is its status."""
    it, context, token = Span(), Context(), Token()
    call("start", ctypes.byref(it), name.encode(), NUL, INTERNAL, None, ctypes.c_uint64(0))
    call("context", ctypes.byref(it), ctypes.byref(context))
    call("attach", ctypes.byref(context), ctypes.byref(token))
    try:
        yield it
    except Exception as error:
        call("set_status", ctypes.byref(it), ERROR, str(error).encode(), NUL)
        raise
    finally:
        call("detach", ctypes.byref(token))
        call("end", ctypes.byref(it), ctypes.c_uint64(0))


def set_text(it, key, value):
    call("set_text", ctypes.byref(it), key.encode(), value.encode(), NUL)


def main():
    db = sqlite3.connect(":memory:")
    with span("report") as report:
        set_text(report, "report.name", "weekly")
        with span("load"):
            print(db.execute("SELECT 1 AS loaded").fetchall())
        try:
            with span("fail"):
                db.execute("SELECT nonsense FROM nowhere")
        except sqlite3.Error as error:
            print(error)


if __name__ == "__main__":
    main()
