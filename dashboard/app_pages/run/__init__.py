"""Hold the page about one run: its parts, its result, and its model."""
