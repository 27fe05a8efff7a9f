"""Evaluation: metrics, confidence intervals, comparisons, leakage and replication."""
