"""Model families, one file each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from musicml.utils import export_lazily

if TYPE_CHECKING:
    from musicml.models.base import ModelSpec, add_class_activation_maps
    from musicml.models.forest import load_forest, predict_scores
    from musicml.models.registry import FAMILY_NAMES, build_model, get_family

__getattr__, __dir__, __all__ = export_lazily(
    __name__,
    {
        "base": ["ModelSpec", "add_class_activation_maps"],
        "forest": ["load_forest", "predict_scores"],
        "registry": ["FAMILY_NAMES", "build_model", "get_family"],
    },
)
