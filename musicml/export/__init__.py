"""Export: a run's model for ONNX Runtime, which answers before TensorFlow is imported, and for use elsewhere."""

from musicml.export.folder import FORMATS, export
from musicml.export.to_onnx import forest_to_onnx, to_onnx

__all__ = ["FORMATS", "export", "forest_to_onnx", "to_onnx"]
