"""Export: a run's model for ONNX Runtime, which answers before TensorFlow is imported, and for use elsewhere."""

from musicml.inference.export.bundle import FORMATS, export_run
from musicml.inference.export.onnx import export_forest_onnx, export_keras_onnx

__all__ = ["FORMATS", "export_run", "export_forest_onnx", "export_keras_onnx"]
