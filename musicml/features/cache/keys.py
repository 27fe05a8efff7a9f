"""Keys: what features depend on, as a digest."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from musicml.data import digest_examples
from musicml.data.datasets import Dataset
from musicml.features import audio_features
from musicml.utils import to_dict


def compute_cache_key(dataset: Dataset, settings: Any, least_samples: int, root: Path) -> str:
    """The digest of everything that the features depend on."""
    facts = {
        "kind": settings.__class__.__name__,
        **to_dict(settings),
        "least_samples": least_samples,
        "version": audio_features.FEATURES_VERSION,
    }
    found = hashlib.blake2b(json.dumps(facts, sort_keys=True).encode(), digest_size=12)
    for file in digest_examples(dataset, root):  # one after another: all of them at once are megabytes
        found.update(json.dumps(file).encode())
    return found.hexdigest()
