# SPDX-License-Identifier: Apache-2.0
"""A case: a bash script whose first comment says what it is, followed by lines of the form

    # needs: git sshd            programs it drives; without them it is skipped, and says so
    # limit: 60                  seconds it may take; 60 without
    # quick                      part of the suite's selection
    # spans: 3                   the least that must reach the collector under the shim
    # killed: its server         a process that a signal ends: its spans may stay in the spool;
                                 else a file there is one too many
    # wire: 8081 8080            connections to the first port are passed on to the second, and
                                 their bytes compared
    # filter: REGEX => TEXT      applied to what is compared, line by line: for what differs from
                                 run to run anyway. Each says in the line above it why.
    # drop: REGEX                takes away whole lines of the kind

It is run natively and under the shim, in an empty folder. $HARM holds lib.sh, which it sources.
"""
import os
import re
import shutil

CASES = os.path.join(os.path.dirname(os.path.realpath(__file__)), "cases")
PATH = "/usr/lib/postgresql/15/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# What the README says the tracer does, and what the harness itself sets: under the shim.
ADDED = [
    # The variables that switch it on, and the context a traced program hands to its children.
    (r"/run/harm/(?:\.\./harm/)?libotel_auto\.so:?", ""),
    (r"(?m)^env (LD_PRELOAD=|OTEL_AUTO_EXIT_TIMEOUT=.*|TRACEPARENT=.*)\n", ""),
    # The header lines it adds to a request.
    (r"(?mi)^(traceparent|tracestate|baggage): [^\r\n]*\r?\n", ""),
]

ALWAYS = [
    # bash's word of a child that died by a signal.
    (r"(?m)^(\S+: line \d+:) +\d+ ", r"\1 PID "),
]


class Case:
    def __init__(self, path):
        self.path = path
        self.name = os.path.basename(path).removesuffix(".sh")
        with open(path, encoding="utf-8") as f:
            head = re.match(r"(#.*\n)*", f.read()).group()
        self.quick = bool(re.search(r"^# quick$", head, re.M))
        self.needs = " ".join(self._all(head, "needs")).split()
        self.limit = int(next(iter(self._all(head, "limit")), 60))
        self.killed = self._all(head, "killed")
        self.spans = int(next(iter(self._all(head, "spans")), 0))
        self.wires = [tuple(map(int, pair.split())) for pair in self._all(head, "wire")]
        self.filters = [self._filter(*line) for line in re.findall(
            r"^# (filter|drop): (.*)$", head, re.M)]

    @staticmethod
    def _all(head, name):
        return re.findall(rf"^# {name}: (.*)$", head, re.M)

    @staticmethod
    def _filter(kind, text):
        if kind == "drop":
            return re.compile(rf"(?m)^.*(?:{text}).*\n"), ""
        pattern, _, replacement = text.partition(" => ")
        return re.compile(f"(?m){pattern}"), replacement

    @property
    def missing(self):
        return [n for n in self.needs if not (os.path.exists(n) if n.startswith("/") else
                                              shutil.which(n, path=PATH))]

    def clean(self, text, shim):
        """text as it is compared."""
        for pattern, replacement in ALWAYS + (ADDED if shim else []):
            text = re.sub(pattern, replacement, text)
        for pattern, replacement in self.filters:
            text = pattern.sub(replacement, text)
        return text


def cases(names=(), quick=False):
    """Those named (one with a slash is a path), or all, or the quick ones."""
    found = [Case(os.path.join(CASES, f)) for f in sorted(os.listdir(CASES)) if f.endswith(".sh")]
    elsewhere = [n for n in names if "/" in n]
    unknown = set(names) - {c.name for c in found} - set(elsewhere)
    if unknown:
        raise SystemExit(f"no such case: {' '.join(sorted(unknown))}")
    chosen = [c for c in found if (c.name in names if names else c.quick or not quick)]
    return chosen + [Case(path) for path in elsewhere]
