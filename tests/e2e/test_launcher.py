# SPDX-License-Identifier: Apache-2.0
"""otel-auto: what it sets, what it refuses to touch, and what it says about it."""
import os
import re
import shutil
import stat
import struct
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "support"))
import collector  # noqa: E402

TOOL = os.path.join(ROOT, "build", "otel-auto")
LIBRARY = os.path.join(ROOT, "build", "libotel_auto.so")

CONFIG = """\
file_format: "1.1"
resource:
  attributes:
    - {name: service.name, value: from the file}
propagator:
  composite: [{tracecontext: }]
tracer_provider:
  processors:
    - batch:
        exporter:
          otlp_http:
            endpoint: ${COLLECTOR}/v1/traces
            headers: [{name: api-key, value: "a, b"}]
instrumentation/development:
  c:
    otel_auto: {exit_timeout: 10000}
"""


def launch(*args, env=None, cwd=None, tool=TOOL):
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("OTEL_", "LD_"))}
    return subprocess.run([tool, *args], env={**clean, "OTEL_TRACES_EXPORTER": "none",
                                              **(env or {})},
                          cwd=cwd, capture_output=True, text=True, timeout=60)


def elf(machine=62, interpreter=None):
    """A 64-bit little-endian ELF header with at most a PT_INTERP, good for nothing but reading."""
    ident = b"\x7fELF\x02\x01\x01" + bytes(9)
    phnum = 1 if interpreter else 0
    header = ident + struct.pack("<HHIQQQIHHHHHH", 2, machine, 1, 0, 64, 0, 0, 64, 56, phnum, 0, 0,
                                 0)
    if not interpreter:
        return header
    text = interpreter.encode() + b"\0"
    return header + struct.pack("<IIQQQQQQ", 3, 4, 120, 0, 0, len(text), len(text), 1) + text


class Launcher(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.dir)

    def file(self, name, content, mode=0o755):
        path = os.path.join(self.dir, name)
        with open(path, "wb") as out:
            out.write(content)
        os.chmod(path, mode)
        return path

    def variables(self, *args, env=None):
        done = launch("run", *args, "/usr/bin/env", env=env)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stderr, "")
        return dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)

    def test_sets_the_preload_and_nothing_else(self):
        got = self.variables()
        self.assertEqual(got["LD_PRELOAD"], os.path.realpath(LIBRARY))
        self.assertEqual([k for k in got if k.startswith("OTEL_")], ["OTEL_TRACES_EXPORTER"])

    def test_appends_to_what_is_preloaded_already_and_once(self):
        other = "/lib/x86_64-linux-gnu/libpthread.so.0"
        if not os.path.exists(other):
            self.skipTest(f"{other} is not here")
        got = self.variables(env={"LD_PRELOAD": other})
        self.assertEqual(got["LD_PRELOAD"], f"{other}:{os.path.realpath(LIBRARY)}")
        again = self.variables(env={"LD_PRELOAD": got["LD_PRELOAD"]})
        self.assertEqual(again["LD_PRELOAD"], got["LD_PRELOAD"])

    def test_options_become_settings(self):
        got = self.variables("--service", "shop", "--endpoint", "http://127.0.0.1:9", "--sample",
                             "0.25", "--", env={"OTEL_AUTO_EXIT_TIMEOUT": "1"})
        self.assertEqual(got["OTEL_SERVICE_NAME"], "shop")
        self.assertEqual(got["OTEL_EXPORTER_OTLP_ENDPOINT"], "http://127.0.0.1:9")
        self.assertEqual(got["OTEL_TRACES_SAMPLER"], "parentbased_traceidratio")
        self.assertEqual(got["OTEL_TRACES_SAMPLER_ARG"], "0.25")
        self.assertEqual(got["OTEL_TRACES_EXPORTER"], "otlp")

    def test_tree_and_file_replace_the_collector_unless_it_is_named(self):
        self.assertEqual(self.variables("--tree")["OTEL_TRACES_EXPORTER"], "console")
        self.assertEqual(self.variables("--console")["OTEL_TRACES_EXPORTER"], "console")
        path = os.path.join(self.dir, "out")
        both = self.variables("--tree", "--file", path, "--endpoint", "http://127.0.0.1:9")
        self.assertEqual(both["OTEL_TRACES_EXPORTER"], "otlp,console,file")
        self.assertEqual(both["OTEL_AUTO_FILE"], path)

    def test_a_file_is_named_absolutely(self):
        done = launch("run", "--file", "spans.json", "/usr/bin/env", cwd=self.dir)
        self.assertIn(f"OTEL_AUTO_FILE={os.path.realpath(self.dir)}/spans.json",
                      done.stdout.replace(self.dir, os.path.realpath(self.dir)))

    def test_is_the_program_afterwards(self):
        done = launch("run", "/bin/sh", "-c", "exit 37")
        self.assertEqual((done.returncode, done.stderr), (37, ""))

    def test_arguments_are_handed_on_untouched(self):
        done = launch("run", "--", "/bin/echo", "--service", "a b", "")
        self.assertEqual(done.stdout, "--service a b \n")

    def untraced(self, path, reason, runs=True):
        done = launch("run", path)
        lines = done.stderr.splitlines()
        self.assertTrue(lines and path in lines[0] and reason in lines[0], done.stderr)
        if runs:
            self.assertEqual(len(lines), 1, done.stderr)
        return done

    def test_a_static_program_is_named_and_run(self):
        source = self.file("s.c", b"int puts(const char *); int main(void) "
                                  b"{ puts(\"ran\"); return 5; }", 0o644)
        path = os.path.join(self.dir, "static")
        built = subprocess.run(["gcc", "-static", "-o", path, source], capture_output=True)
        if built.returncode:
            self.skipTest("no static C library here")
        done = self.untraced(path, "statically linked")
        self.assertEqual((done.returncode, done.stdout), (5, "ran\n"))

    def test_another_architecture_is_named(self):
        path = self.file("foreign", elf(machine=243, interpreter="/lib/ld-linux-riscv64.so"))
        done = self.untraced(path, "another architecture", runs=False)
        self.assertEqual(done.returncode, 126)

    def test_musl_is_named_and_not_preloaded(self):
        path = self.file("musl", elf(interpreter="/lib/ld-musl-x86_64.so.1"))
        self.untraced(path, "musl", runs=False)

    def test_a_musl_script_is_judged_by_its_interpreter(self):
        inner = self.file("musl", elf(interpreter="/lib/ld-musl-x86_64.so.1"))
        path = self.file("script", f"#! {inner} -x\n".encode())
        self.untraced(path, "musl", runs=False)

    @unittest.skipUnless(os.geteuid() == 0, "needs root to make a setuid program of another user")
    def test_a_setuid_program_is_named_and_run(self):
        path = os.path.join(self.dir, "id")
        shutil.copy("/usr/bin/id", path)
        os.chown(path, 65534, -1)
        os.chmod(path, 0o755 | stat.S_ISUID)
        done = self.untraced(path, "setuid")
        self.assertEqual(done.returncode, 0)

    def test_a_missing_program(self):
        done = launch("run", "no-such-program-at-all")
        self.assertEqual(done.returncode, 127)
        self.assertEqual(done.stderr, "otel-auto: no-such-program-at-all was not found\n")

    def test_a_file_that_may_not_be_run(self):
        path = self.file("plain", b"text", 0o644)
        done = launch("run", path)
        self.assertEqual(done.returncode, 126)
        self.assertIn("may not be executed", done.stderr)

    def test_mistakes_are_said_in_one_line(self):
        for args in (["run"], ["run", "--sample", "2", "ls"], ["run", "--sample", "x", "ls"],
                     ["run", "--nonsense", "ls"], ["run", "--service"], ["walk"], [],
                     ["run", "--config", "x", "--tree", "ls"], ["env", "--config"]):
            done = launch(*args)
            self.assertEqual(done.returncode, 2, args)
            self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
            self.assertEqual(done.stdout, "")

    def test_env_lists_every_setting_with_its_default(self):
        done = launch("env")
        names = [line.split()[0] for line in done.stdout.splitlines()[1:]]
        self.assertEqual(len(names), len(set(names)))
        with open(os.path.join(ROOT, "core", "config_table.c"), encoding="utf-8") as table:
            source = table.read()
        for name in names:
            self.assertIn(f'"{name}"', source)
        self.assertIn("OTEL_TRACES_SAMPLER", names)
        self.assertRegex(done.stdout, r"OTEL_BSP_SCHEDULE_DELAY +5000 ms ")

    def test_the_readme_lists_the_same_settings(self):
        with open(os.path.join(ROOT, "README.md"), encoding="utf-8") as readme:
            rows = [[cell.strip() for cell in line.replace("\\|", "/").split("|")[1:-1]]
                    for line in readme if line.startswith(("| OTEL_", "| TRACE", "| BAGGAGE"))]
        printed = launch("env").stdout.splitlines()[1:]
        self.assertEqual([row[0] for row in rows], [line.split()[0] for line in printed])
        for row, line in zip(rows, printed):
            default = "-" if row[1] == "–" else row[1]
            self.assertTrue(line.split(None, 1)[1].startswith(default), line)
            self.assertIn(row[2].replace("/", "|") if "|" in line else row[2], line)

    def config(self, text):
        return self.file("otel.yaml", text.encode(), 0o644)

    def test_a_configuration_file_takes_the_place_of_the_environment(self):
        path = self.config(CONFIG)
        with collector.Collector() as col:
            env = {"COLLECTOR": col.url, "OTEL_SERVICE_NAME": "not this one"}
            done = launch("run", "--config", os.path.basename(path), "sh", "-c",
                          "cd / && exec sqlite3 :memory: 'SELECT 1'", env=env, cwd=self.dir)
            self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "1\n", ""))
            self.assertEqual(len(col.spans), 1)
            self.assertEqual(col.spans[0].resource["service.name"], "from the file")
            self.assertEqual(col.requests[0].headers["api-key"], "a, b")

    def test_env_tells_what_holds_by_a_file_and_why(self):
        path = self.config(CONFIG)
        done = launch("env", "--config", path, env={"COLLECTOR": "http://there:4318"})
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        said = {line.split()[0]: line for line in done.stdout.splitlines()}
        line = [n for n, text in enumerate(CONFIG.splitlines(), 1) if "endpoint" in text][0]
        self.assertRegex(said["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"],
                         rf" http://there:4318/v1/traces +{path}:{line}:\d+$")
        self.assertRegex(said["OTEL_BSP_MAX_QUEUE_SIZE"], r" 2048 +default$")
        self.assertNotIn("a%2C", done.stdout)
        self.assertEqual(said.keys(), {"VARIABLE", *(line.split()[0] for line in
                                                     launch("env").stdout.splitlines()[1:])})

    def test_a_wrong_file_is_one_line_and_a_program_untraced(self):
        path = self.config(CONFIG.replace("propagator:", "propagator: ]"))
        done = launch("run", "--config", path, "sqlite3", ":memory:", "SELECT 1")
        self.assertEqual((done.returncode, done.stdout), (0, "1\n"))
        self.assertRegex(done.stderr, rf"^libotel_auto\[\d+\] error: {path}:\d+:\d+: .*: "
                                      r"nothing is traced\n$")
        done = launch("env", "--config", path)
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)

    def test_the_readme_shows_a_file_that_is_read(self):
        with open(os.path.join(ROOT, "README.md"), encoding="utf-8") as readme:
            shown = re.search(r"```yaml\n(.*?)```", readme.read(), re.S)[1]
        done = launch("env", "--config", self.config(shown))
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_help_and_version(self):
        self.assertIn("otel-auto run", launch("--help").stdout)
        self.assertRegex(launch("--version").stdout, r"^otel-auto \d+\.\d+\.\d+\n$")

    def test_an_installed_launcher_finds_the_installed_library(self):
        root = os.path.join(self.dir, "root")
        subprocess.run(["make", "-s", "install", f"PREFIX={root}/opt"], cwd=ROOT, check=True,
                       capture_output=True)
        tool = os.path.join(root, "opt", "bin", "otel-auto")
        done = launch("run", "/usr/bin/env", tool=tool)
        self.assertIn(f"LD_PRELOAD={os.path.realpath(root)}/opt/lib/libotel_auto.so", done.stdout)
        subprocess.run(["make", "-s", "uninstall", f"PREFIX={root}/opt"], cwd=ROOT, check=True,
                       capture_output=True)
        self.assertEqual([f for _, _, files in os.walk(root) for f in files], [])


if __name__ == "__main__":
    unittest.main()
