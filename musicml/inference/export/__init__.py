"""Export the model of a run: as model.onnx in its run folder, or as a folder for use outside musicml."""

from musicml.inference.export.bundle import FORMATS, export_run
from musicml.inference.export.onnx import export_forest_onnx, export_keras_onnx

__all__ = ["FORMATS", "export_run", "export_forest_onnx", "export_keras_onnx"]
