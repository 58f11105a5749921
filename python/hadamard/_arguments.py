"""Arguments of reductions, read from the tree of a text; `numbers` has operands that are numbers."""

from __future__ import annotations

from ._functions import REDUCTIONS
from ._text import Call, Items, Leaf, Name, Operation, write


def integers(node, numbers) -> list[int] | None:
    """The dims that an argument stands for; None if it is no list of integers."""
    if isinstance(node, Items):
        found = [integers(arg, numbers) for arg in node.args]
        return None if None in found else [n for one in found for n in one]
    if isinstance(node, Operation) and node.op == "-" and len(node.args) == 1:
        found = integers(node.args[0], numbers)
        return None if found is None else [-n for n in found]
    if isinstance(node, Name) and type(numbers.get(node.name)) is int:
        return [numbers[node.name]]
    if isinstance(node, Leaf) and node.written.isdigit():
        return [int(node.written)]
    return None


def dims(function: str, node, rank: int, numbers) -> tuple[int, ...]:
    """The dims of an argument, from 0; all of them where none is given."""
    found = [] if node is None or node == Leaf("None") else integers(node, numbers)
    if found is None:
        raise NotImplementedError(f"{function}: expected integers as dims, found {write(node)}")
    for dim in found:
        if not -rank <= dim < rank:
            raise ValueError(f"{function}: dim {dim} is out of range for {rank} dims (expected {-rank} to {rank - 1})")
    those = tuple(sorted(dim % rank for dim in found)) or tuple(range(rank))
    if len(set(those)) < len(those):
        raise ValueError(f"{function}: a dim is given twice")
    return those


def bound(node: Call) -> dict:
    params = REDUCTIONS[node.function]
    found: dict = {}
    for i, (keyword, value) in enumerate(node.args):
        if keyword is None and i >= len(params):
            raise ValueError(f"{node.function} takes at most {len(params)} arguments: {', '.join(params)}")
        param = keyword or params[i]
        if param not in params:
            raise ValueError(f"{node.function} has no parameter '{param}' (it has {', '.join(params)})")
        if param in found:
            raise ValueError(f"{node.function} is given '{param}' twice")
        found[param] = value
    if "input" not in found:
        raise ValueError(f"{node.function} needs 'input'")
    return found


def flag(function, node, numbers) -> bool:
    if node is None or node == Leaf("None") or node == Leaf("False"):
        return False
    if node == Leaf("True"):
        return True
    if isinstance(node, Name) and type(numbers.get(node.name)) is bool:
        return numbers[node.name]
    raise ValueError(f"{function}: expected True or False, found {write(node)}")
