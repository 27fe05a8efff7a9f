"""Experiment files, run folders and the check of the environment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from musicml.utils import export_lazily

if TYPE_CHECKING:
    from musicml.experiment.cluster_check import check_cluster
    from musicml.experiment.config import Experiment, parse_changes, parse_experiment, read_experiment
    from musicml.experiment.environment import CheckResult, check_environment
    from musicml.experiment.lookup import PUBLISHED, find_checkout, find_experiment, find_experiment_folder
    from musicml.experiment.notes import RunNotes, add_tags, read_notes, remove_tags, write_note
    from musicml.experiment.options import PublishedOptions, TrainingOptions
    from musicml.experiment.process import has_process_exited, hold_folder, hold_run, is_held, remove_abandoned_files
    from musicml.experiment.records import (
        MAIN_METRICS,
        ClassRow,
        DataInfo,
        Epoch,
        Report,
        RunInfo,
        SplitInfo,
        Task,
        make_file_error,
        make_record_error,
        parse_record,
    )
    from musicml.experiment.run import (
        FOLDS_FOLDER,
        FORMAT_VERSION,
        PRETRAINED,
        Run,
        check_has_results,
        create_run,
        describe_run,
        get_fold,
        get_git_commit,
        get_versions,
        list_complete_runs,
        list_runs,
        mark_abandoned,
        open_run,
        start_run,
    )
    from musicml.experiment.run_data import (
        RunDigests,
        check_same_files,
        find_other_contents,
        read_digests,
        read_experiment_text,
        read_layers,
        relocate_data,
        spell_examples,
        warn_without_digests,
        write_digests,
    )
    from musicml.experiment.trash import TRASH_FOLDER, delete_run, list_trash, restore_run
    from musicml.experiment.user_folder import FOLDERS_VARIABLE, is_named, make_secret, read_secret, remember_folders

__getattr__, __dir__, __all__ = export_lazily(__name__)
