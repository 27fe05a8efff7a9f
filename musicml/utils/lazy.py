"""The face of a room: the names that other rooms import from it, each loaded when it is first asked for."""

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
    """Make the `__getattr__`, `__dir__` and `__all__` of a package that offers names of its modules (PEP 562).

    A module is imported when one of its names is used, so that reading a run does not import what trains one. A name
    must not be that of a module of the package: Python would hand out the module once it is imported.

    Parameters
    ----------
    package : the package's `__name__`
    exports : module, relative to the package -> the names in it that the package offers; None for those that it
        imports under `if TYPE_CHECKING`, where type checkers and editors read them too
    defined : names that the package itself defines and offers too
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
    """Read what a package imports from its own modules under `if TYPE_CHECKING`: module -> names."""
    tree = ast.parse(Path(sys.modules[package].__file__ or "").read_text(encoding="utf-8"))
    imports = (node for part in tree.body if isinstance(part, ast.If) for node in part.body)
    return {
        str(node.module).removeprefix(f"{package}."): [name.name for name in node.names]
        for node in imports
        if isinstance(node, ast.ImportFrom)
    }
