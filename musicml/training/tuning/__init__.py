"""Search an experiment's options."""
