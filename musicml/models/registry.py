"""Find model families by name: each module in this package is one, so none has to be registered.

A family's module has `Options`, a dataclass of settings with their ranges, and `build(options, spec)`. Keras is
imported on first use, so that an experiment can be read and checked without it.
"""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path
from types import ModuleType
from typing import Any

from musicml.models.base import ModelSpec, add_class_activation_maps
from musicml.utils import InputError, suggest_names

__all__ = ["FAMILY_NAMES", "ModelSpec", "build_model", "get_family", "add_class_activation_maps"]

NOT_FAMILIES = {"base", "registry"}
FAMILY_NAMES = tuple(
    sorted(
        module.name for module in pkgutil.iter_modules([str(Path(__file__).parent)]) if module.name not in NOT_FAMILIES
    )
)


def get_family(name: str) -> ModuleType:
    """Return the module of the model family `name`.

    Raises
    ------
    InputError
        If there is no such family.
    """
    if name not in FAMILY_NAMES:
        raise InputError(
            "Expected model.family to be a model family of musicml, got {name!r}: {hint}",
            name=name,
            hint=suggest_names(name, FAMILY_NAMES),
        )
    return importlib.import_module(f"musicml.models.{name}")


def build_model(name: str, options: Any, spec: ModelSpec) -> Any:
    """Build an untrained model of the family `name`: a `keras.Model`, or a `Forest` for forests."""
    return get_family(name).build(options, spec)
