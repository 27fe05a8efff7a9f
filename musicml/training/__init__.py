"""Train models: from an experiment to a run folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from musicml.utils import export_lazily

if TYPE_CHECKING:
    from musicml.training.distribution import is_secondary
    from musicml.training.plan import DEFAULT_WORKERS, Plan, make_plan
    from musicml.training.preparation import (
        compute_features,
        compute_split_hash,
        make_clip_spec,
        prepare_data,
        read_features,
    )
    from musicml.training.pretrained_run import TAGS_RUN, make_tags_run
    from musicml.training.retraining import check_can_retrain, find_matching_run, retrain_run
    from musicml.training.train import PROTOCOLS, build_run_info, resume_run, train_experiment
    from musicml.training.trainer import TrainedModel, TrainingData, TrainingJob, train_and_score, train_model

__getattr__, __dir__, __all__ = export_lazily(__name__)
