"""Augment: training examples varied from epoch to epoch, so that a model can't learn them by heart.

Everything is drawn from a generator that is given, and nothing here is part of a model: what is served never varies.
Sources: Zhang, Cisse, Dauphin and Lopez-Paz, "mixup" (ICLR 2018); Yun, Han, Oh, Chun, Choe and Yoo, "CutMix" (ICCV
2019); Park and others, "SpecAugment" (Interspeech 2019), whose masks these are.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from musicml.utils import InputError, define_option

# which features an option can vary; every kind but those of other files may be mixed
KINDS_BY_OPTION = {
    "crop": ("log_mel", "mfcc", "spectrogram"),
    "tempo": ("log_mel", "mfcc", "spectrogram"),
    "pitch": ("spectrogram",),
    "colour": ("log_mel", "spectrogram"),
    "contrast": ("spectrogram",),
    "gain": ("log_mel", "spectrogram"),
    "frequency_masks": ("log_mel", "spectrogram"),
    "time_masks": ("log_mel", "mfcc", "spectrogram"),
    "shift": ("log_mel", "mfcc", "pixels", "spectrogram"),
    "flip": ("pixels",),
    "rotation": ("pixels",),
    "zoom": ("pixels",),
    "brightness": ("pixels",),
    "views": ("log_mel", "pixels", "spectrogram"),
}
MIXING = ("mixup", "cutmix")
MIN_DECIBELS = -100.0  # dB, as features have it
CURVE_WIDTH = 0.1  # of all frequencies: how far apart those are at least that are coloured independently
MAX_LEVEL = 255.0  # of a spectrogram picture
RESAMPLING = (
    "nearest"  # how a clip is drawn longer, shorter, higher or lower; what was stored of another way is not read
)


@dataclass(frozen=True)
class Augment:
    """How training examples are varied; as it stands, not at all.

    Attributes
    ----------
    mixup, cutmix : how strongly two examples are mixed, the parameter of a Beta distribution; 0 is never
    crop : whether a clip of a sound begins anywhere in its track, in place of the places that serving uses
    shift : how far a clip begins earlier or later, in clips; how far a picture is moved, in its sides
    tempo : by which share a sound gets faster or slower at most
    pitch : by which share its frequencies are raised or lowered at most
    colour : how much louder or quieter some of its frequencies get than others, in dB; as another room, microphone or
        mix would have them
    contrast : by which share the levels of a spectrogram picture are drawn apart or together at most
    gain : how much louder or quieter all of it gets, in dB; of a spectrogram picture, colour and gain are in its levels
    frequency_masks, frequency_width : how many bands are hidden, and how wide one is at most, as a share of all bins
    time_masks, time_width : how many stretches are hidden, and how long one is at most, as a share of the clip
    flip : whether a picture is mirrored, every second time
    rotation : by how many degrees a picture is turned at most
    zoom : by which share a picture gets larger or smaller at most
    brightness : by which share a picture gets brighter or darker at most
    views : how many varied views of each example a frozen backbone sees, beside the plain one; all are computed once
    """

    mixup: float = define_option(0.0, least=0.0, most=10.0)
    cutmix: float = define_option(0.0, least=0.0, most=10.0)
    crop: bool = define_option(False)
    shift: float = define_option(0.0, least=0.0, most=1.0)
    tempo: float = define_option(0.0, least=0.0, most=0.5)
    pitch: float = define_option(0.0, least=0.0, most=0.5)
    colour: float = define_option(0.0, least=0.0, most=40.0)
    contrast: float = define_option(0.0, least=0.0, most=0.9)
    gain: float = define_option(0.0, least=0.0, most=40.0)
    frequency_masks: int = define_option(0, least=0, most=10)
    frequency_width: float = define_option(0.2, least=0.0, most=1.0)
    time_masks: int = define_option(0, least=0, most=10)
    time_width: float = define_option(0.2, least=0.0, most=1.0)
    flip: bool = define_option(False)
    rotation: float = define_option(0.0, least=0.0, most=180.0)
    zoom: float = define_option(0.0, least=0.0, most=0.9)
    brightness: float = define_option(0.0, least=0.0, most=1.0)
    views: int = define_option(0, least=0, most=50)

    @property
    def is_mixing(self) -> bool:
        """Whether examples are mixed with each other."""
        return bool(self.mixup or self.cutmix)

    @property
    def is_varying(self) -> bool:
        """Whether an example by itself is varied."""
        return any(getattr(self, name) for name in KINDS_BY_OPTION if name != "views")


def check_augmentation(augment: Augment, kind: str, file: str) -> None:
    """Refuse options that features of this kind can't be varied by.

    Raises
    ------
    InputError
        With the option, the kind and the cure.
    """
    for field in fields(augment):
        allowed = KINDS_BY_OPTION.get(field.name)
        if allowed and getattr(augment, field.name) and kind not in allowed:
            raise InputError(
                "augment.{field_name} in {file} is for features of kind {allowed}, and features.kind is "
                "{kind}: take it out, or change the features.",
                field_name=field.name,
                file=file,
                allowed=" or ".join(allowed),
                kind=kind,
            )
    if augment.views and not augment.is_varying:
        raise InputError(
            "augment.views = {augment_views} in {file} needs something to vary, and nothing else in [augment] does: "
            "add shift or flip, for example, or take views out.",
            augment_views=augment.views,
            file=file,
        )


def augment_clips(
    x: np.ndarray, augment: Augment, rng: np.random.Generator, fill: np.ndarray | None, kind: str = "log_mel"
) -> np.ndarray:
    """A batch with each example varied by itself; its start and its tempo were changed before, as it was cut out.

    Parameters
    ----------
    x : np.ndarray [shape=(n, n_frames, n_bins)], features of sound, or [shape=(n, height, width, 3)], uint8 pictures
    kind : of the features: those of a spectrogram picture are levels from 0 to 255, others dB
    fill : np.ndarray [shape=(n_bins,)], what hidden bins of sound hold: their mean in training

    Returns
    -------
    np.ndarray of the same shape, float32 for sound and uint8 for pictures; `x` itself where nothing varies it
    """
    if x.ndim == 4:
        return np.stack([augment_picture(pixels, augment, rng) for pixels in x]) if augment.is_varying else x
    if augment.pitch:
        factors = np.exp(rng.uniform(-1, 1, len(x)) * np.log1p(augment.pitch))
        _, n_frames, n_bins = x.shape
        x = np.stack([resample_clip(clip, n_frames, n_bins, pitch) for clip, pitch in zip(x, factors, strict=True)])
    if augment.colour or augment.gain or augment.contrast:
        x = _change_levels(x, augment, rng, (0.0, MAX_LEVEL) if kind == "spectrogram" else (MIN_DECIBELS, np.inf))
    if augment.frequency_masks or augment.time_masks:
        if fill is None:
            raise ValueError("fill=None")
        x = np.array(x, dtype=np.float32)
        _, n_frames, n_bins = x.shape
        for clip in x:
            for _ in range(augment.frequency_masks):
                begin, end = _choose_span(n_bins, augment.frequency_width, rng)
                clip[:, begin:end] = fill[begin:end]
            for _ in range(augment.time_masks):
                begin, end = _choose_span(n_frames, augment.time_width, rng)
                clip[begin:end] = fill
    return x


def resample_clip(clip: np.ndarray, n_frames: int, n_bins: int, pitch: float = 1.0) -> np.ndarray:
    """A clip drawn longer or shorter, to [shape=(n_frames, n_bins)], its frequencies raised by the factor `pitch`.

    Each new bin takes the level of the nearest old one, so that frames are repeated or left out: a mean of neighbours
    would smooth a spectrogram's grain away, and a model would learn from smoother ones than it is asked about.

    Parameters
    ----------
    clip : np.ndarray [shape=(n, n_bins)]; its frequencies begin at 0 Hz and are equally far apart, or `pitch` is 1
    """
    from scipy.ndimage import affine_transform

    slower = len(clip) / n_frames
    begin = (0.5 * slower - 0.5, 0.0)  # a frame's middle, not its beginning, is where it stands
    shape = (n_frames, n_bins)
    return affine_transform(clip.astype(np.float32), (slower, 1 / pitch), begin, shape, order=0, mode="nearest")


def _change_levels(
    x: np.ndarray, augment: Augment, rng: np.random.Generator, bounds: tuple[float, float]
) -> np.ndarray:
    """`x` [shape=(n, n_frames, n_bins)] as it would be from another mix: contrast, colour and gain, within `bounds`.

    What is at the lower bound stays there: silence has no colour.
    """
    from scipy.ndimage import gaussian_filter1d

    n, _, n_bins = x.shape
    contrast = 1 + augment.contrast * rng.uniform(-1, 1, (n, 1, 1))
    curves = gaussian_filter1d(rng.normal(size=(n, 1, n_bins)), CURVE_WIDTH * n_bins, axis=2, mode="wrap")
    curves *= augment.colour * rng.uniform(0, 1, (n, 1, 1)) / np.abs(curves).max(axis=2, keepdims=True)
    gain = augment.gain * rng.uniform(-1, 1, (n, 1, 1))
    middle = x.mean(axis=(1, 2), keepdims=True)
    found = np.clip((x - middle) * contrast + middle + curves + gain, *bounds)
    return np.where(x > bounds[0], found, bounds[0]).astype(np.float32)


def _choose_span(n: int, most: float, rng: np.random.Generator) -> tuple[int, int]:
    """Where a stretch begins and ends that hides up to the share `most` of `n`."""
    length = int(rng.integers(0, int(most * n) + 1))
    begin = int(rng.integers(0, n - length + 1))
    return begin, begin + length


def augment_picture(pixels: np.ndarray, augment: Augment, rng: np.random.Generator) -> np.ndarray:
    """One picture turned, zoomed, moved, mirrored and lit anew; what comes in at its edges repeats them.

    Parameters
    ----------
    pixels : np.ndarray [shape=(height, width, 3)], uint8
    """
    height, width, _ = pixels.shape
    angle = np.deg2rad(rng.uniform(-augment.rotation, augment.rotation))
    scale = 1 + rng.uniform(-augment.zoom, augment.zoom)
    across, down = rng.uniform(-augment.shift, augment.shift, 2) * (width, height)
    mirrored = augment.flip and rng.random() < 0.5
    light = 1 + rng.uniform(-augment.brightness, augment.brightness)
    if augment.rotation or augment.zoom or augment.shift:
        pixels = warp_picture(pixels, angle, scale, across, down)
    if mirrored:
        pixels = pixels[:, ::-1]
    return np.clip(pixels * light, 0, 255).astype(np.uint8) if augment.brightness else np.ascontiguousarray(pixels)


def warp_picture(pixels: np.ndarray, angle: float, scale: float, across: float, down: float) -> np.ndarray:
    """A picture turned by `angle` about its middle, drawn larger by `scale`, and moved, in radians and pixels."""
    from PIL import Image

    height, width, _ = pixels.shape
    cosine, sine = np.cos(angle) / scale, np.sin(angle) / scale
    middle_x, middle_y = width / 2, height / 2  # Pillow counts from a pixel's edge
    # and asks where each pixel comes from: the middle goes to the middle, moved
    x, y = middle_x + across, middle_y + down
    left, top = middle_x - cosine * x - sine * y, middle_y + sine * x - cosine * y
    # where the corners come from says how much of the edge is needed; all of it would take longer than the turning
    from_x = left + np.array([0, cosine * width, sine * height, cosine * width + sine * height])
    from_y = top + np.array([0, -sine * width, cosine * height, cosine * height - sine * width])
    outside = max(0.0, -from_x.min(), -from_y.min(), from_x.max() - width, from_y.max() - height)
    edge = min(max(height, width), int(np.ceil(outside)) + 2)  # two for the interpolation
    wide = Image.fromarray(np.pad(pixels, ((edge, edge), (edge, edge), (0, 0)), mode="edge"))
    data = (cosine, sine, edge + left, -sine, cosine, edge + top)
    return np.asarray(wide.transform((width, height), Image.Transform.AFFINE, data, Image.Resampling.BILINEAR))


def mix_examples(
    x: np.ndarray, y: np.ndarray, augment: Augment, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """A batch whose examples are mixed with each other, and their targets in the same shares.

    Mixup takes a weighted mean of two examples; CutMix puts a rectangle of one into the other. Where both are asked
    for, each batch takes one of them.

    Parameters
    ----------
    x : np.ndarray [shape=(n, ...)], float32; without two axes to cut, it is only ever mixed up
    y : np.ndarray [shape=(n, n_classes)], each row a distribution

    Returns
    -------
    x, y : float32, of the same shapes
    """
    other = rng.permutation(len(x))
    cut = augment.cutmix and x.ndim > 2 and (not augment.mixup or rng.random() < 0.5)
    if not cut and not augment.mixup:
        return x, y
    strength = augment.cutmix if cut else augment.mixup
    share = rng.beta(strength, strength, len(x)).astype(np.float32)
    if cut:
        x, share = _paste_rectangles(x, other, share, rng)
    else:
        kept = share.reshape(-1, *[1] * (x.ndim - 1))
        x = kept * x + (1 - kept) * x[other]
    return x, share[:, None] * y + (1 - share[:, None]) * y[other]


def _paste_rectangles(
    x: np.ndarray, other: np.ndarray, share: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Each example with a rectangle of another, of about `1 - share` of its area, and the share that it kept."""
    height, width = x.shape[1:3]
    mixed, kept = x.copy(), share.copy()
    for place, (source, keep) in enumerate(zip(other, share, strict=True)):
        tall, wide = (round(float(np.sqrt(1 - keep)) * side) for side in (height, width))
        top, left = rng.integers(0, height - tall + 1), rng.integers(0, width - wide + 1)
        mixed[place, top : top + tall, left : left + wide] = x[source, top : top + tall, left : left + wide]
        kept[place] = 1 - tall * wide / (height * width)
    return mixed, kept
