"""Generate synthetic data in the layouts of the real data sets."""
