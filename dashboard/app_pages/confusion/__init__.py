"""The parts of the page of confusions."""
