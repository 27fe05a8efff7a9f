"""Predictions from a trained run: loading, calibration, explanations and export."""
