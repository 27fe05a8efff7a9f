"""The page that asks: the only one that knows `musicml.inference.predictor` and `musicml.inference.explain`.

A file is bytes in memory here: it is never written, and what is kept of it goes when the page shows another.
"""
