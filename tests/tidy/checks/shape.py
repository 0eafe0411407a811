"""Lengths, nesting, parameters, asserts, and the form of files and headers."""
import re

from . import functions, source

FUNCTION_LINES_MAX = 70
FILE_LINES_MAX = 800
FILE_LINES_ADVISED = 500
PARAMETERS_MAX = 4
NESTING_MAX = 3
NESTING_IN_TESTS_MAX = 4
COLUMNS_MAX = 100
README_LINES_MAX = 40
# In lines of a body: over the first, one assert on average; over the second, two.
ASSERT_AVERAGE_OVER = 5
ASSERT_TWO_OVER = 15
ASSERT = re.compile(r"\b(?:ASPEN_ASSERT|ASPEN_UNREACHABLE|ASPEN_MAYBE|assert_\w+|invariants)\s*\(")
TODO = re.compile(r"\b(?:TODO|XXX)\b(?!\(#\d+\))")
FIXME = re.compile(r"\bFIXME\b")
WIDE = source.CPP_ENDINGS | {".proto", ".cmake", ".py"}


def check_text(file):
    if file.path.startswith("tests/tidy/"):
        marks = ()
    else:
        marks = (("fixme", FIXME, "FIXME"), ("todo", TODO, "TODO without an issue: TODO(#12)"))
    if file.text and not file.text.endswith("\n"):
        yield len(file.lines), "ending", "the last line does not end"
    if file.text.endswith("\n\n"):
        yield len(file.lines), "ending", "empty lines at the end"
    narrow = file.name == "CMakeLists.txt" or file.name.endswith(tuple(WIDE))
    for number, line in enumerate(file.lines, 1):
        if line != line.rstrip():
            yield number, "whitespace", "white space at the end of the line"
        if "\t" in line:
            yield number, "whitespace", "a tab"
        if narrow and len(line) > COLUMNS_MAX:
            yield number, "columns", f"{len(line)} columns of {COLUMNS_MAX}"
        for rule, pattern, said in marks:
            if pattern.search(line):
                yield number, rule, said


def check_file(file):
    """Yields findings; those of rule 'advice' do not fail."""
    count = len(file.lines) - 1
    if count > FILE_LINES_MAX:
        yield 1, "file-length", f"{count} lines of {FILE_LINES_MAX}"
    elif count > FILE_LINES_ADVISED:
        yield 1, "advice", f"{count} lines; {FILE_LINES_ADVISED} are advised"
    if file.is_header:
        yield from check_header(file)
    yield from check_namespace(file)


def check_header(file):
    if "#pragma once" not in file.lines:
        yield 1, "header", "no #pragma once"
    if not file.text.startswith("//"):
        yield 1, "header", "a header begins with its contract, in a comment"


def check_namespace(file):
    module = source.module_of(file.path)
    if not file.path.startswith(("node/", "operator/")) or file.path.endswith("/main.cc"):
        return
    layer, part = module.split("/")[:2]
    flat = layer == "operator" or part in ("base", "port", "main")
    want = "aspen" if flat else f"aspen::{part}"
    if not re.search(rf"^namespace {want}\b", file.code, re.M):
        yield 1, "namespace", f"no namespace {want}"


def check_functions(file, found):
    nesting_max = NESTING_IN_TESTS_MAX if file.path.startswith("tests/") else NESTING_MAX
    for function in found:
        place = (function.line, function.name)
        if function.length > FUNCTION_LINES_MAX:
            yield *place, "function-length", f"{function.length} lines of {FUNCTION_LINES_MAX}"
        if function.nesting > nesting_max:
            yield *place, "nesting", f"nesting {function.nesting} of {nesting_max}"
        if function.parameters > PARAMETERS_MAX:
            yield *place, "parameters", f"{function.parameters} parameters of {PARAMETERS_MAX}"
        if source.module_of(file.path) in source.DENSE and function.body is not None:
            if function.body_lines > ASSERT_TWO_OVER and asserts(function) < 2:
                yield *place, "asserts", (f"{asserts(function)} asserts in {function.body_lines} "
                                          f"lines; 2 are due over {ASSERT_TWO_OVER}")


def asserts(function):
    return len(ASSERT.findall(function.body))


def check_density(module, found):
    """At least one assert per function over five lines, on average over the module."""
    long = [f for f in found if f.body is not None and f.body_lines > ASSERT_AVERAGE_OVER]
    total = sum(asserts(f) for f in long)
    if long and total < len(long):
        yield module, "density", (f"{total} asserts in {len(long)} functions over "
                                  f"{ASSERT_AVERAGE_OVER} lines; one for each is due")


def check_readmes(root, files):
    """Every folder of the house says what it is, in at most forty lines."""
    folders = set()
    for file in files:
        parts = file.path.split("/")
        if len(parts) < 2 or parts[0] not in ("node", "operator", "tests", "proto", "docker",
                                              "cmake", "charts"):
            continue
        folders.add(parts[0])
        module = source.module_of(file.path)
        if parts[0] in ("node", "operator") and not module.endswith("/main"):
            folders.add(module)
        if parts[0] == "tests" and len(parts) > 2 and not mirrors_module(root, module):
            folders.add("/".join(parts[:2]))
    for folder in sorted(folders):
        readme = root / folder / "README.md"
        if not readme.is_file():
            yield folder, 1, "readme", "no README.md"
            continue
        lines = readme.read_text().splitlines()
        if len(lines) > README_LINES_MAX:
            yield folder + "/README.md", 1, "readme", f"more than {README_LINES_MAX} lines"
        if not lines or not lines[0].startswith("# "):
            yield folder + "/README.md", 1, "readme", "line 1 is not a title, '# name'"


def mirrors_module(root, module):
    folder = source.mirrored(module).removesuffix("/main")
    return module == "tests/adapter" or (root / folder).is_dir()


def functions_of(file):
    return functions.find_functions(file.code)
