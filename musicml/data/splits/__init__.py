"""Split data sets into train, val and test by group."""
