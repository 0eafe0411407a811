"""Identifiers and headers that may not appear, by the class of the module."""
import re

from . import source

AMBIENT = "no clock, thread, randomness or order by address may decide anything here"
# Deterministic modules (the pure ones among them): name of the exception, pattern, reason.
DETERMINISTIC = [
    ("thread", r"\bstd::(?:j?thread|this_thread)\b", AMBIENT),
    ("mutex", r"\bstd::(?:\w+_)?mutex\b|\bstd::(?:lock_guard|unique_lock|scoped_lock|call_once)\b",
     AMBIENT),
    ("condition_variable", r"\bstd::condition_variable\w*\b", AMBIENT),
    ("atomic", r"\bstd::(?:atomic\w*|memory_order\w*)\b|\b__atomic_\w+", AMBIENT),
    ("future", r"\bstd::(?:(?:shared_)?future|promise|async|packaged_task)\b", AMBIENT),
    ("random", r"\bstd::(?:random_device|mt19937\w*|default_random_engine|minstd_rand0?|"
               r"uniform_\w+_distribution)\b", "use base/prng.h"),
    ("chrono", r"\b(?:steady_clock|system_clock|high_resolution_clock|file_clock)\b",
     "time comes through port/clock"),
    ("iostream", r"\bstd::(?:basic_)?(?:[io]?fstream|c(?:out|err|log|in))\b",
     "files and logs come through ports"),
    ("filesystem", r"\bstd::filesystem\b", "files come through port/file_system"),
    ("unordered", r"\bstd::unordered_(?:multi)?(?:map|set)\b", "its order differs between runs"),
    ("regex", r"\bstd::w?c?s?regex\w*\b", "slow, and unbounded in its recursion"),
    ("getenv", r"\b(?:secure_)?getenv\s*\(", "settings come through Config"),
    ("time", r"(?<![\w.>])(?:std::|::)?(?:time|clock|gettimeofday|clock_gettime|localtime|gmtime)"
             r"\s*\((?!\))", "time comes through port/clock"),
    ("rand", r"(?<![\w.>:])(?:std::|::)?s?rand(?:om)?(?:_r)?\s*\(", "use base/prng.h"),
    ("sleep", r"\b(?:sleep_for|sleep_until|usleep|nanosleep)\b|(?<![\w.>:])(?:::)?sleep\s*\(",
     "wait for a message"),
]
BANNED_HEADERS = {
    "thread": "thread", "mutex": "mutex", "shared_mutex": "mutex", "atomic": "atomic",
    "condition_variable": "condition_variable", "future": "future", "random": "random",
    "fstream": "iostream", "iostream": "iostream", "filesystem": "filesystem", "regex": "regex",
    "unordered_map": "unordered", "unordered_set": "unordered", "semaphore": "mutex",
    "latch": "mutex", "barrier": "mutex", "stop_token": "thread", "ctime": "time",
}
EVERYWHERE = [
    ("coroutine", r"\bco_(?:await|return|yield)\b", "gcc 12 miscompiles coroutines"),
    ("source_location", r"\bstd::source_location\b", "clang 14 cannot parse it"),
    ("views", r"\bstd::(?:ranges::)?views\b", "clang 14 cannot parse it"),
    ("throw", r"\bthrow\b", "errors are values"),
]
# Where libraries and their ownership are met, these have their place.
OUTSIDE_ADAPTERS = [
    ("dynamic_cast", r"\bdynamic_cast\b", "use a variant, or a virtual function"),
    ("new", r"(?<!operator )(?<!operator)\bnew\b", "use std::make_unique or construct_at"),
    ("delete", r"(?<!operator )(?<!=)(?<!= )(?<!=\n)\bdelete\b", "use std::unique_ptr"),
    ("catch", r"\bcatch\s*\(\s*\.\.\.\s*\)", "catch by type, in the adapter"),
]


def compiled(rules):
    return [(name, re.compile(pattern), reason) for name, pattern, reason in rules]


DETERMINISTIC, EVERYWHERE, OUTSIDE_ADAPTERS = map(
    compiled, (DETERMINISTIC, EVERYWHERE, OUTSIDE_ADAPTERS))


def check(file):
    module = source.module_of(file.path)
    if not file.path.startswith(("node/", "operator/", "tests/", "cmake/")):
        return
    rules = list(EVERYWHERE)
    if not source.in_adapter(module) and not file.path.endswith("main.cc"):
        rules += OUTSIDE_ADAPTERS
    deterministic = module in source.DETERMINISTIC
    if deterministic:
        rules += DETERMINISTIC
    for name, pattern, reason in rules:
        for match in pattern.finditer(file.code):
            word = " ".join(match.group(0).split())
            yield file.line_of(match.start()), f"banned-{name}", f"{word}: {reason}"
    for line, include in file.includes:
        header = include[1:-1]
        if header == "coroutine":
            yield line, "banned-coroutine", "<coroutine>: gcc 12 miscompiles coroutines"
        elif include[0] == "<" and deterministic and header in BANNED_HEADERS:
            yield line, f"banned-{BANNED_HEADERS[header]}", f"<{header}>: {AMBIENT}"
