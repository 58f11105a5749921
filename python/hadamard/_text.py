"""Texts as trees: the grammar of the language, as far as one must know it to take a text apart.

What a text means is hadamard's own affair: this reads names, calls and operators and nothing of dtypes and shapes. `parse`
makes a tree of a text, `write` a text of a tree, in which functions go by the language's own names.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

MAX_DEPTH = 128

_TOKEN = re.compile(
    r"""\s*(?:\#[^\n]*\s*)*(?:
    (?P<number>0[xX][0-9a-fA-F_]+|0[oO][0-7_]+|0[bB][01_]+|(?:[0-9][0-9_]*\.?[0-9_]*|\.[0-9][0-9_]*)(?:[eE][+-]?[0-9][0-9_]*)?)
    |(?P<name>[^\W\d]\w*)
    |(?P<text>"[^"\n]*"|'[^'\n]*')
    |(?P<op>\.\.\.|\*\*|//|<<|>>|==|!=|<=|>=|[-@%+*/&|^~<>()\[\],=.:])
    |(?P<end>$))""",
    re.VERBOSE,
)
_PRECEDENCE = {
    **dict.fromkeys(("==", "!=", "<", "<=", ">", ">="), 1),
    "|": 2,
    "^": 3,
    "&": 4,
    **dict.fromkeys(("<<", ">>"), 5),
    **dict.fromkeys(("+", "-"), 6),
    **dict.fromkeys(("*", "/", "//", "%", "@"), 7),
}
_COMPARISON, _SIGN, _POWER, _ATOM = 1, 8, 9, 10

WORDS = ("True", "False", "None")
CONSTANTS = ("inf", "nan", "pi", "e")
_MODULES = {"torch", "F", "nn", "math", "np", "numpy", "jnp"}
_SUBMODULES = {"nn", "functional", "special", "linalg"}
_NUMPY_MODULES = {"np", "numpy", "jnp"}

_ALIASES = {
    "absolute": "abs",
    "arccos": "acos",
    "arccosh": "acosh",
    "arcsin": "asin",
    "arcsinh": "asinh",
    "arctan": "atan",
    "arctan2": "atan2",
    "arctanh": "atanh",
    "clone": "contiguous",
    "degrees": "rad2deg",
    "divide": "div",
    "expit": "sigmoid",
    "fabs": "abs",
    "fix": "trunc",
    "greater": "gt",
    "greater_equal": "ge",
    "invert": "bitwise_not",
    "less": "lt",
    "less_equal": "le",
    "multiply": "mul",
    "negative": "neg",
    "not_equal": "ne",
    "power": "pow",
    "radians": "deg2rad",
    "rint": "round",
    "subtract": "sub",
    "true_divide": "div",
}
_AS_METHOD = {"to": "cast", "type": "cast"}
_AFTER_NUMPY = {"equal": "eq", "max": "amax", "min": "amin", "mod": "remainder"}
_KEYWORDS = {"axis": "dim", "keepdims": "keepdim", "x": "input", "a": "input", "unbiased": "correction", "ddof": "correction"}

_CAST_METHODS = {
    "bfloat16": "bf16",
    "bool": "bool",
    "byte": "u8",
    "char": "i8",
    "double": "f64",
    "float": "f32",
    "half": "f16",
    "int": "i32",
    "long": "i64",
    "short": "i16",
}
_DTYPES = {
    **_CAST_METHODS,
    "bool_": "bool",
    "float": "f64",
    "int": "i64",
    **{name: name for name in ("f16", "f32", "f64", "bf16", "i8", "i16", "i32", "i64", "u8", "u16", "u32", "u64")},
    **{f"float{n}": f"f{n}" for n in (16, 32, 64)},
    **{f"{kind}{n}": f"{kind[0]}{n}" for kind in ("int", "uint") for n in (8, 16, 32, 64)},
}


class Mistake(ValueError):
    """A text that is no expression."""


@dataclass(frozen=True)
class Leaf:
    """A number, a text in quotes, or True, False, None or a constant, as written; or a dtype, as a text in quotes."""

    written: str


@dataclass(frozen=True)
class Name:
    """An operand."""

    name: str


@dataclass(frozen=True)
class Operation:
    """An operator and its one or two operands."""

    op: str
    args: tuple


@dataclass(frozen=True)
class Call:
    """A function, by the language's own name, and its arguments: pairs of a keyword or None and a value."""

    function: str
    args: tuple


@dataclass(frozen=True)
class Items:
    """A list or a tuple."""

    args: tuple


@dataclass(frozen=True)
class Attribute:
    """What follows a value and a dot and is not called, or an index in brackets, which is called `[]`."""

    name: str
    value: object


def children(node) -> Iterator:
    """The parts of a tree right below its root."""
    if isinstance(node, Call):
        yield from (value for _, value in node.args)
    elif isinstance(node, (Operation, Items)):
        yield from node.args
    elif isinstance(node, Attribute):
        yield node.value


def names(node) -> list[str]:
    """The operands in a tree, each once, as they first occur."""
    found: dict[str, None] = {}

    def walk(node):
        if isinstance(node, Name):
            found.setdefault(node.name)
        for child in children(node):
            walk(child)

    walk(node)
    return list(found)


def renamed(node, new: dict):
    """The tree with other names for its operands."""
    if isinstance(node, Name):
        return Name(new.get(node.name, node.name))
    if isinstance(node, Call):
        return Call(node.function, tuple((keyword, renamed(value, new)) for keyword, value in node.args))
    if isinstance(node, Operation):
        return Operation(node.op, tuple(renamed(arg, new) for arg in node.args))
    if isinstance(node, Items):
        return Items(tuple(renamed(arg, new) for arg in node.args))
    if isinstance(node, Attribute):
        return Attribute(node.name, renamed(node.value, new))
    return node


def write(node, least: int = 0) -> str:
    """A tree as a text, in parentheses if its operator binds looser than `least`."""
    if isinstance(node, Leaf):
        return node.written
    if isinstance(node, Name):
        return node.name
    if isinstance(node, Call):
        args = ", ".join((f"{keyword}=" if keyword else "") + write(value) for keyword, value in node.args)
        return f"{node.function}({args})"
    if isinstance(node, Items):
        return "[" + ", ".join(write(arg) for arg in node.args) + "]"
    if isinstance(node, Attribute):
        return f"{write(node.value, _ATOM)}.{node.name}"
    if len(node.args) == 1:
        precedence, text = _SIGN, node.op + write(node.args[0], _SIGN)
    elif node.op == "**":
        precedence, text = _POWER, f"{write(node.args[0], _ATOM)} ** {write(node.args[1], _SIGN)}"
    else:
        precedence = _PRECEDENCE[node.op]
        left = precedence + (precedence == _COMPARISON)
        text = f"{write(node.args[0], left)} {node.op} {write(node.args[1], precedence + 1)}"
    return text if precedence >= least else f"({text})"


def parse(text: str, given: Collection[str]):
    """The tree of a text in which the names in `given` are operands, whatever else they may be names of.

    >>> from hadamard._text import parse, write
    >>> write(parse("np.sum((a - b)**2, axis=0) / 2", {"a", "b"}))
    'sum((a - b) ** 2, dim=0) / 2'
    """
    parser = _Parser(text, given)
    node = parser.binary(_COMPARISON)
    if parser.kind != "end":
        raise parser.mistake("an operator or the end")
    return node


class _Parser:
    """Recursive descent, each function reading one kind of part: as the library's own parser does."""

    def __init__(self, text: str, given: Collection[str]):
        self.given, self.depth = given, 0
        self.tokens, at = [], 0
        while True:
            match = _TOKEN.match(text, at)
            if match is None:
                raise Mistake(f"column {at + 1}: unexpected character in {text!r}")
            self.tokens.append((match.lastgroup, match[match.lastgroup]))
            if match.lastgroup == "end":
                break
            at = match.end()
        self.at = 0

    @property
    def kind(self) -> str:
        return self.tokens[self.at][0]

    @property
    def token(self) -> str:
        return self.tokens[self.at][1]

    def follows(self, op: str, ahead: int = 0) -> bool:
        return self.tokens[min(self.at + ahead, len(self.tokens) - 1)] == ("op", op)

    def take(self, op: str) -> bool:
        found = self.follows(op)
        self.at += found
        return found

    def advance(self) -> str:
        token = self.token
        self.at += self.kind != "end"
        return token

    def mistake(self, wanted: str) -> Mistake:
        return Mistake(f"expected {wanted}, found {self.token!r}")

    def expect(self, op: str) -> None:
        if not self.take(op):
            raise self.mistake(f"{op!r}")

    def binary(self, least: int):
        lhs, compared = self.sign(), False
        while self.kind == "op" and _PRECEDENCE.get(self.token, 0) >= least:
            op = self.advance()
            if _PRECEDENCE[op] == _COMPARISON:
                if compared:
                    raise Mistake("comparisons do not chain: write (a < b) & (b < c)")
                compared = True
            lhs = Operation(op, (lhs, self.binary(_PRECEDENCE[op] + 1)))
        return lhs

    def sign(self):
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise Mistake(f"nested more than {MAX_DEPTH} levels deep")
        if self.kind == "op" and self.token in "-+~":
            node = Operation(self.advance(), (self.sign(),))
        else:
            node = self.postfix()
            if self.take("**"):
                node = Operation("**", (node, self.sign()))
        self.depth -= 1
        return node

    def postfix(self):
        node = self.atom()
        while True:
            if self.take("["):
                self.skip_index()
                node = Attribute("[]", node)
            elif self.take("."):
                if self.kind != "name":
                    raise self.mistake("a method")
                name = self.advance()
                node = self.call(name, "method", ((None, node),)) if self.take("(") else Attribute(name, node)
            else:
                return node

    def skip_index(self) -> None:
        depth = 1
        while depth:
            if self.kind == "end":
                raise self.mistake("']'")
            depth += self.kind == "op" and self.token == "["
            depth -= self.kind == "op" and self.token == "]"
            self.advance()

    def atom(self):
        if self.kind in ("number", "text"):
            return Leaf(self.advance())
        if self.kind == "name":
            return self.name()
        if self.take("("):
            if self.take(")"):
                return Items(())
            first = self.binary(_COMPARISON)
            if self.take(","):
                return self.items((first,), ")")
            self.expect(")")
            return first
        if self.take("["):
            return self.items((), "]")
        raise self.mistake("a value")

    def items(self, items: tuple, close: str) -> Items:
        while not self.take(close):
            items += (self.binary(_COMPARISON),)
            if not self.take(","):
                self.expect(close)
                break
        return Items(items)

    def name(self):
        name = self.advance()
        if self.take("("):
            return self.call(name, "function", ())
        if name in WORDS:
            return Leaf(name)
        if name in self.given:
            return Name(name)
        if name in _MODULES and self.take("."):
            return self.member(name)
        if name in CONSTANTS:
            return Leaf(name)
        return Leaf(f'"{_DTYPES[name]}"') if name in _DTYPES else Name(name)

    def member(self, module: str):
        spelling = "numpy" if module in _NUMPY_MODULES else "function"
        while True:
            if self.kind != "name":
                raise self.mistake("a name")
            name = self.advance()
            if name in _SUBMODULES and self.take("."):
                continue
            if self.take("("):
                return self.call(name, spelling, ())
            if name in CONSTANTS:
                return Leaf(name)
            dtypes = {**_DTYPES, **_CAST_METHODS} if module == "torch" else _DTYPES
            if name in dtypes:
                return Leaf(f'"{dtypes[name]}"')
            raise Mistake(f"unknown name {name!r}")

    def call(self, name: str, spelling: str, args: tuple) -> Call:
        if spelling == "method" and name in _CAST_METHODS:
            self.expect(")")
            return Call("cast", (*args, (None, Leaf(f'"{_CAST_METHODS[name]}"'))))
        own = {"method": _AS_METHOD, "numpy": _AFTER_NUMPY}.get(spelling, {}).get(name, name)
        own = _ALIASES.get(own, own)
        while not self.take(")"):
            keyword = None
            if self.kind == "name" and self.follows("=", 1):
                keyword = self.advance()
                self.advance()
                keyword = _KEYWORDS.get(keyword, keyword)
            is_dtype = self.kind == "name" and self.token not in self.given
            value = self.binary(_COMPARISON)
            if own == "astype" and is_dtype and isinstance(value, Leaf):
                own = "cast"
            args += ((keyword, value),)
            if not self.take(","):
                self.expect(")")
                break
        if spelling == "numpy" and own in ("std", "var") and all(keyword != "correction" for keyword, _ in args):
            args += (("correction", Leaf("0")),)
        return Call(own, args)
