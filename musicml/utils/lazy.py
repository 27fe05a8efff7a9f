"""The face of a room: the names that other rooms import from it, each loaded when it is first asked for."""

from __future__ import annotations

import ast
import importlib
import sys
from collections.abc import Callable, Mapping, Sequence
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
    exports : module, relative to the package -> the names in it that the package offers; None for what the package
        imports under `if TYPE_CHECKING`
    defined : names that the package itself defines and offers too
    """
    if exports is None:
        modules = _read_imports(package)
    else:
        modules = {name: f"{package}.{module}" for module, names in exports.items() for name in names}

    def __getattr__(name: str) -> Any:
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(importlib.import_module(modules[name]), name)

    names = sorted([*modules, *defined])
    return __getattr__, lambda: names, names


def _read_imports(package: str) -> dict[str, str]:
    """Read which names a package imports under `if TYPE_CHECKING`, each with its module."""
    loader: Any = sys.modules[package].__spec__.loader  # type: ignore[union-attr]
    blocks = [node.body for node in ast.parse(loader.get_source(package)).body if isinstance(node, ast.If)]
    imports = [node for block in blocks for node in block if isinstance(node, ast.ImportFrom)]
    return {alias.name: str(node.module) for node in imports for alias in node.names}
