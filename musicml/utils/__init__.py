"""Errors, files, the terminal, checked settings, parallel work and messages in other languages."""
