"""Predict files: the only page that imports `musicml.inference.predictor` or `explain`.

Uploaded files stay in memory: they are never written to disk, and are dropped when the page shows another file.
"""
