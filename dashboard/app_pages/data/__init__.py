"""The parts of the page that shows data sets."""
