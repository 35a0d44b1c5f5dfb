"""One file out of modules of ours: what others get is the code that is tested here, not a copy that ages.

`bundle` writes a module and puts in place of each ``from ours import …`` the constants that it names, or, where it
names a function or a class, the whole module that defines it.
"""

from __future__ import annotations

import ast
import importlib
import inspect
from pprint import pformat
from types import ModuleType

OURS = ("corpus", "eval", "signatures")
WIDTH = 118


def bundle(*names: str) -> str:
    """Return the text of modules as one, imports first, without docstrings of modules.

    The result imports only what these modules import from elsewhere; annotations are evaluated, so that a tool that
    loads the file without registering it as a module can do so (dataclasses look theirs up).
    """
    imports: dict[str, None] = {}
    bodies: dict[str, str] = {}
    for name in names:
        _collect(importlib.import_module(name), imports, bodies)
    return "\n".join(sorted(imports, key=_isort)) + "\n\n" + "\n\n\n".join(filter(None, bodies.values())) + "\n"


def _collect(module: ModuleType, imports: dict[str, None], bodies: dict[str, str]) -> None:
    if module.__name__ in bodies:
        return
    source = inspect.getsource(module)
    lines = source.splitlines()
    constants = []
    body = ast.parse(source).body
    start = 0
    for node in body:
        if isinstance(node, ast.ImportFrom) and str(node.module).split(".")[0] in OURS:
            constants += _inline(node, imports, bodies)
        elif isinstance(node, ast.Import) or (isinstance(node, ast.ImportFrom) and node.module != "__future__"):
            imports[ast.unparse(node)] = None
        elif not _is_preamble(node):
            break
        start = node.end_lineno or 0
    rest = "\n".join(lines[start:]).strip("\n")
    bodies[module.__name__] = "\n".join([*constants, rest])


def _inline(node: ast.ImportFrom, imports: dict[str, None], bodies: dict[str, str]) -> list[str]:
    """Return the constants that an import names as assignments; a function or class brings its module along."""
    module = importlib.import_module(str(node.module))
    values = {alias.name: getattr(module, alias.name) for alias in node.names}
    if any(callable(value) for value in values.values()):
        _collect(module, imports, bodies)
        return []
    return [f"{name} = {pformat(value, width=WIDTH, sort_dicts=False)}" for name, value in values.items()]


def _is_preamble(node: ast.stmt) -> bool:
    """Whether this is a module's docstring or a ``from __future__``, which the one file leaves out."""
    return (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)) or isinstance(node, ast.ImportFrom)


def _isort(line: str) -> tuple[bool, str]:
    return line.startswith("from"), line
