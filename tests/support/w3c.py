# SPDX-License-Identifier: Apache-2.0
"""What a W3C trace-context participant (level 2) must make of the headers it gets: cases, and a
reader of our own to judge by what it sends. Nothing here comes from the code under test.

A case is (name, header lines as sent, expected flags or None, expected tracestate). Flags: those it
must send when the trace goes on; None: it must start a new trace. The tracestate is a list of
(key, value), in order; [] for none, ANY where either the whole list or nothing may go on.
"""
import os
import re
import string
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from contexts import header_values  # noqa: E402

TRACE, PARENT = "12345678901234567890123456789012", "1234567890123456"
GOOD = f"00-{TRACE}-{PARENT}-01"
ANY = "whole or not at all"
_VALUE = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.S)


def read(head):
    """(trace id, parent id, flags) that a receiver of this head goes on with; None: a new trace."""
    values = header_values(head, b"traceparent")
    match = _VALUE.fullmatch(values[0]) if len(values) == 1 else None
    if not match or match[1] == "ff" or (match[1] == "00" and match[5]) or not match[2].strip("0") \
            or not match[3].strip("0"):
        return None
    return match[2], match[3], int(match[4], 16)


def members(head):
    """Of all tracestate headers: [(key, value)], empty members left out."""
    parts = [m.strip(" \t") for v in header_values(head, b"tracestate") for m in v.split(",")]
    return [tuple(m.split("=", 1)) for m in parts if m]


def _parents():
    def new(name, *values):
        return (name, [f"traceparent: {v}" for v in values], None, [])

    def on(name, value, flags=1):
        return (name, [f"traceparent: {value}"], flags, [])

    ids = f"{TRACE}-{PARENT}"
    yield ("no header", [], None, [])
    yield on("a plain one", GOOD)
    for flags, sent in (("00", 0), ("01", 1), ("02", 2), ("03", 3), ("ff", 3), ("fc", 0),
                        ("09", 1)):
        yield on(f"flags {flags}", f"00-{ids}-{flags}", sent)
    for where, value in (("in front", f" {GOOD}"), ("a tab in front", f"\t{GOOD}"),
                         ("behind", f"{GOOD} "), ("a tab behind", f"{GOOD}\t"),
                         ("all round", f"\t {GOOD} \t")):
        yield on(f"white space {where}", value)
    for case in ("TraceParent", "TRACEPARENT", "tRaCePaReNt", "Traceparent"):
        yield (f"the name as {case}", [f"{case}: {GOOD}"], 1, [])
    yield ("no space behind the colon", [f"traceparent:{GOOD}"], 1, [])
    for other in ("trace-parent", "trace.parent", "traceparen", "traceparent2", "xtraceparent"):
        yield (f"another name, {other}", [f"{other}: {GOOD}"], None, [])
    yield new("two that differ", GOOD, f"00-{TRACE}-{PARENT[::-1]}-01")
    yield new("twice the same", GOOD, GOOD)
    yield new("two, of which one is broken", GOOD, "00-x")
    yield new("two in one header", f"{GOOD},{GOOD}")
    yield ("two in different case", [f"traceparent: {GOOD}", f"TraceParent: {GOOD}"], None, [])
    yield new("empty", "")
    # versions
    yield on("a later version", f"cc-{ids}-01")
    yield on("a later version with more", f"cc-{ids}-01-what-comes-later")
    yield on("a later version and a dash", f"01-{ids}-01-")
    yield on("the last version there can be", f"fe-{ids}-01")
    for name, value in (
            ("a later version with more, no dash", f"cc-{ids}-01.what"),
            ("a later version, flags of three digits", f"cc-{ids}-011"),
            ("a later version, cut", f"cc-{ids}-0"),
            ("version 00 and a dash", f"{GOOD}-"),
            ("version 00 with more", f"{GOOD}-what-comes-later"),
            ("version 00 and a dot", f"{GOOD}."),
            ("version ff", f"ff-{ids}-01"),
            ("version FF", f"FF-{ids}-01"),
            ("version .0", f".0-{ids}-01"), ("version 0.", f"0.-{ids}-01"),
            ("version of three digits", f"000-{ids}-01"),
            ("version of four digits", f"0000-{ids}-01"),
            ("version of one digit", f"0-{ids}-01"), ("no version", f"{ids}-01"),
            # trace id
            ("trace id of zeros", f"00-{'0' * 32}-{PARENT}-01"),
            ("trace id with a dot in front", f"00-.{TRACE[1:]}-{PARENT}-01"),
            ("trace id with a dot behind", f"00-{TRACE[:-1]}.-{PARENT}-01"),
            ("trace id with a letter beyond f", f"00-{TRACE[:-1]}g-{PARENT}-01"),
            ("trace id too long", f"00-{TRACE}3-{PARENT}-01"),
            ("trace id too short", f"00-{TRACE[:-1]}-{PARENT}-01"),
            ("trace id of 64 bits", f"00-{TRACE[:16]}-{PARENT}-01"),
            ("trace id in upper case", f"00-ABCDEF{TRACE[6:]}-{PARENT}-01"),
            # parent id
            ("parent id of zeros", f"00-{TRACE}-{'0' * 16}-01"),
            ("parent id with a dot in front", f"00-{TRACE}-.{PARENT[1:]}-01"),
            ("parent id with a dot behind", f"00-{TRACE}-{PARENT[:-1]}.-01"),
            ("parent id too long", f"00-{TRACE}-{PARENT}7-01"),
            ("parent id too short", f"00-{TRACE}-{PARENT[:-1]}-01"),
            ("parent id in upper case", f"00-{TRACE}-ABCDEF{PARENT[6:]}-01"),
            # flags
            ("flags .0", f"00-{ids}-.0"), ("flags 0.", f"00-{ids}-0."),
            ("flags of three digits", f"00-{ids}-001"), ("flags of one digit", f"00-{ids}-1"),
            ("no flags", f"00-{ids}"), ("flags 0A", f"00-{ids}-0A"),
            # form
            ("underscores for dashes", GOOD.replace("-", "_")),
            ("white space within", GOOD.replace("-", " - ")),
            ("in quotes", f'"{GOOD}"'), ("only dashes", "---"), ("a byte beyond ASCII", GOOD + "é"),
            ("very long", GOOD + "0" * 5000)):
        yield new(name, value)


def _states():
    parent = f"traceparent: {GOOD}"

    def state(name, expected, *values):
        if expected is True:
            expected = [tuple(m.split("=", 1)) for v in values for m in v.split(",")]
        lines = [f"tracestate: {v}" for v in values]
        return (f"tracestate: {name}", [parent, *lines], 1, expected)

    foo = [("foo", "1")]
    yield state("one member", True, "foo=1")
    yield state("two members", True, "foo=1,bar=2")
    yield state("two headers", True, "foo=1", "bar=2")
    yield state("order is kept", True, "zoo=1,aaa=2", "mmm=3,bbb=4", "rojo=00f067aa0ba902b7")
    yield state("forty headers", [], *(f"k{n}=v" for n in range(40)))
    yield state("thirty-two headers", True, *(f"k{n}=v" for n in range(32)))
    for case in ("TraceState", "TRACESTATE", "tRaCeStAtE"):
        yield (f"tracestate: the name as {case}", [parent, f"{case}: foo=1"], 1, foo)
    for other in ("trace-state", "trace.state", "tracestat", "tracestate2"):
        yield (f"tracestate: another name, {other}", [parent, f"{other}: foo=1"], 1, [])
    yield ("tracestate: it comes first", ["tracestate: foo=1", parent], 1, foo)
    yield ("tracestate: it comes on both sides",
           ["tracestate: foo=1", parent, "tracestate: bar=2"], 1, [*foo, ("bar", "2")])
    yield state("an empty header", [], "")
    yield state("an empty header first", foo, "", "foo=1")
    yield state("an empty header last", foo, "foo=1", "")
    yield state("empty members", foo + [("bar", "2")], ",foo=1,,bar=2,")
    yield state("only commas", [], ",,,")
    yield state("white space round members", [*foo, ("bar", "2"), ("baz", "3")],
                "foo=1 \t , \t bar=2, \t baz=3")
    yield state("white space round the header", foo, " \t foo=1 \t ")
    yield state("a space before a value", [("foo", " 1")], "foo= 1")
    yield state("every character a key may have", True,
                string.ascii_lowercase + string.digits + "_-*/@=1")
    yield state("a key that begins with a digit", True, "1a=1")
    yield state("a tenant and a system", True, "tenant@system=1,0@z=2")
    yield state("more than one @ (level 2)", True, "foo@@bar=1,a@b@c=2,foo@=3")
    chars = "".join(chr(c) for c in range(0x20, 0x7f) if chr(c) not in ",=")
    yield state("every character a value may have", [("foo", chars)], f"foo={chars}")
    yield state("the longest key", True, "z" * 256 + "=1")
    yield state("a key too long", [], "z" * 257 + "=1")
    yield state("the longest value", True, "z=" + "v" * 256)
    yield state("a value too long", [], "z=" + "v" * 257)
    yield state("five hundred and twelve bytes", True, "a=" + "v" * 253 + ",b=" + "w" * 254)
    yield state("the largest there can be", ANY,
                ",".join(f"{n:0256d}=" + "v" * 256 for n in range(32)))
    many = [f"bar{n:02d}={n:02d}" for n in range(33)]
    yield state("32 members", True, ",".join(many[:32]))
    yield state("32 members and empty ones", [tuple(m.split("=")) for m in many[:32]],
                ",".join(many[:16]) + ",,,", ",".join(many[16:32]))
    yield state("33 members", [], ",".join(many))
    yield state("33 members in two headers", [], ",".join(many[:20]), ",".join(many[20:]))
    yield state("a key twice", [], "foo=1,foo=1")
    yield state("a key twice, values differ", [], "foo=1,foo=2")
    yield state("a key twice in two headers", [], "foo=1", "foo=2")
    yield state("a key twice with others between", [], "foo=1,bar=2", "baz=3,foo=4")
    for bad in ("foo =1", "FOO=1", "foo.bar=1", "@foo=1", "_foo=1", "-a=1", "foo", "=1", "=",
                "foo=", "foo=bar=baz", "foo=\u00e9", "fo\u00e9=1", "foo=a\tb",
                "foo bar=1", "a;b=1"):
        yield state(f"{bad!r}", [], bad)
        yield state(f"{bad!r} among good ones", [], f"good=1,{bad},fine=2")
    for name, value in (("without traceparent", None), ("beside a broken one", "00-x"),
                        ("beside version ff", f"ff{GOOD[2:]}"),
                        ("beside an id of zeros", f"00-{'0' * 32}-{PARENT}-01")):
        lines = [f"traceparent: {value}"] if value else []
        yield (f"tracestate: {name}", [*lines, "tracestate: foo=1,bar=2"], None, [])
    yield ("tracestate: beside two parents",
           [parent, parent, "tracestate: foo=1"], None, [])
    yield ("tracestate: beside one that is not sampled",
           [f"traceparent: 00-{TRACE}-{PARENT}-00", "tracestate: foo=1"], 0, foo)


def _heads():
    parent = f"traceparent: {GOOD}"
    cookies = [f"Cookie: c{n}={'x' * 1000}" for n in range(60)]
    yield ("behind eight kilobytes of cookies", [*cookies[:8], parent, "tracestate: foo=1"], 1,
           [("foo", "1")])
    yield ("behind sixty kilobytes of cookies", [*cookies, parent], 1, [])
    yield ("before sixty kilobytes of cookies", [parent, *cookies], 1, [])
    yield ("a first one of two, far apart", [parent, *cookies[:20], parent], None, [])


CASES = [*_parents(), *_states(), *_heads()]
