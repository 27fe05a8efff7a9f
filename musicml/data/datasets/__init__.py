"""Datasets: one module each, loaded by name, and folders of the user's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from musicml.utils import export_lazily

if TYPE_CHECKING:
    from musicml.data.datasets.base import KINDS, SPLITS, Dataset, Excluded, list_visible_folders
    from musicml.data.datasets.examples import Example, Examples
    from musicml.data.datasets.group_table import GROUPS_FILE, NO_GROUPS
    from musicml.data.datasets.loading import (
        DATASET_NAMES,
        find_dataset_folder,
        is_sample_data,
        load_dataset,
        load_folder,
        reload_dataset,
    )

__getattr__, __dir__, __all__ = export_lazily(__name__)
