"""Finds the functions of a C++ file by its braces. It knows namespaces, types, initialisers of
members and lambdas; a lambda belongs to the function around it."""
import re
from dataclasses import dataclass, field

TOKEN = re.compile(r'[A-Za-z_~]\w*|::|->|<=>|""|\S')
DIRECTIVE = re.compile(r"^[ \t]*#(?:\\\n|[^\n])*", re.M)
NAME = re.compile(r"[A-Za-z_~]\w*$")
TYPE_WORDS = {"class", "struct", "union", "enum"}
CONTROL_WORDS = {"if", "else", "for", "while", "do", "switch", "try", "catch"}
# A parenthesis behind one of these does not open a parameter list.
NOT_NAMES = {"static_assert", "alignas", "decltype", "noexcept", "requires", "sizeof", "if",
             "__attribute__", "return", "defined"}


@dataclass
class Function:
    name: str
    line: int              # of the first word of the signature
    end: int               # of the closing brace, or of the semicolon
    parameters: int
    nesting: int = 0       # deepest nesting of control blocks
    body: str = None       # None: a declaration

    @property
    def length(self):
        return self.end - self.line + 1

    @property
    def body_lines(self):
        """Lines of the body that hold code; a brace alone is none."""
        return sum(1 for line in self.body.split("\n") if line.strip(" {});"))


@dataclass
class Block:
    kind: str              # namespace, type, function, control, other
    function: Function = None
    nesting: int = 0
    start: int = 0         # offset of the brace
    header: list = field(default_factory=list)   # the statement that goes on behind the block
    parens: int = 0        # parentheses open around the block



def find_functions(code):
    """All functions of namespaces and types, defined or only declared, in their order."""
    # Directives go first, with their text kept in place, so that offsets fit the body's text.
    code = DIRECTIVE.sub(lambda m: re.sub(r"[^\n]", " ", m.group(0)), code)
    found, stack, header, parens = [], [Block("namespace")], [], 0
    line, last = 1, 0
    for match in TOKEN.finditer(code):
        word = match.group(0)
        line += code.count("\n", last, match.start())
        last = match.start()
        top = stack[-1]
        if word == "{":
            block = open_block(top, header, parens, line)
            block.start, block.parens = match.start(), parens
            stack.append(block)
            header, parens = [], 0
        elif word == "}":
            if len(stack) == 1:
                continue
            block = stack.pop()
            header = block.header + [("{}", line)] if block.header else []
            parens = block.parens
            if block.kind == "function":
                block.function.end = line
                block.function.body = code[block.start:match.start()]
                found.append(block.function)
        elif word == ";" and parens == 0:
            if top.kind in ("namespace", "type"):
                found.extend(declaration(header, line))
            header = []
        elif word == ":" and parens == 0 and ends_label(header):
            header = []
        else:
            if word in "([":
                parens += 1
            elif word in ")]":
                parens = max(0, parens - 1)
            header.append((word, line))
    return sorted(found, key=lambda function: function.line)


def ends_label(header):
    return bool(header) and header[0][0] in ("case", "default", "public", "private", "protected")


def open_block(top, header, parens, line):
    words = [word for word, _ in header]
    if top.function is not None:
        if parens == 0 and words and words[0] in CONTROL_WORDS:
            nesting = top.nesting + 1
            top.function.nesting = max(top.function.nesting, nesting)
            return Block("control", top.function, nesting)
        return Block("other", top.function, top.nesting, header=header)
    if top.kind == "other" or parens:
        return Block("other", header=header)
    if "namespace" in words or (words[:1] == ["extern"] and "(" not in words):
        return Block("namespace")
    words = without_template(words)
    if TYPE_WORDS & set(words) and not is_function(words):
        return Block("type", header=header)
    if is_function(words) and not initialises_member(words):
        return Block("function", signature(header, line))
    return Block("other", header=header)


def without_template(words):
    while words[:1] == ["template"]:
        depth, index = 0, 1
        while index < len(words):
            depth += {"<": 1, ">": -1}.get(words[index], 0)
            index += 1
            if depth == 0:
                break
        words = words[index:]
    return words


def parameter_list(words):
    """Index of the parenthesis that opens the parameter list; None if the words are no function."""
    depth = 0
    for index, word in enumerate(words):
        operator = "operator" in words[max(0, index - 4):index]
        if depth == 0 and word == "=" and not operator:
            return None
        if depth == 0 and word == "(" and index > 0:
            before = words[index - 1]
            calls = before == "operator" and words[index + 1:index + 3] == [")", "("]
            if not calls and before not in NOT_NAMES and (operator or NAME.match(before)):
                return index
        depth += {"(": 1, "[": 1, ")": -1, "]": -1}.get(word, 0)
    return None


def is_function(words):
    return parameter_list(words) is not None


def initialises_member(words):
    """`: member_` or `, Base<T>` of a constructor: the brace is an initialiser, not the body."""
    depth, closed, colon = 0, False, False
    for word in words:
        depth += {"(": 1, ")": -1}.get(word, 0)
        closed = closed or (word == ")" and depth == 0)
        colon = colon or (word == ":" and depth == 0 and closed)
    return colon and words[-1] not in (")", "{}")


def signature(header, line):
    words = [word for word, _ in header]
    bare = without_template(words)
    at = parameter_list(bare)
    name, count = name_before(bare, at), count_parameters(bare[at + 1:])
    if name in ("TEST", "TEST_F", "TEST_P", "TYPED_TEST"):
        name = "".join(bare[at + 1:-1]).replace(",", ".")
    return Function(name=name, line=header[len(words) - len(bare)][1], end=line, parameters=count)


def name_before(words, at):
    start = at - 1
    if "operator" in words[max(0, at - 4):at]:
        start = max(i for i in range(at) if words[i] == "operator")
    name = "".join(words[start:at])
    while start >= 2 and words[start - 1] == "::" and NAME.match(words[start - 2]):
        start -= 2
        name = words[start] + "::" + name
    return name


def count_parameters(words):
    depth, angle, count = 1, 0, 1
    for index, word in enumerate(words):
        depth += {"(": 1, "[": 1, ")": -1, "]": -1}.get(word, 0)
        if depth == 0:
            return 0 if words[:index] in ([], ["void"]) else count
        if depth == 1:
            angle = max(0, angle + {"<": 1, ">": -1}.get(word, 0))
            count += word == "," and angle == 0
    return count


def declaration(header, line):
    words = without_template([word for word, _ in header])
    ignored = {"using", "typedef", "friend", "static_assert", "extern"} | TYPE_WORDS
    if not words or words[0] in ignored or not is_function(words):
        return []
    return [signature(header, line)]
