"""Model families: one file each, found by its name, not registered.

A family's module has `Options`, a dataclass of settings with their rules, and `build(options, spec)`.
Keras is imported inside `build`, so that an experiment can be read and checked without it.
"""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path
from types import ModuleType
from typing import Any

from musicml.models.base import Spec, with_maps
from musicml.utils.errors import BadInput, nearest

__all__ = ["NAMES", "Spec", "build", "family", "with_maps"]

NOT_FAMILIES = {"base", "registry"}
NAMES = tuple(
    sorted(
        module.name for module in pkgutil.iter_modules([str(Path(__file__).parent)]) if module.name not in NOT_FAMILIES
    )
)


def family(name: str) -> ModuleType:
    """The module of the model family `name`.

    Raises
    ------
    BadInput
        If there is no such family.
    """
    if name not in NAMES:
        raise BadInput(f"model.family = {name!r} must be a model family that musicml knows: {nearest(name, NAMES)}")
    return importlib.import_module(f"musicml.models.{name}")


def build(name: str, options: Any, spec: Spec) -> Any:
    """A model of the family `name`, untrained: a `keras.Model`, or for the forest a `Forest`."""
    return family(name).build(options, spec)
