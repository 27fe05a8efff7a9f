"""musicml: train, judge and try out music classifiers, from one experiment file to one run folder."""

__version__ = "0.1.0"
