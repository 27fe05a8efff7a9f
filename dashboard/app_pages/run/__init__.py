"""Hold the parts of the page of one run, each with a `show`."""
