"""Download the real data sets, or install them from a local archive."""
