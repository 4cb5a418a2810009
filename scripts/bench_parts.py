# SPDX-License-Identifier: Apache-2.0
"""What the parts of the benchmark share: where things are built, the collector, rows and the
table."""
import collections
import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
BUILD = os.path.join(ROOT, sys.argv[1] if len(sys.argv) > 1 else "build")
LIBRARY = os.path.join(BUILD, "libotel_auto.so")
MODULE = os.path.join(BUILD, "libotel_export.so")
ROUNDS = 8

# met None: there is no target.
Row = collections.namedtuple("Row", "what base ours added target met")


def program(name, folder="bench"):
    return os.path.join(BUILD, folder, name)


class Sink:
    """The cheapest collector there is, for as long as the with statement lasts. processor: where
    it is to run, None: anywhere. There it comes before its neighbours (for root): a collector that
    waits for a load generator's time slice is one no program exports to."""

    def __init__(self, processor=None):
        self.processor = processor

    def __enter__(self):
        pin = [] if self.processor is None else ["taskset", "-c", str(self.processor)]
        if pin and os.getuid() == 0:
            pin += ["nice", "-n", "-20"]
        self.process = subprocess.Popen([*pin, program("sink", "programs")],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.url = f"http://127.0.0.1:{int(self.process.stdout.readline())}"
        return self

    def received(self):
        """Spans so far, a number for each kind (SpanKind of opentelemetry-proto)."""
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()
        return [int(n) for n in self.process.stdout.readline().split()]

    def __exit__(self, *unused):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


def in_turn(rounds, *runs):
    """Each of runs called once a round; the results, a list for each."""
    results = [[] for _ in runs]
    for _ in range(rounds):
        for call, into in zip(runs, results):
            into.append(call())
    return results


def environment(sink, preload=False, **settings):
    """This process's own without OpenTelemetry, to export to sink."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("OTEL_", "LD_"))}
    env.update(settings, OTEL_EXPORTER_OTLP_ENDPOINT=sink.url)
    if preload:
        env["LD_PRELOAD"] = LIBRARY
    return env


def amount(value, unit, sign=""):
    if unit == "ns" and abs(value) >= 1000:
        value, unit = value / 1000, "µs"
    elif unit == "µs" and abs(value) >= 1000:
        value, unit = value / 1000, "ms"
    places = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:{sign}.{places}f} {unit}"


def cost(what, base, ours, unit, added_most=None, note=""):
    """A row whose target is on what is added to the baseline."""
    added = ours - base
    target = "" if added_most is None else f"<= {amount(added_most, unit, '+')}"
    return Row(what, amount(base, unit) + note, amount(ours, unit),
               f"{amount(added, unit, '+')} ({ours / base:.2f}x)" if base else "", target,
               None if added_most is None else added <= added_most)


def print_table(rows):
    head = Row("", "without", "with", "added", "target", "met")
    shown = [head] + [r._replace(met={None: "", True: "yes", False: "NO"}[r.met]) for r in rows]
    widths = [max(len(r[i]) for r in shown) for i in range(len(head))]
    for row in shown:
        print("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths)).rstrip())
