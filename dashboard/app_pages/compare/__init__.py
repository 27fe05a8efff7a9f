"""Hold the parts of the page that compares runs."""
