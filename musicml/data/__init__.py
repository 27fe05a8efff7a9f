"""Data sets: reading, downloading, generating, splitting and auditing them, and published results on them."""
