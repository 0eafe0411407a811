#!/usr/bin/env python3
"""node/quickstart with programs that are built already: the whole show from nothing, and a second
quickstart beside a cluster that runs, which must not hurt it."""
import os
import shutil
import subprocess
import sys
import tempfile

SOURCE = os.environ["ASPEN_SOURCE"]
sys.path.insert(0, os.path.join(SOURCE, "tests", "support"))
from ports import free_ports  # noqa: E402

PATIENCE_S = 60
failures = []


def check(condition, what):
    if not condition:
        failures.append(what)
        print(f"FAILED: {what}", flush=True)


class Quickstart:
    def __init__(self, directory):
        self.directory = directory
        self.environment = {**os.environ, "ASPEN_PORTS": str(free_ports(9)[0])}

    def command(self, *arguments):
        return [os.path.join(SOURCE, "node", "quickstart"), *arguments, "--dir", self.directory]

    def run(self, *arguments):
        done = subprocess.run(self.command(*arguments), env=self.environment, text=True,
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=3 * PATIENCE_S)
        print(done.stdout + done.stderr, flush=True)
        return done

    def start(self):
        return subprocess.Popen(self.command("start"), env=self.environment, text=True,
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT)

    def pids(self):
        """Of the nodes that live, by number."""
        found = {}
        for k in (1, 2, 3):
            try:
                with open(os.path.join(self.directory, f"n{k}", "pid")) as file:
                    pid = int(file.read())
                with open(f"/proc/{pid}/cmdline") as file:
                    if "aspen-node" in file.read():
                        found[k] = pid
            except (OSError, ValueError):
                pass
        return found


def the_show_from_nothing(quickstart):
    done = quickstart.run("--demo-only")
    check(done.returncode == 0, f"--demo-only ends with {done.returncode}")
    for text in ("hello from n1", "is dead; 2 nodes are left", "is back and has caught up",
                 "the first write after it was accepted"):
        check(text in done.stdout, f"the show has '{text}'")
    check(quickstart.pids() == {}, f"nothing is left running: {quickstart.pids()}")


def another_beside_it_does_no_harm(quickstart):
    first = quickstart.start()
    lines = []
    for line in first.stdout:
        lines.append(line)
        if "Ctrl-C stops them" in line:
            break
    before = quickstart.pids()
    check(len(before) == 3, f"three nodes run: {before}\n{''.join(lines)}")
    second = quickstart.run("--demo-only")
    check(second.returncode == 0, f"--demo-only beside it ends with {second.returncode}")
    check("is dead" not in second.stdout, "nobody is killed in a cluster that was running")
    check(quickstart.pids() == before, f"the same nodes run on: {before}, {quickstart.pids()}")
    third = quickstart.run()
    check(third.returncode == 0 and quickstart.pids() == before, "again without --demo-only")
    stopped = quickstart.run("stop")
    check(stopped.returncode == 0, f"stop ends with {stopped.returncode}")
    check(quickstart.pids() == {}, f"stop leaves nothing running: {quickstart.pids()}")
    check(first.wait(timeout=PATIENCE_S) == 0, f"the first one ends: {first.returncode}")


def main():
    if not shutil.which("etcdctl"):
        print("etcdctl is missing: Debian package etcd-client")
        return 77
    directory = tempfile.mkdtemp(prefix="aspen-quickstart-")
    quickstart = Quickstart(directory)
    try:
        the_show_from_nothing(quickstart)
        another_beside_it_does_no_harm(quickstart)
    finally:
        quickstart.run("stop")
    if failures:
        print(f"data and logs are kept in {directory}")
        return 1
    shutil.rmtree(directory, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
