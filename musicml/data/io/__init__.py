"""Read audio and image files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from musicml.utils import export_lazily

if TYPE_CHECKING:
    from musicml.data.io.audio import (
        AUDIO_SUFFIXES,
        FULL_SCALE,
        MAX_SECONDS,
        AudioSource,
        LevelMeter,
        Sound,
        check_completeness,
        check_truncated,
        compute_clip_starts,
        compute_max_frames,
        decode_audio,
        load_audio,
        make_resampler,
        pad_audio,
        stream_audio,
    )
    from musicml.data.io.channels import SILENCE_AMPLITUDE, Mixer, mix_to_mono
    from musicml.data.io.containers import compute_checksum
    from musicml.data.io.decoders import open_stream, stream_array
    from musicml.data.io.file_types import TYPE_OF_PICTURE_SUFFIX, check_extension, describe_unknown
    from musicml.data.io.images import IMAGE_SUFFIXES, MAX_PIXELS, load_image, resize_image
    from musicml.data.io.listing import Listing, detect_kind, is_visible, list_files, make_unreadable_folder_error
    from musicml.data.io.stream import READER_VERSION, SAMPLE_RATES, check_range
    from musicml.data.io.tf_checkpoint import read_tf_checkpoint

__getattr__, __dir__, __all__ = export_lazily(__name__)
