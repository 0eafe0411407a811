"""Compiles every header alone. What was compiled is remembered by content in the build folder."""
import concurrent.futures
import hashlib
import json
import os
import pathlib
import shlex
import subprocess


class Headers:
    def __init__(self, root, build, files):
        self.root, self.build = root, build
        self.files = {file.path: file for file in files if file.is_cpp}
        self.cache = build / "tidy" / "headers"
        self.commands = self.read_commands()
        self.closures = {}
        schemas = sorted(file.path + file.text for file in files if file.path.endswith(".proto"))
        self.schemas = hashlib.sha256("".join(schemas).encode()).hexdigest()

    def read_commands(self):
        """Flags by folder, from the build's own compile commands; of a folder that makes several
        libraries, those of the one that sees the most."""
        path = self.build / "compile_commands.json"
        commands = {}
        if not path.is_file():
            return commands
        for entry in json.loads(path.read_text()):
            try:
                file = pathlib.Path(entry["file"]).relative_to(self.root).as_posix()
            except ValueError:
                continue
            if "/build/" in file or file.startswith("build/"):
                continue
            command = (entry["command"], entry["directory"])
            folder = file.rsplit("/", 1)[0]
            commands[folder] = max(commands.get(folder, command), command, key=flags)
        return commands

    def command_for(self, path):
        """Of the header's own folder, else of its tests, else the one with the most flags."""
        folder = path.rsplit("/", 1)[0]
        tests = "tests/" + folder.split("/", 1)[1] if "/" in folder else folder
        for name in (folder, tests):
            if name in self.commands:
                return self.commands[name]
        return max(self.commands.values(), key=flags)

    def check(self):
        if not self.commands:
            yield "CMakeLists.txt", 1, "header-alone", (
                f"no compile_commands.json in {self.build}: configure the build first")
            return
        self.cache.mkdir(parents=True, exist_ok=True)
        headers = [path for path, file in self.files.items() if file.is_header]
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            for path, complaint in zip(headers, pool.map(self.compile, headers)):
                if complaint:
                    yield path, 1, "header-alone", complaint

    def compile(self, path):
        command, directory = self.command_for(path)
        stub = self.cache / (path.replace("/", "_") + ".cc")
        arguments = stub_arguments(shlex.split(command), stub)
        key = self.key(path, arguments)
        done = self.cache / (path.replace("/", "_") + ".ok")
        if done.is_file() and done.read_text() == key:
            return None
        text = f'#include "{path}"\n#include "{path}"\n'
        if not stub.is_file() or stub.read_text() != text:
            stub.write_text(text)
        result = subprocess.run(arguments, cwd=directory, capture_output=True, text=True)
        stub.with_suffix(".o").unlink(missing_ok=True)
        if result.returncode != 0:
            errors = [line for line in result.stderr.splitlines() if "error" in line]
            return (errors or result.stderr.splitlines() or ["it does not compile"])[0]
        done.write_text(key)
        return None

    def key(self, path, arguments):
        """Over the flags and the text of all own headers that the header reaches."""
        digest = hashlib.sha256(" ".join(arguments).encode())
        digest.update(self.schemas.encode())
        for reached in sorted(self.closure(path)):
            digest.update(reached.encode())
            digest.update(self.files[reached].text.encode())
        return digest.hexdigest()

    def closure(self, path):
        if path in self.closures:
            return self.closures[path]
        reached, waiting = set(), [path]
        while waiting:
            current = waiting.pop()
            if current in reached or current not in self.files:
                continue
            reached.add(current)
            waiting.extend(i[1:-1] for _, i in self.files[current].includes if i[0] == '"')
        self.closures[path] = reached
        return reached


def flags(command):
    """How many folders of headers and definitions a compile command names."""
    return sum(command[0].count(flag) for flag in (" -I", " -isystem", " -D"))


def stub_arguments(words, stub):
    """The compiler's words for another file: no optimisation, no debug information."""
    kept, skip = [], False
    for word in words[:-1]:
        if skip:
            skip = False
        elif word in ("-o", "-MF", "-MT", "-MQ", "-c"):
            skip = word != "-c"
        elif not word.startswith(("-O", "-g", "-M")) and not word.endswith(".cc"):
            kept.append(word)
    return kept + ["-O0", "-g0", "-c", str(stub), "-o", str(stub.with_suffix(".o"))]
