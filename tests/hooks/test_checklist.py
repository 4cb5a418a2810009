#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""docs/checklist.md says for each thing that broke other shims which tests it has: they exist."""
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from harness import ROOT, TestCase, main  # noqa: E402

REFERENCE = re.compile(r"`(tests/[^`:]+)(?:: (\w+))?`")


def faults(text, read):
    """What is wrong with a checklist. read(path): the text of a file, None where there is none."""
    rows = [line for line in text.splitlines()
            if line.startswith("| ") and not re.match(r"\| (what broke others|promise) \|", line)]
    for row in rows:
        _, what, tests, _ = (cell.strip() for cell in row.split("|"))
        references = REFERENCE.findall(tests)
        if not references or REFERENCE.sub("", tests).strip(" ,"):
            yield f"{what}: no test, or more than tests: {tests}"
        for path, name in references:
            held = read(path)
            definition = (rf"\bdef {name}\(self" if path.endswith(".py") else
                          rf"^Test\(\w+, {name}\b")
            if held is None:
                yield f"{what}: no file {path}"
            elif name and not re.search(definition, held, re.M):
                yield f"{what}: no test {name} in {path}"
            elif not name and not path.startswith("tests/harm/cases/"):
                yield f"{what}: {path} has many tests"
    if not rows:
        yield "no rows"


def read_file(path):
    try:
        with open(os.path.join(ROOT, path), encoding="utf-8") as f:
            return f.read()
    except FileNotFoundError:
        return None


class Checklist(TestCase):
    def test_every_test_exists(self):
        self.assertEqual(list(faults(read_file("docs/checklist.md"), read_file)), [])

    def test_what_is_missing_is_found(self):
        files = {"tests/a.py": "class A:\n    def test_it(self):\n", "tests/b.c": "Test(s, it)\n",
                 "tests/harm/cases/c.sh": ""}
        good = ("| what | `tests/a.py: test_it`, `tests/b.c: it` |\n"
                "| other | `tests/harm/cases/c.sh` |\n")
        self.assertEqual(list(faults(good, files.get)), [])
        for bad in ("| x | |", "| x | `tests/a.py` |", "| x | `tests/a.py: test_i` |",
                    "| x | `tests/b.c: i` |", "| x | `tests/n.py: test_it` |",
                    "| x | `tests/a.py: test_it` and more |", "| x | `tests/harm/cases/d.sh` |"):
            self.assertEqual(len(list(faults(good + bad, files.get))), 1, bad)
        self.assertEqual(list(faults("", files.get)), ["no rows"])


if __name__ == "__main__":
    main()
