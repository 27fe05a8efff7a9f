"""Hold the parts of the predict page, the only one that imports `musicml.inference.predictor` or `explain`.

A file is bytes in memory here: it is never written, and what is kept of it goes when the page shows another.
"""
