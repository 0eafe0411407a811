#!/usr/bin/env python3
"""cmake --install into an empty prefix: the programs run from there, and docker/packages-run.txt
names what they need, no less and no more.

usage: install_test.py BUILD      exit status: 0 passed, 1 failed, 77 no dpkg
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile

SOURCE = os.environ["ASPEN_SOURCE"]
PROGRAMS = ("aspen-node", "aspenctl")
NOT_LINKED = {"ca-certificates"}  # read at run time
failures = []


def check(condition, what):
    if not condition:
        failures.append(what)
        print(f"FAILED: {what}", flush=True)


def output_of(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def listed_packages():
    with open(os.path.join(SOURCE, "docker", "packages-run.txt")) as file:
        return {line.split("#")[0].strip() for line in file} - {""}


def with_dependencies(packages):
    """The packages and all that they depend on, as far as it is installed."""
    depends = {}
    text = output_of("dpkg-query", "-W", "-f", "${Package}\t${Depends}, ${Pre-Depends}\n")
    for line in text.splitlines():
        name, needs = line.split("\t")
        names = re.split(r"[,|]", re.sub(r"\([^)]*\)|:\w+", "", needs))
        depends[name] = {need.strip() for need in names} - {""}
    found, open_ones = set(), set(packages)
    while open_ones:
        name = open_ones.pop()
        if name in depends and name not in found:
            found.add(name)
            open_ones |= depends[name]
    return found


def package_of(library):
    """dpkg knows a file by its old name or by the one under /usr."""
    real = os.path.realpath(library)
    for path in (library, real, library.removeprefix("/usr"), real.removeprefix("/usr")):
        done = subprocess.run(["dpkg-query", "-S", path], capture_output=True, text=True)
        if done.returncode == 0:
            return done.stdout.split(":")[0]
    return None


def packages_of(program):
    packages = {}
    for line in output_of("ldd", program).splitlines():
        found = re.search(r"(/\S+) \(0x", line)
        check(found or "linux-vdso" in line, f"{program} lacks a library: {line.strip()}")
        if found:
            packages[found[1]] = package_of(found[1])
    return packages


def main():
    if not shutil.which("dpkg-query"):
        print("dpkg is missing: the lists of packages are Debian's")
        return 77
    prefix = tempfile.mkdtemp(prefix="aspen-install-")
    try:
        output_of("cmake", "--install", sys.argv[1], "--prefix", prefix)
        needed = {}
        for name in PROGRAMS:
            program = os.path.join(prefix, "bin", name)
            version = output_of(program, "--version")
            check(re.fullmatch(name + r" \d+\.\d+\.\d+\n", version), f"--version: {version!r}")
            needed |= packages_of(program)
    finally:
        shutil.rmtree(prefix, ignore_errors=True)
    listed = listed_packages()
    allowed = with_dependencies(listed)
    for library, package in sorted(needed.items()):
        check(package in allowed, f"{library} is of {package}, which packages-run.txt lacks")
    for package in sorted(listed - NOT_LINKED - set(needed.values())):
        check(False, f"packages-run.txt lists {package}, which nothing links")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
