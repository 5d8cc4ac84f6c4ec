"""Test modules, read and not run."""

import ast
from pathlib import Path


def functions(path: Path) -> set[str]:
    """The names of all functions in a module."""
    nodes = ast.walk(ast.parse(path.read_text()))
    return {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
