"""Experiment files, run folders and the check of this machine."""
