"""The feature front in words: what stands between a file and an exported model, for whoever builds it elsewhere."""

from __future__ import annotations

from musicml.experiment import RunInfo
from musicml.features import MFCC, LogMel, Pixels, Spectrogram, VGGish, upper
from musicml.inference import calibration
from musicml.inference.manifest import Manifest

SAMPLE = "**It was trained on generated sample data: its answers say nothing about real music.**\n\n"

DCT = "Take the first {n} coefficients of each frame's orthonormal cosine transform (DCT-II)."

# the licence (ISC) asks that it goes with every copy; THIRD_PARTY.md has it too
NOTICE = """The weights of musicnn in this model: Copyright (c) Music Technology Group, Universitat Pompeu Fabra 2019.
Code developed by Jordi Pons (www.jordipons.me).

Permission to use, copy, modify, and/or distribute this software for any purpose with or without fee is hereby granted,
provided that the above copyright notice and this permission notice appear in all copies.

THE SOFTWARE IS PROVIDED "AS IS" AND THE AUTHOR DISCLAIMS ALL WARRANTIES WITH REGARD TO THIS SOFTWARE INCLUDING ALL
IMPLIED WARRANTIES OF MERCHANTABILITY AND FITNESS. IN NO EVENT SHALL THE AUTHOR BE LIABLE FOR ANY SPECIAL, DIRECT,
INDIRECT, OR CONSEQUENTIAL DAMAGES OR ANY DAMAGES WHATSOEVER RESULTING FROM LOSS OF USE, DATA OR PROFITS, WHETHER IN AN
ACTION OF CONTRACT, NEGLIGENCE OR OTHER TORTIOUS ACTION, ARISING OUT OF OR IN CONNECTION WITH THE USE OR PERFORMANCE OF
THIS SOFTWARE.
"""


def describe_backbone(info: RunInfo) -> str:
    """Describe what a pretrained backbone was trained on, with the licence of its weights; "" without one."""
    notice = f"\n```\n{NOTICE}```\n" if info.family == "pretrained_audio" else ""
    return f"\n{info.caveat}\n{notice}" if info.caveat else ""


def render_readme(serving: Manifest, name: str, sample: bool, backbone: str = "") -> str:
    """The README.md of an exported model: each step from a file to probabilities, with its numbers, in Markdown.

    Parameters
    ----------
    name : the run's
    sample : whether it was trained on sample data
    backbone : what there is to know of a pretrained backbone, a paragraph; "" without one
    """
    steps = [*_list_input_steps(serving), *_list_output_steps(serving)]
    numbered = "\n".join(f"{number}. {step}" for number, step in enumerate(steps, 1))
    classes = "\n".join(f"- {k}: {class_name}" for k, class_name in enumerate(serving.class_names))
    computed = {
        LogMel: "; where librosa is installed it computes the features of the example sound as well",
        Spectrogram: "; it draws the example sound as well",
    }
    by_itself = next((said for kind, said in computed.items() if isinstance(serving.settings, kind)), "")
    return (
        f"# {name}\n\n{SAMPLE if sample else ''}The model of the musicml run {name}. Standardisation is part of it; "
        f"everything else that stands between a file and an answer is here.\n\n{numbered}\n\n`python check.py` asks "
        "the model about the inputs in example.npz (`clips`) and compares its scores with those of the run "
        f"(`raw`){by_itself}.\n\n## Classes, in the order of the scores\n\n{classes}\n{backbone}"
    )


def _list_input_steps(serving: Manifest) -> list[str]:
    """The steps from a file to the model's input."""
    settings = serving.settings
    if isinstance(settings, Pixels):
        return [
            "Decode the picture, turn it upright as its EXIF orientation says, lay what is transparent over white, and "
            "bring it to 8-bit RGB.",
            f"Resize it to {settings.height} x {settings.width} pixels (height x width), bilinear with antialiasing, "
            "without keeping its aspect.",
            f"Give the values 0 to 255 as float32, shape (1, {settings.height}, {settings.width}, 3): the model scales "
            "them itself.",
        ]
    if isinstance(settings, VGGish):
        return [
            "Take the ten VGGish vectors of 128 numbers (0 to 255) of OpenMIC-2018, as float32, shape (1, 10, 128)."
        ]
    if isinstance(settings, Spectrogram):
        return [*_list_audio_steps(serving), *_list_spectrogram_steps(settings), *_list_clip_steps(serving)]
    return [
        *_list_audio_steps(serving),
        f"Cut it into frames of {settings.n_fft} samples, one every {settings.hop_length}, without padding, and "
        "multiply each with a periodic Hann window.",
        "Take the squared magnitude of each frame's discrete Fourier transform.",
        f"Weigh it with {settings.n_mels} triangular filters on Slaney's mel scale from {settings.fmin:g} to "
        f"{upper(settings):g} Hz, each of area one (librosa.filters.mel with its defaults).",
        "Turn power into decibels: 10 log10(max(power, 1e-10)).",
        *([DCT.format(n=settings.n_mfcc)] if isinstance(settings, MFCC) else []),
        *_list_clip_steps(serving),
    ]


def _list_audio_steps(serving: Manifest) -> list[str]:
    """The steps from a sound file to its samples."""
    settings = serving.settings
    return [
        f"Decode the sound, take the mean of its channels as float32 in [-1, 1], and resample it to "
        f"{settings.sample_rate} Hz, cut to [-1, 1] again. Do not normalise it.",
        f"If it has fewer than {max(serving.clip.least_samples, settings.n_fft)} samples, repeat it from its "
        "beginning until it has.",
    ]


def _list_spectrogram_steps(settings: Spectrogram) -> list[str]:
    """The steps from samples to a grey spectrogram, and what a picture of one needs in their place."""
    step = settings.n_fft // 2
    column = "the mean of each column's windows" if settings.averaged else "each column's window number n // 2 of n"
    return [
        f"Cut it into columns of {settings.hop_length} samples. In each, windows of {settings.n_fft} samples begin at "
        f"its first sample and every {step} after that, and may end in the next one; of the last column, take those "
        "that end with the sound. Multiply each with a periodic Hann window.",
        "Take the squared magnitude of each window's discrete Fourier transform, and turn it into decibels: "
        "10 log10(max(power, 1e-13)), in double precision.",
        "Over the whole sound, find the lowest and the highest value; bring the lowest to 0 and the highest to 255, "
        f"linearly (all to 0 where they are equal). Then take {column}.",
        f"A picture of a spectrogram needs none of this: bring it to grey, resize it to {settings.n_bins} rows and "
        f"{settings.n_columns} columns, bilinear with antialiasing, and turn it so that time comes first, and its last "
        "row, the lowest frequency, before the others.",
    ]


def _list_clip_steps(serving: Manifest) -> list[str]:
    """The steps from all frames of a sound to what the model takes."""
    clip = serving.clip
    return [
        f"Cut the frames into clips of {clip.n_frames} frames, one every {clip.hop_frames}, while they are "
        "whole; add one that ends with the last frame if more than half a clip would go unheard.",
        f"Give clips as float32, shape (n, {clip.n_frames}, {serving.settings.n_bins}); model.tflite takes one at a "
        "time.",
    ]


def _list_output_steps(serving: Manifest) -> list[str]:
    """The steps from the model's raw scores to probabilities."""
    low = calibration.MIN_SCORE
    within = [f"Bring each score s to at least {low:g} and at most 1 - {low:g}."]
    if serving.clip.n_frames is None:
        many = within
    elif serving.average == "probability":
        many = ["Take the mean of the clips' raw scores.", *within]
    elif serving.task == "single":
        many = [*within, "Take the mean of the clips' ln(s), its exponential, and divide by the sum over all classes."]
    else:
        many = [*within, "Take the mean m of the clips' ln(s / (1 - s)), and from it s = 1 / (1 + exp(-m))."]
    t = serving.temperature
    if serving.task == "single":
        return [*many, f"Calibrate: p = s^(1/{t:g}), divided by the sum over all classes."]
    thresholds = ", ".join(f"{value:g}" for value in serving.thresholds)
    present = f"A class counts as present from these probabilities on, in the order below: {thresholds}."
    calibrated = f"Calibrate each score by itself: p = 1 / (1 + ((1 - s) / s)^(1/{t:g}))."
    return [*many, calibrated, *([present] if thresholds else [])]
