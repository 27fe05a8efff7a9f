"""Lazy exports: a package offers names of its modules, and imports a module when one of its names is first used."""

from __future__ import annotations

import ast
import importlib
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any


def export_lazily(
    package: str, exports: Mapping[str, Sequence[str]] | None = None, defined: Sequence[str] = ()
) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """Make the `__getattr__`, `__dir__` and `__all__` of a package that exports names of its modules (PEP 562).

    Reading a run thus never imports the code that trains one. An exported name must differ from the names of the
    package's modules: once such a module is imported, Python would return the module instead.

    Parameters
    ----------
    package : the package's `__name__`
    exports : module, relative to the package -> the names that it exports; None for those that the package imports
        under `if TYPE_CHECKING`, where type checkers and editors read them too
    defined : further exported names, defined by the package itself
    """
    exports = _read_exports(package) if exports is None else exports
    modules = {name: module for module, names in exports.items() for name in names}

    def __getattr__(name: str) -> Any:
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(importlib.import_module(f"{package}.{modules[name]}"), name)

    names = sorted([*modules, *defined])
    return __getattr__, lambda: names, names


def _read_exports(package: str) -> dict[str, list[str]]:
    """Read the imports of a package from its own modules under `if TYPE_CHECKING`: module -> names."""
    tree = ast.parse(Path(sys.modules[package].__file__ or "").read_text(encoding="utf-8"))
    imports = (node for statement in tree.body if isinstance(statement, ast.If) for node in statement.body)
    return {
        str(node.module).removeprefix(f"{package}."): [name.name for name in node.names]
        for node in imports
        if isinstance(node, ast.ImportFrom)
    }
