"""Benchmarks: measurements that are too slow, or depend too much on the machine, to be tests."""
