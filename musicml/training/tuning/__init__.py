"""Search for the best options of an experiment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from musicml.utils import export_lazily

if TYPE_CHECKING:
    from musicml.training.tuning.search import search_options
    from musicml.training.tuning.study import SEARCH_NOTE, SearchResult, Trial

__getattr__, __dir__, __all__ = export_lazily(__name__)
