"""Imported once by the process from which commands are forked off."""

from tests.torture.child import preload

preload()
