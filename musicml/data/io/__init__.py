"""Read audio and image files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from musicml.utils import export_lazily

if TYPE_CHECKING:
    from musicml.data.io.audio import (
        AUDIO_SUFFIXES,
        FULL_SCALE,
        MAX_SECONDS,
        SILENT,
        Loudness,
        Sound,
        check_completeness,
        check_truncated,
        compute_clip_starts,
        compute_max_frames,
        decode_audio,
        load_audio,
        make_resampler,
        mix_to_mono,
        pad_audio,
        stream_audio,
    )
    from musicml.data.io.decoders import (
        IMAGE_SIGNATURES,
        SAMPLE_RATES,
        SIGNATURES,
        TYPE_OF_PICTURE_SUFFIX,
        check_extension,
        check_range,
        describe_unknown,
        detect_mpeg_type,
        get_display_name,
        match_signatures,
        open_stream,
        stream_array,
    )
    from musicml.data.io.images import IMAGE_SUFFIXES, MAX_PIXELS, load_image, resize_image

__getattr__, __dir__, __all__ = export_lazily(
    __name__,
    {
        "audio": [
            "AUDIO_SUFFIXES",
            "FULL_SCALE",
            "Loudness",
            "MAX_SECONDS",
            "SILENT",
            "Sound",
            "check_completeness",
            "check_truncated",
            "compute_clip_starts",
            "compute_max_frames",
            "decode_audio",
            "load_audio",
            "make_resampler",
            "mix_to_mono",
            "pad_audio",
            "stream_audio",
        ],
        "decoders": [
            "IMAGE_SIGNATURES",
            "SAMPLE_RATES",
            "SIGNATURES",
            "TYPE_OF_PICTURE_SUFFIX",
            "check_extension",
            "check_range",
            "describe_unknown",
            "detect_mpeg_type",
            "get_display_name",
            "match_signatures",
            "open_stream",
            "stream_array",
        ],
        "images": ["IMAGE_SUFFIXES", "MAX_PIXELS", "load_image", "resize_image"],
    },
)
