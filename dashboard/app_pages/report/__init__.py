"""The parts of the page that writes runs up."""
