from dataclasses import replace

import numpy as np
import pytest

from musicml.experiment import config
from musicml.features import augmentation
from musicml.features import clips as inputs
from musicml.features.augmentation import Augment
from musicml.features.cache import Features
from musicml.utils.errors import InputError
from tests.fixtures.near import off

pytestmark = pytest.mark.numeric

TEXT = """[data]
dataset = "gtzan"
[features]
kind = "log_mel"
[model]
family = "cnn"
[augment]
"""
PICTURES = """[data]
dataset = "instrument_images"
[features]
kind = "pixels"
[model]
family = "transfer"
backbone = "mobilenet"
frozen = {frozen}
[augment]
"""


def rng(seed=0):
    return np.random.default_rng(seed)


def sounds(n=4, n_frames=20, n_bins=10):
    return rng(1).normal(-40, 5, (n, n_frames, n_bins)).astype(np.float32)


def drawn(height=24, width=30):
    """A picture dark above and light below, with a red square at its middle."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[height // 2 :] = 200
    pixels[height // 2 - 3 : height // 2 + 3, width // 2 - 3 : width // 2 + 3] = (255, 0, 0)
    return pixels


def test_an_augmentation_as_it_stands_changes_nothing():
    x = sounds()
    assert augmentation.augment_clips(x, Augment(), rng(), None) is x
    pixels = np.stack([drawn()] * 2)
    assert augmentation.augment_clips(pixels, Augment(), rng(), None) is pixels
    assert not Augment().is_varying and not Augment().is_mixing


def test_gain_moves_all_of_a_clip_by_one_number_of_decibels_and_never_below_silence():
    x = sounds()
    louder = augmentation.augment_clips(x, Augment(gain=6), rng(), None)
    moved = louder - x
    assert off(moved, np.broadcast_to(moved[:, :1, :1], moved.shape)) < 1e-4 and (np.abs(moved) <= 6).all()
    assert len(np.unique(moved[:, 0, 0].round(3))) == 4
    silent = np.full((2, 3, 4), -100, np.float32)
    assert augmentation.augment_clips(silent, Augment(gain=6), rng(), None).min() == -100


def test_a_spectrogram_picture_stays_within_black_and_white_and_black_stays_black():
    x = rng(1).uniform(0, 255, (4, 20, 40)).astype(np.float32)
    x[:, :, :5] = 0
    varied = augmentation.augment_clips(x, Augment(gain=60, contrast=0.5, colour=60), rng(), None, "spectrogram")
    assert varied.min() == 0 and varied.max() == 255 and not varied[:, :, :5].any()
    assert (varied != x).mean() > 0.5 and varied.dtype == np.float32


def test_colour_moves_a_frequency_alike_at_all_times_and_its_neighbours_almost_alike():
    x = sounds(n_bins=80)
    moved = augmentation.augment_clips(x, Augment(colour=12), rng(), None) - x
    assert off(moved, np.broadcast_to(moved[:, :1], moved.shape)) < 1e-4, (
        "all of a frequency's frames move by one number"
    )
    curves = moved[:, 0]
    assert (np.abs(curves) <= 12).all() and (np.abs(np.diff(curves, axis=1)) < 3).all()
    assert (curves.std(axis=1) > 0.1).all() and not np.allclose(curves[0], curves[1])


def test_contrast_draws_levels_apart_or_together_about_their_mean():
    x = rng(1).uniform(100, 150, (3, 20, 10)).astype(np.float32)
    varied = augmentation.augment_clips(x, Augment(contrast=0.5), rng(), None, "spectrogram")
    assert off(varied.mean(axis=(1, 2)), x.mean(axis=(1, 2))) < 1e-5
    shares = varied.std(axis=(1, 2)) / x.std(axis=(1, 2))
    assert ((0.5 <= shares) & (shares <= 1.5)).all() and len(set(shares.round(3))) == 3


def test_pitch_raises_or_lowers_every_frequency_by_one_factor():
    x = np.zeros((6, 10, 200), np.float32)
    x[:, :, 50] = x[:, :, 100] = 255
    varied = augmentation.augment_clips(x, Augment(pitch=0.2), rng(), None, "spectrogram")
    peaks = [[row[:75].argmax(), 75 + row[75:].argmax()] for row in varied[:, 5]]
    for low, high in peaks:
        assert 50 / 1.2 - 1 <= low <= 50 * 1.2 + 1 and abs(high - 2 * low) <= 2
    assert len({low for low, _ in peaks}) > 3


def test_tempo_and_pitch_keep_a_spectrograms_grain():
    x = rng(1).uniform(0, 255, (4, 80, 120)).astype(np.float32)
    varied = augmentation.augment_clips(x, Augment(pitch=0.1), rng(), None, "spectrogram")
    longer = np.stack([augmentation.resample_clip(clip, 90, 120) for clip in x])
    for after in (varied, longer):
        assert np.isin(after, x).all() and after.std() == pytest.approx(x.std(), rel=0.05)


def test_tempo_takes_more_or_less_of_a_track_for_a_clip_of_the_same_length():
    ramp = np.repeat(np.arange(1000, dtype=np.float32)[:, None], 3, axis=1)
    found = Features(ramp, np.array([0]), np.array([1000]), True, "key", {})
    clips = inputs.Clips(found, np.zeros(8, int), np.full(8, 400), 100)
    varied = clips.get_augmented(np.arange(8), Augment(tempo=0.25), rng())
    slopes = (varied[:, -2, 0] - varied[:, 1, 0]) / 97
    assert varied.shape == (8, 100, 3) and ((0.79 < slopes) & (slopes < 1.26)).all() and np.ptp(slopes) > 0.1
    assert np.allclose(varied[:, 50, 0], 450, atol=2), "about its middle"
    short = replace(clips, features=replace(found, length=np.array([100])), start=np.zeros(8, int))
    ends = short.get_augmented(np.arange(8), Augment(tempo=0.25), rng())
    assert ends.shape == (8, 100, 3) and ends.max() < 100, "nothing of the next track"


def test_masks_hide_whole_bands_and_whole_stretches_behind_their_mean():
    x, fill = sounds(), np.arange(10, dtype=np.float32)
    bands = augmentation.augment_clips(x, Augment(frequency_masks=1, frequency_width=0.5), rng(), fill)
    hidden = bands != x
    assert hidden.any() and (hidden.all(axis=1) == hidden.any(axis=1)).all()
    assert (hidden.any(axis=1).sum(axis=1) <= 5).all()
    assert np.array_equal(bands[hidden], np.broadcast_to(fill, x.shape)[hidden])
    stretches = augmentation.augment_clips(x, Augment(time_masks=2, time_width=0.25), rng(), fill)
    hidden = stretches != x
    assert hidden.any() and (hidden.all(axis=2) == hidden.any(axis=2)).all()
    assert (hidden.any(axis=2).sum(axis=1) <= 10).all()
    assert np.array_equal(x, sounds())  # the store's own features stay as they are


def test_a_picture_is_moved_by_what_is_drawn_and_its_edges_are_repeated():
    pixels = drawn()
    down = augmentation.warp_picture(pixels, 0.0, 1.0, 0.0, 5.0)
    assert np.array_equal(down[5:], pixels[:-5]) and (down[:5] == 0).all()
    right = augmentation.warp_picture(pixels, 0.0, 1.0, 4.0, 0.0)
    assert np.array_equal(right[:, 4:], pixels[:, :-4]) and np.array_equal(right[:, :4], pixels[:, :1].repeat(4, 1))


def test_a_picture_turned_by_half_stands_on_its_head_and_zoomed_keeps_its_middle():
    pixels = drawn()
    turned = augmentation.warp_picture(pixels, np.pi, 1.0, 0.0, 0.0)
    assert np.abs(turned.astype(int) - pixels[::-1, ::-1]).max() <= 1
    pixels[..., 0] = np.where(pixels[..., 1] > 0, 0, pixels[..., 0])  # the square alone is left in red
    larger = augmentation.warp_picture(pixels, 0.0, 2.0, 0.0, 0.0)
    red = [values[..., 0] > 127 for values in (pixels, larger)]
    assert red[1].sum() == 4 * red[0].sum()
    assert np.allclose(np.argwhere(red[0]).mean(axis=0), np.argwhere(red[1]).mean(axis=0), atol=0.1)


@pytest.mark.parametrize(
    ("height", "width", "angle", "scale", "across", "down"),
    [(224, 224, 0.3, 0.8, 20, -9), (31, 200, -0.6, 0.7, -30, 30), (200, 9, 1.5, 1.2, 3, 50)],
)
def test_a_turned_picture_has_its_edge_repeated_however_far_it_is_turned(height, width, angle, scale, across, down):
    pixels = rng().integers(0, 256, (height, width, 3), dtype=np.uint8)
    margin = 400  # more than any of these needs
    extended = np.pad(pixels, ((margin, margin), (margin, margin), (0, 0)), mode="edge")
    expected = augmentation.warp_picture(extended, angle, scale, across, down)[margin:-margin, margin:-margin]
    found = augmentation.warp_picture(pixels, angle, scale, across, down)
    assert np.abs(found.astype(int) - expected).max() <= 1


def test_flip_mirrors_every_second_picture_and_brightness_scales_it():
    pixels = drawn()
    pixels[:, :5] = 90
    seen = [augmentation.augment_picture(pixels, Augment(flip=True), rng(seed)) for seed in range(40)]
    mirrored = [np.array_equal(one, pixels[:, ::-1]) for one in seen]
    assert all(m or np.array_equal(one, pixels) for m, one in zip(mirrored, seen, strict=True))
    assert 10 < sum(mirrored) < 30
    grey = np.full((4, 4, 3), 100, np.uint8)
    levels = [augmentation.augment_picture(grey, Augment(brightness=0.5), rng(seed))[0, 0, 0] for seed in range(40)]
    assert min(levels) >= 50 and max(levels) <= 150 and max(levels) - min(levels) > 50


def test_mixup_gives_targets_the_shares_of_the_inputs():
    x, y = np.eye(6, dtype=np.float32), np.eye(6, dtype=np.float32)
    mixed, targets = augmentation.mix_examples(x, y, Augment(mixup=1.0), rng())
    assert off(mixed, targets) < 1e-5 and off(targets.sum(axis=1), 1) < 1e-5
    assert (targets.max(axis=1) < 0.999).any()


def test_cutmix_gives_targets_the_shares_of_the_areas():
    n = 8
    x = np.broadcast_to(np.arange(n, dtype=np.float32).reshape(n, 1, 1), (n, 12, 10)).copy()
    mixed, targets = augmentation.mix_examples(x, np.eye(n, dtype=np.float32), Augment(cutmix=1.0), rng())
    shares = np.stack([(mixed == k).mean(axis=(1, 2)) for k in range(n)], axis=1)
    assert off(shares, targets) < 1e-5 and (targets.max(axis=1) < 0.99).any()
    flat = np.ones((3, 5), np.float32)  # a backbone's outputs have no area to cut
    assert augmentation.mix_examples(flat, np.eye(3), Augment(cutmix=1.0), rng())[0] is flat


def test_the_same_generator_gives_the_same_and_another_gives_other_examples():
    x, fill = sounds(), np.zeros(10, np.float32)
    asked = Augment(gain=3, time_masks=1)
    first, again, other = (augmentation.augment_clips(x, asked, rng(seed), fill) for seed in (0, 0, 1))
    assert np.array_equal(first, again) and not np.array_equal(first, other)


@pytest.mark.parametrize(
    "text, words",
    [
        (TEXT + "flip = true", "augment.flip in x.toml works with features of kind pixels, but features.kind is log_m"),
        (TEXT.replace("log_mel", "mfcc") + "gain = 3", "augment.gain in x.toml works with features of kind log_mel"),
        (TEXT + "pitch = 0.1", "augment.pitch in x.toml works with features of kind spectrogram, but"),
        (TEXT + "views = 3", "augment.views = 3 in x.toml needs another option"),
        (TEXT + "shift = 0.1\nviews = 3", "augment.views = 3 in x.toml needs a frozen backbone"),
        (PICTURES.format(frozen="true") + "flip = true", "[augment] in x.toml has no effect on a frozen backbone"),
        (TEXT + "mixup = -1", "augment.mixup = -1 must be a number from 0.0 to 10.0"),
        (TEXT + "mixupp = 1", "has no key 'mixupp'"),
        (TEXT.replace('"cnn"', '"forest"') + "mixup = 1.0", "is for neural networks"),
        (TEXT + "[training]\nwarmup = 0.1", "training.warmup = 0.1 in x.toml needs a cosine schedule"),
        (TEXT + "[training]\nfinetune_epochs = 2", "needs a frozen backbone"),
    ],
)
def test_what_means_nothing_is_refused_in_one_sentence(text, words):
    with pytest.raises(InputError) as caught:
        config.parse_experiment("x", text)
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_a_frozen_backbone_may_see_views_or_be_fine_tuned_with_variation():
    frozen = PICTURES.format(frozen="true") + "flip = true\n"
    assert config.parse_experiment("x", frozen + "views = 2").augment.views == 2
    assert config.parse_experiment("x", frozen + "[training]\nfinetune_epochs = 2").augment.flip
    assert config.parse_experiment("x", PICTURES.format(frozen="false") + "flip = true").augment.is_varying
