"""Model families, one module for each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from musicml.utils import export_lazily

if TYPE_CHECKING:
    from musicml.models.base import ModelSpec, add_class_activation_maps, compute_batch_limit, is_fitted_at_once
    from musicml.models.forest import load_forest, predict_scores
    from musicml.models.pretrained_audio import MUSICNN_FEATURES, MUSICNN_FRAMES, build_tagger
    from musicml.models.registry import FAMILY_NAMES, build_model, get_family
    from musicml.models.svm import add_support_vectors

__getattr__, __dir__, __all__ = export_lazily(__name__)
