"""Augmentation: change training examples at random in every epoch, so that a model can't memorize them.

All randomness comes from the caller's generator. Augmentation is not part of a model: predictions use plain examples.
Sources: Zhang, Cisse, Dauphin and Lopez-Paz, "mixup" (ICLR 2018); Yun, Han, Oh, Chun, Choe and Yoo, "CutMix" (ICCV
2019); Park and others, "SpecAugment" (Interspeech 2019), for the masks.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from musicml.utils import InputError, define_option

# the features that each option is made for; mixing suits every kind
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
MIN_DECIBELS = -100.0  # dB, the silence of log-mel features
CURVE_WIDTH = 0.1  # of all frequencies: the width over which a random equalizer curve is smoothed
MAX_LEVEL = 255.0  # white in a spectrogram picture
RESAMPLING = (  # interpolation of `resample_clip`; part of the cache key of augmented views
    "nearest"  # how a clip is drawn longer, shorter, higher or lower; what was stored of another way is not read
)


@dataclass(frozen=True)
class Augment:
    """Settings of augmentation. By default examples are not changed.

    Attributes
    ----------
    mixup, cutmix : how strongly two examples are mixed, the parameter of a Beta distribution; 0 is never
    crop : whether a clip begins at a random place in its track, instead of the places used for prediction
    shift : maximum shift in time, as a share of a clip; of a picture, as a share of its sides
    tempo : maximum change of a sound's tempo, as a share
    pitch : maximum change of its frequencies, as a share
    colour : how much some frequencies get louder or quieter than others, in dB, as in another room or mix
    contrast : maximum change of a spectrogram picture's contrast, as a share
    gain : maximum change of the level, in dB; in a spectrogram picture, colour and gain are levels of 0 to 255
    frequency_masks, frequency_width : how many bands are masked, and the maximum width as a share of all bins
    time_masks, time_width : how many spans are masked, and the maximum length as a share of the clip
    flip : whether every second picture, on average, is mirrored
    rotation : maximum rotation of a picture, in degrees
    zoom : maximum change of a picture's size, as a share
    brightness : maximum change of a picture's brightness, as a share
    views : how many augmented views of each example a frozen backbone sees besides the plain one, all computed once
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
        """Return whether examples are mixed with each other."""
        return bool(self.mixup or self.cutmix)

    @property
    def is_varying(self) -> bool:
        """Return whether single examples are changed."""
        return any(getattr(self, name) for name in KINDS_BY_OPTION if name != "views")


def check_augmentation(augment: Augment, kind: str, file: str) -> None:
    """Reject options that don't apply to features of this kind.

    Raises
    ------
    InputError
        If an option is not for `kind`, or views are requested but nothing varies.
    """
    for field in fields(augment):
        allowed = KINDS_BY_OPTION.get(field.name)
        if allowed and getattr(augment, field.name) and kind not in allowed:
            raise InputError(
                "augment.{field_name} in {file} works with features of kind {allowed}, but features.kind is "
                "{kind}. Remove it, or change the features.",
                field_name=field.name,
                file=file,
                allowed=" or ".join(allowed),
                kind=kind,
            )
    if augment.views and not augment.is_varying:
        raise InputError(
            "augment.views = {augment_views} in {file} needs another option that changes examples. "
            "Add one to [augment], for example shift or flip, or remove views.",
            augment_views=augment.views,
            file=file,
        )


def augment_clips(
    x: np.ndarray, augment: Augment, rng: np.random.Generator, fill: np.ndarray | None, kind: str = "log_mel"
) -> np.ndarray:
    """Augment each example of a batch by itself. `Clips` has already changed its start and its tempo.

    Parameters
    ----------
    x : np.ndarray [shape=(n, n_frames, n_bins)], features of sound, or [shape=(n, height, width, 3)], uint8 pictures
    kind : of the features: `spectrogram` has levels from 0 to 255, other kinds dB
    fill : np.ndarray [shape=(n_bins,)], the value of masked bins: their mean in training

    Returns
    -------
    np.ndarray of the same shape, float32 for sound and uint8 for pictures; `x` itself if nothing changes it
    """
    if x.ndim == 4:
        return np.stack([augment_picture(pixels, augment, rng) for pixels in x]) if augment.is_varying else x
    if augment.pitch:
        # uniform in the logarithm: a factor and its inverse are equally likely
        factors = np.exp(rng.uniform(-1, 1, len(x)) * np.log1p(augment.pitch))
        _, n_frames, n_bins = x.shape
        x = np.stack([resample_clip(clip, n_frames, n_bins, pitch) for clip, pitch in zip(x, factors, strict=True)])
    if augment.colour or augment.gain or augment.contrast:
        x = _change_levels(x, augment, rng, (0.0, MAX_LEVEL) if kind == "spectrogram" else (MIN_DECIBELS, np.inf))
    if augment.frequency_masks or augment.time_masks:
        if fill is None:
            raise ValueError("fill=None")
        # SpecAugment hides bands and spans, so that no single cue suffices; the mean carries no information
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
    """Resample a clip to [shape=(n_frames, n_bins)], with its frequencies raised by the factor `pitch`.

    Parameters
    ----------
    clip : np.ndarray [shape=(n, n_bins)]; its frequencies begin at 0 Hz and are equally spaced, or `pitch` is 1
    """
    # nearest neighbor repeats or drops frames; averaging neighbors would smooth the grain that real clips have
    from scipy.ndimage import affine_transform

    slower = len(clip) / n_frames
    begin = (0.5 * slower - 0.5, 0.0)  # a frame stands for its middle, not its beginning
    shape = (n_frames, n_bins)
    return affine_transform(clip.astype(np.float32), (slower, 1 / pitch), begin, shape, order=0, mode="nearest")


def _change_levels(
    x: np.ndarray, augment: Augment, rng: np.random.Generator, bounds: tuple[float, float]
) -> np.ndarray:
    """Change contrast, equalization and gain of `x` [shape=(n, n_frames, n_bins)] at random, within `bounds`.

    Values at the lower bound stay there, because an equalizer can't make silence audible.
    """
    from scipy.ndimage import gaussian_filter1d

    n, _, n_bins = x.shape
    contrast = 1 + augment.contrast * rng.uniform(-1, 1, (n, 1, 1))
    # smoothed noise: neighboring frequencies get similar gains, as with a real equalizer
    curves = gaussian_filter1d(rng.normal(size=(n, 1, n_bins)), CURVE_WIDTH * n_bins, axis=2, mode="wrap")
    curves *= augment.colour * rng.uniform(0, 1, (n, 1, 1)) / np.abs(curves).max(axis=2, keepdims=True)
    gain = augment.gain * rng.uniform(-1, 1, (n, 1, 1))
    middle = x.mean(axis=(1, 2), keepdims=True)
    changed = np.clip((x - middle) * contrast + middle + curves + gain, *bounds)
    return np.where(x > bounds[0], changed, bounds[0]).astype(np.float32)


def _choose_span(n: int, most: float, rng: np.random.Generator) -> tuple[int, int]:
    """Choose where a masked span begins and ends, at most the share `most` of `n`."""
    length = int(rng.integers(0, int(most * n) + 1))
    begin = int(rng.integers(0, n - length + 1))
    return begin, begin + length


def augment_picture(pixels: np.ndarray, augment: Augment, rng: np.random.Generator) -> np.ndarray:
    """Rotate, zoom, shift, mirror and brighten one uint8 picture at random. Edge pixels fill what comes into view."""
    height, width, _ = pixels.shape
    angle = np.deg2rad(rng.uniform(-augment.rotation, augment.rotation))
    scale = 1 + rng.uniform(-augment.zoom, augment.zoom)
    across, down = rng.uniform(-augment.shift, augment.shift, 2) * (width, height)
    is_mirrored = augment.flip and rng.random() < 0.5
    factor = 1 + rng.uniform(-augment.brightness, augment.brightness)
    if augment.rotation or augment.zoom or augment.shift:
        # one warp for all three, so that the picture is interpolated only once
        pixels = warp_picture(pixels, angle, scale, across, down)
    if is_mirrored:
        pixels = pixels[:, ::-1]
    return np.clip(pixels * factor, 0, 255).astype(np.uint8) if augment.brightness else np.ascontiguousarray(pixels)


def warp_picture(pixels: np.ndarray, angle: float, scale: float, across: float, down: float) -> np.ndarray:
    """Rotate a picture by `angle` (radians) about its middle, scale it, and shift it (pixels)."""
    from PIL import Image

    height, width, _ = pixels.shape
    cosine, sine = np.cos(angle) / scale, np.sin(angle) / scale
    middle_x, middle_y = width / 2, height / 2  # Pillow counts from a pixel's edge
    # Pillow maps each output pixel to its source: the shifted middle comes from the middle
    x, y = middle_x + across, middle_y + down
    left, top = middle_x - cosine * x - sine * y, middle_y + sine * x - cosine * y
    # pad only as far as the corners reach outside: padding by the full size would cost more than the rotation
    from_x = left + np.array([0, cosine * width, sine * height, cosine * width + sine * height])
    from_y = top + np.array([0, -sine * width, cosine * height, cosine * height - sine * width])
    outside = max(0.0, -from_x.min(), -from_y.min(), from_x.max() - width, from_y.max() - height)
    edge = min(max(height, width), int(np.ceil(outside)) + 2)  # two more for the interpolation
    wide = Image.fromarray(np.pad(pixels, ((edge, edge), (edge, edge), (0, 0)), mode="edge"))
    data = (cosine, sine, edge + left, -sine, cosine, edge + top)
    return np.asarray(wide.transform((width, height), Image.Transform.AFFINE, data, Image.Resampling.BILINEAR))


def mix_examples(
    x: np.ndarray, y: np.ndarray, augment: Augment, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Mix the examples of a batch with each other, and their targets in the same proportions.

    Mixup averages two examples with random weights. CutMix replaces a rectangle of one by the other's. If both are
    enabled, each batch uses one of them.

    Parameters
    ----------
    x : np.ndarray [shape=(n, ...)], float32; CutMix needs two axes to cut, so shorter shapes only get mixup
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
    # Beta(a, a): a small a mostly keeps one of the two examples, a = 1 draws every share equally often
    share = rng.beta(strength, strength, len(x)).astype(np.float32)
    if cut:
        x, share = _paste_rectangles(x, other, share, rng)
    else:
        weights = share.reshape(-1, *[1] * (x.ndim - 1))
        x = weights * x + (1 - weights) * x[other]
    # soft targets: a model that is too confident about a mixture pays for it in the loss
    return x, share[:, None] * y + (1 - share[:, None]) * y[other]


def _paste_rectangles(
    x: np.ndarray, other: np.ndarray, share: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Paste a rectangle of another example, about `1 - share` of its area, into each. Return the share kept too."""
    height, width = x.shape[1:3]
    mixed, actual = x.copy(), share.copy()
    for place, (source, keep) in enumerate(zip(other, share, strict=True)):
        tall, wide = (round(float(np.sqrt(1 - keep)) * side) for side in (height, width))
        top, left = rng.integers(0, height - tall + 1), rng.integers(0, width - wide + 1)
        mixed[place, top : top + tall, left : left + wide] = x[source, top : top + tall, left : left + wide]
        actual[place] = 1 - tall * wide / (height * width)  # sides are whole pixels, so the share is computed again
    return mixed, actual
