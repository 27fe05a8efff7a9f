"""Split datasets into train, val and test by group."""

from __future__ import annotations

from typing import TYPE_CHECKING

from musicml.utils import export_lazily

if TYPE_CHECKING:
    from musicml.data.splits.groups import (
        check_lists,
        find_connected,
        group_identical_files,
        is_ungrouped_split,
        merge_groups,
    )
    from musicml.data.splits.splitting import (
        DEFAULT_FOLDS,
        LIST_SPLITS,
        SPLIT_KINDS,
        UNGROUPED,
        Split,
        describe_fixed_split,
        make_folds,
        make_split,
    )

__getattr__, __dir__, __all__ = export_lazily(__name__)
