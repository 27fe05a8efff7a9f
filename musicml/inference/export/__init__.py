"""Export: a run's model for ONNX Runtime, which answers before TensorFlow is imported, and for use elsewhere."""

from musicml.inference.export.bundle import FORMATS, export
from musicml.inference.export.onnx import forest_to_onnx, to_onnx

__all__ = ["FORMATS", "export", "forest_to_onnx", "to_onnx"]
