"""Hold the parts of the page that shows datasets."""
