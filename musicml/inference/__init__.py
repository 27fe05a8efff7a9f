"""Predictions from trained runs: model loading, calibration, explanations and export."""

from __future__ import annotations

from typing import TYPE_CHECKING

from musicml.utils import export_lazily

if TYPE_CHECKING:
    from musicml.inference.calibration import (
        MIN_CALIBRATION_FILES,
        apply_temperature,
        compute_calibration_error,
        compute_reliability,
        compute_traits,
        describe_temperature_bound,
        fit_ood_limit,
        fit_temperature,
        fit_thresholds,
    )
    from musicml.inference.explain import explain_prediction, is_recurrent_run, save_explanation
    from musicml.inference.explain.class_activation import is_fine_map
    from musicml.inference.explain.overlay import DECIBELS, draw_overlay
    from musicml.inference.export.bundle import export_run
    from musicml.inference.export.onnx import export_forest_onnx, export_keras_onnx
    from musicml.inference.manifest import Manifest, read_manifest, write_manifest
    from musicml.inference.pooling import pool_by_example, pool_clips
    from musicml.inference.predictor import ModelInput, Prediction, Predictor
    from musicml.inference.streaming import StreamingPredictor
    from musicml.inference.trust import sign_run, trust_run

__getattr__, __dir__, __all__ = export_lazily(__name__)
