"""The parts of the page that asks why a published number is wrong."""
