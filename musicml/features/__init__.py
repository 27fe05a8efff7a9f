"""Features of audio and images: computation, augmentation, clips and the cache."""

from __future__ import annotations

from typing import TYPE_CHECKING

from musicml.utils import export_lazily

if TYPE_CHECKING:
    from musicml.features.audio_features import (
        FEATURE_KINDS,
        FEATURES_VERSION,
        MFCC,
        LogMel,
        Pixels,
        VGGish,
        compute_band_centers,
        compute_features,
        compute_log_mel,
        get_fmax,
    )
    from musicml.features.augmentation import RESAMPLING, Augment, check_augmentation, mix_examples
    from musicml.features.cache import (
        Features,
        check_kind,
        count_cached_files,
        get_features,
        get_frozen_outputs,
        get_storage_type,
    )
    from musicml.features.cache.inventory import CacheEntry, clear_cache, list_cache_entries, measure_size
    from musicml.features.clip_spec import ClipSpec, parse_clip_spec
    from musicml.features.clips import (
        UNOBSERVED,
        Clips,
        compute_mean_and_variance,
        cut_clips,
        cut_into_pieces,
        get_targets,
    )
    from musicml.features.frame_stream import FrameStream
    from musicml.features.spectrogram_image import MAX_LEVEL, Spectrogram

__getattr__, __dir__, __all__ = export_lazily(__name__)
