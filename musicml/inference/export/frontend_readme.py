"""The README of an exported model: all steps from a file to probabilities, for use outside musicml."""

from __future__ import annotations

from musicml.experiment import RunInfo
from musicml.features import MFCC, LogMel, Pixels, Spectrogram, VGGish, get_fmax
from musicml.inference import calibration
from musicml.inference.manifest import Manifest

SAMPLE = "**It was trained on generated sample data, so its predictions mean nothing for real music.**\n\n"

DCT = "Take the first {n} coefficients of each frame's orthonormal cosine transform (DCT-II)."

# the license (ISC) requires this notice in every copy; THIRD_PARTY.md has it too
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
    """Describe the training data of a pretrained backbone and the license of its weights; "" without one."""
    notice = f"\n```\n{NOTICE}```\n" if info.family == "pretrained_audio" else ""
    return f"\n{info.caveat}\n{notice}" if info.caveat else ""


def render_readme(serving: Manifest, name: str, sample: bool, backbone: str = "") -> str:
    """Render the README.md of an exported model in Markdown.

    Parameters
    ----------
    name : the name of the run
    sample : whether it was trained on sample data
    backbone : a paragraph about a pretrained backbone; "" without one
    """
    steps = [*_list_input_steps(serving), *_list_output_steps(serving)]
    numbered = "\n".join(f"{number}. {step}" for number, step in enumerate(steps, 1))
    classes = "\n".join(f"- {k}: {class_name}" for k, class_name in enumerate(serving.class_names))
    additions = {
        LogMel: ". If librosa is installed, it also compares the features of the example sound",
        Spectrogram: ". It also compares the spectrogram of the example sound",
    }
    addition = next((text for kind, text in additions.items() if isinstance(serving.settings, kind)), "")
    return (
        f"# {name}\n\n{SAMPLE if sample else ''}The model of the musicml run {name}. Standardization is part of the "
        f"model. All other steps from a file to a prediction are listed here.\n\n{numbered}\n\n`python check.py` "
        "predicts the inputs in example.npz (`clips`) and compares the scores with those of the run "
        f"(`raw`){addition}.\n\n## Classes, in the order of the scores\n\n{classes}\n{backbone}"
    )


def _list_input_steps(serving: Manifest) -> list[str]:
    """List the steps from a file to the model's input."""
    settings = serving.settings
    if isinstance(settings, Pixels):
        return [
            "Decode the picture, rotate it according to its EXIF orientation, replace transparency by white, and "
            "convert it to 8-bit RGB.",
            f"Resize it to {settings.height} x {settings.width} pixels (height x width), bilinear with antialiasing, "
            "without keeping its aspect ratio.",
            f"Pass the values 0 to 255 as float32, shape (1, {settings.height}, {settings.width}, 3). The model scales "
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
        "multiply each by a periodic Hann window.",
        "Take the squared magnitude of each frame's discrete Fourier transform.",
        f"Apply {settings.n_mels} triangular filters on Slaney's mel scale from {settings.fmin:g} to "
        f"{get_fmax(settings):g} Hz, each with area one (librosa.filters.mel with its defaults).",
        "Convert power to decibels: 10 log10(max(power, 1e-10)).",
        *([DCT.format(n=settings.n_mfcc)] if isinstance(settings, MFCC) else []),
        *_list_clip_steps(serving),
    ]


def _list_audio_steps(serving: Manifest) -> list[str]:
    """List the steps from a sound file to its samples."""
    settings = serving.settings
    return [
        f"Decode the sound, take the mean of its channels as float32 in [-1, 1], resample it to "
        f"{settings.sample_rate} Hz, and clip it to [-1, 1] again. Do not normalize it.",
        f"If it has fewer than {max(serving.clip.least_samples, settings.n_fft)} samples, repeat it from its "
        "beginning until it has that many.",
    ]


def _list_spectrogram_steps(settings: Spectrogram) -> list[str]:
    """List the steps from samples to a gray spectrogram, and the one step for a picture of a spectrogram."""
    step = settings.n_fft // 2
    column = "the mean of each column's windows" if settings.averaged else "each column's window number n // 2 of n"
    return [
        f"Cut it into columns of {settings.hop_length} samples. In each column, windows of {settings.n_fft} samples "
        f"start at the first sample and every {step} samples after it. They may extend into the next column, but not "
        "beyond the end of the sound. Multiply each window by a periodic Hann window.",
        "Take the squared magnitude of each window's discrete Fourier transform, and convert it to decibels: "
        "10 log10(max(power, 1e-13)), in double precision.",
        "Find the lowest and the highest value of the whole sound. Scale linearly so that the lowest is 0 and the "
        f"highest 255 (all 0 if they are equal). Then take {column}.",
        f"A picture of a spectrogram needs none of these steps. Convert it to gray, resize it to {settings.n_bins} "
        f"rows and {settings.n_columns} columns, bilinear with antialiasing, flip it so that the lowest frequency is "
        "the first row, and transpose it so that time is the first axis.",
    ]


def _list_clip_steps(serving: Manifest) -> list[str]:
    """List the steps from all frames of a sound to the model's input."""
    clip = serving.clip
    return [
        f"Cut the frames into complete clips of {clip.n_frames} frames, one every {clip.hop_frames}. If more than half "
        "a clip remains at the end, add a clip that ends with the last frame.",
        f"Pass the clips as float32, shape (n, {clip.n_frames}, {serving.settings.n_bins}). model.tflite takes one "
        "clip at a time.",
    ]


def _list_output_steps(serving: Manifest) -> list[str]:
    """List the steps from the model's raw scores to probabilities."""
    low = calibration.MIN_SCORE
    clipping = [f"Clip each score s to [{low:g}, 1 - {low:g}]."]
    if serving.clip.n_frames is None:
        pooling = clipping
    elif serving.average == "probability":
        pooling = ["Take the mean of the clips' raw scores.", *clipping]
    elif serving.task == "single":
        pooling = [*clipping, "Take exp of the mean of the clips' ln(s), and divide by the sum over all classes."]
    else:
        pooling = [*clipping, "Take the mean m of the clips' ln(s / (1 - s)), and from it s = 1 / (1 + exp(-m))."]
    t = serving.temperature
    if serving.task == "single":
        return [*pooling, f"Calibrate: p = s^(1/{t:g}), divided by the sum over all classes."]
    thresholds = ", ".join(f"{value:g}" for value in serving.thresholds)
    present = f"A class counts as present from these probabilities, in the order below: {thresholds}."
    calibration_step = f"Calibrate each score: p = 1 / (1 + ((1 - s) / s)^(1/{t:g}))."
    return [*pooling, calibration_step, *([present] if thresholds else [])]
