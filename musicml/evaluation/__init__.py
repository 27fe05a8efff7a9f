"""Metrics, confidence intervals, comparisons, leakage and replication of published results."""

from __future__ import annotations

from typing import TYPE_CHECKING

from musicml.utils import export_lazily

if TYPE_CHECKING:
    from musicml.evaluation.as_published import IntervalEstimate
    from musicml.evaluation.bootstrap import compute_class_draws, compute_mean_draws, draw_groups
    from musicml.evaluation.comparison import Comparison, compare_runs, find_comparable_pairs, group_by_seed
    from musicml.evaluation.comparison.significance import PairedComparison, compare_pairs
    from musicml.evaluation.ensemble import combine_runs
    from musicml.evaluation.evaluate import evaluate_run
    from musicml.evaluation.intervals import (
        CLASS_METRICS,
        INTERVAL_METHOD,
        compute_class_intervals,
        describe_few_groups,
        summarize_class_draws,
        summarize_draws,
    )
    from musicml.evaluation.leakage import LeakageEstimate, LeakageResult, measure_leakage
    from musicml.evaluation.metrics import apply_thresholds, compute_report, count_classes, format_headline
    from musicml.evaluation.predictions import (
        PredictionTable,
        read_class_names,
        read_clip_scores,
        read_fold_thresholds,
        read_predictions,
    )
    from musicml.evaluation.replication import Replication, replicate
    from musicml.evaluation.replication.summary import REPLICATION_NAMES, ReplicationRow
    from musicml.evaluation.reproduction import Reproduction, reproduce_run

__getattr__, __dir__, __all__ = export_lazily(__name__)
