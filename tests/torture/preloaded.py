"""Imports of the fork server, from which commands are forked."""

from tests.torture.child import preload

preload()
