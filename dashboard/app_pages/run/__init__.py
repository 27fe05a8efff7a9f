"""The parts of the page of one run: what can be seen of it, each with a `show`."""
