"""The parts of the page of classes."""
