"""Show one run: its results, its test examples, its model and its data."""
