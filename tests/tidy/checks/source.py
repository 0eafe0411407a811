"""A source file as the rules see it: text, code without comments and literals, includes."""
import pathlib
import re

SKIPPED_FOLDERS = {".git", "build", ".quickstart", "__pycache__", ".cache"}
CPP_ENDINGS = {".h", ".cc"}
TEXT_ENDINGS = CPP_ENDINGS | {".proto", ".cmake", ".py", ".sh", ".txt"}
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(<[^>]+>|"[^"]+")', re.M)

# Comments, raw strings, strings, characters. A digit separator (1'000) is no character literal.
LITERAL = re.compile(
    r'//(?:\\\n|[^\n])*'
    r'|/\*.*?\*/'
    r'|\bR"(?P<mark>[^()\\\s]{0,16})\(.*?\)(?P=mark)"'
    r'|"(?:\\.|[^"\\\n])*"'
    r"|(?<![0-9A-Fa-f])'(?:\\.|[^'\\\n])+'",
    re.S)


def blank(match):
    """As many lines as the match had, so that line numbers stay."""
    text = match.group(0)
    lines = "\n" * text.count("\n")
    if text.startswith("/"):
        return " " + lines
    return '""' + lines if text.endswith('"') else "0"


class Source:
    def __init__(self, root, path):
        self.path = path.relative_to(root).as_posix()
        self.name = path.name
        self.is_cpp = path.suffix in CPP_ENDINGS
        self.is_header = path.suffix == ".h"
        self.text = path.read_text(encoding="utf-8", errors="replace")
        self.lines = self.text.split("\n")
        self.code = self.text
        if self.is_cpp:
            self.code = LITERAL.sub(blank, INCLUDE.sub("", self.text))
        # (line, "x.h" or <x>): from the full text, because literals are blanked in the code.
        self.includes = []
        if self.is_cpp:
            for match in INCLUDE.finditer(self.text):
                line = self.text.count("\n", 0, match.start()) + 1
                self.includes.append((line, match.group(1)))

    def line_of(self, offset):
        return self.code.count("\n", 0, offset) + 1


def read_tree(root):
    """All text files of the checkout that a rule may look at, in a fixed order."""
    sources = []
    for path in sorted(walk(root)):
        if path.suffix in TEXT_ENDINGS or path.name == "CMakeLists.txt" or is_script(path):
            sources.append(Source(root, path))
    return sources


def walk(folder):
    for entry in sorted(folder.iterdir()):
        if entry.is_symlink():
            continue
        if entry.is_dir():
            if entry.name not in SKIPPED_FOLDERS:
                yield from walk(entry)
        elif entry.is_file():
            yield entry


def is_script(path):
    if path.suffix:
        return False
    with path.open("rb") as file:
        return file.read(2) == b"#!"


def module_of(path):
    """The module a file belongs to: node/raft, node/adapter/http, node/main, tests/sim, proto."""
    parts = pathlib.PurePosixPath(path).parts
    if parts[0] in ("node", "operator"):
        if len(parts) == 2:
            return parts[0] + "/main"
        if parts[1] == "adapter" and len(parts) > 3:
            return "/".join(parts[:3])
        return "/".join(parts[:2])
    if parts[0] == "tests":
        if len(parts) == 2:
            return "tests"
        if parts[1] in ("adapter", "operator") and len(parts) > 3:
            return "/".join(parts[:3])
        return "/".join(parts[:2])
    return parts[0]


def mirrored(module):
    """The module that a test folder mirrors: tests/raft -> node/raft."""
    rest = module.removeprefix("tests/")
    if rest.startswith("operator"):
        return rest if "/" in rest else "operator/main"
    return "node/main" if rest == "node" else "node/" + rest


def in_adapter(module):
    """Code at the rim, and its tests."""
    if module.startswith("tests/"):
        module = mirrored(module)
    return module.startswith(("node/adapter", "operator/adapter"))


PURE = {"node/base", "node/raft", "node/kv", "operator/api", "operator/plan"}
DETERMINISTIC = PURE | {"node/actor", "node/wire", "node/replica", "node/cluster", "node/gateway",
                        "node/snapshot", "operator/control"}
DENSE = PURE | {"node/actor", "node/snapshot"}   # where asserts are counted
