"""A spectrogram that comes as a colored figure with margins is read as the grey one that it was drawn of."""

import io
import itertools

import numpy as np
import pytest
from PIL import Image

from musicml.features import audio_features, figure
from musicml.features.spectrogram_image import Spectrogram
from musicml.utils.errors import InputError

pytestmark = pytest.mark.numeric

SETTINGS = Spectrogram(sample_rate=8_000, hop_length=400, n_bins=129, seconds=10.0)  # 200 columns
WHITE, BLACK = (255, 255, 255), (0, 0, 0)
COLORS = (*figure.MAPS, "grey")
CROPPED = "The picture is a figure. Its margins were cropped, and "


@pytest.fixture(scope="module")
def levels():
    """A spectrogram of 200 columns: silence first, chords that fade, low ones louder, nothing in high frequencies."""
    rng = np.random.default_rng(0)
    values = rng.normal(60, 6, (200, 129)) - 0.3 * np.arange(129)
    for column in range(10, 200, 12):
        for row in rng.integers(2, 90, 8):
            values[column : column + 10, row : row + 3] += np.linspace(160, 30, 10)[: 200 - column, None]
    values[:10], values[:, 115:] = 4, 0
    values[20, 5], values[0, 128] = 300, -9  # so that white and black are there
    return values.clip(0, 255).astype(np.float32)


def drawn(values, colors):
    """The spectrogram in colors, [shape=(height, width, 3)], uint8, two pixels a column and a bin."""
    large = np.repeat(np.repeat(values.T[::-1], 2, axis=0), 2, axis=1)
    return np.round(np.stack([np.interp(large, *table) for table in tables(colors)], axis=-1)).astype(np.uint8)


def tables(colors):
    """Where red, green and blue of a map stand, and what they are there."""
    if colors == "jet":  # as its makers defined it
        yield [0, 89, 168, 227, 255], [0, 0, 255, 255, 127]
        yield [0, 32, 96, 163, 232, 255], [0, 0, 255, 255, 0, 0]
        yield [0, 28, 87, 166, 255], [127, 255, 255, 0, 0]
    else:
        shown = np.array([BLACK, WHITE]) if colors == "grey" else figure.MAPS[colors]
        yield from ((np.linspace(0, 255, len(shown)), shown[:, place]) for place in range(3))


def as_figure(panel, paper=WHITE, ink=BLACK, spines=0, ticks=False, bar=False, alone=False):
    """A panel with margins around it: `spines` pixels of frame, letters that stand for ticks, a bar of the colors."""
    height, width = panel.shape[:2]
    page = np.full((height + 80, width + 120, 3), paper, np.uint8)
    page[40 - spines : 40 + height + spines, 60 - spines : 60 + width + spines] = ink
    page[40 : 40 + height, 60 : 60 + width] = panel
    if ticks:
        for place in range(50, height + 30, 40):
            page[place, 55:60] = page[place - 3 : place + 4 : 2, 30:50] = ink
        for place in range(70, width + 50, 60):
            page[40 + height : 45 + height, place] = page[50 + height : 60 + height, place - 8 : place + 8 : 3] = ink
        page[12:26, 100:300:4] = ink
    if bar:
        page[40 : 40 + height, 80 + width : 96 + width] = panel[:, np.argsort(panel.sum(axis=(0, 2)))[-16:]]
    return page


def encoded(pixels, format="PNG", **options):
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, format, **options)
    return content.getvalue()


def read(content, least_samples=0):
    return audio_features.compute_features(content, SETTINGS, least_samples)


@pytest.fixture(scope="module")
def wanted(levels):
    """What the same spectrogram gives in grey, without margins."""
    values, warnings = read(encoded(drawn(levels, "grey")))
    assert warnings == ()
    return values


def distance(values, wanted):
    assert values.shape == wanted.shape
    return np.abs(values - wanted).mean()


PAGES = (
    {},
    {"spines": 1, "ticks": True},
    {"bar": True},
    {"spines": 1, "ticks": True, "paper": (204, 204, 204)},
    {"spines": 1, "ticks": True, "paper": BLACK, "ink": WHITE},
)


@pytest.mark.parametrize(
    ("colors", "page"),
    [
        *((colors, {"spines": 2, "ticks": True, "bar": True}) for colors in COLORS),
        *(("viridis", page) for page in PAGES),
    ],
)
def test_a_figure_gives_the_levels_that_it_was_drawn_of_and_says_so(colors, page, levels, wanted):
    values, warnings = read(encoded(as_figure(drawn(levels, colors), **page)))
    assert distance(values, wanted) < 2.5
    words = (
        "the lightest was read"
        if colors == "grey"
        else f"its colors were read as levels of the map {colors}, the lightest as"
    )
    assert len(warnings) == 1 and warnings[0].startswith(f"{CROPPED}{words}")


def test_a_transparent_figure_is_read_as_on_white_paper(levels):
    page = as_figure(drawn(levels, "viridis"), spines=1, ticks=True)
    alpha = np.where((page == 255).all(axis=2), 0, 255).astype(np.uint8)
    content = encoded(np.dstack([np.where(alpha[..., None] > 0, page, 0).astype(np.uint8), alpha]))
    assert np.array_equal(read(content)[0], read(encoded(page))[0])


@pytest.mark.parametrize(("colors", "quality"), [*zip(COLORS, itertools.cycle([40, 75]), strict=False)])
def test_a_figure_that_was_saved_as_jpeg_is_read(colors, quality, levels, wanted):
    values, warnings = read(encoded(as_figure(drawn(levels, colors), ticks=True), "JPEG", quality=quality))
    assert distance(values, wanted) < 9 and warnings[0].startswith(CROPPED)


def faded(levels):
    """The spectrogram with long silence, so that most of it is as dark as dark paper, and a steady bass."""
    values = np.where(levels > 90, levels, 0).astype(np.float32)
    values[:, 0] = np.linspace(0, 220, len(values))
    return values


def with_bar(panel, colors, is_reversed=False, is_upright=True, **options):
    """A figure with a bar of all colors of a map, right of the panel or below it, and shorter."""
    page = as_figure(panel, **options)
    (height, width), steps = panel.shape[:2], np.arange(256, dtype=np.float32)[:: -1 if is_reversed else 1]
    shown = drawn(np.repeat(steps[None], 5, axis=0), colors)[:, 0]  # from the highest level to the lowest
    if is_upright:
        rows = np.linspace(0, len(shown) - 1, height - 40).astype(int)
        page[60 : 20 + height, 80 + width : 96 + width] = shown[rows, None]
    else:
        columns = np.linspace(len(shown) - 1, 0, width - 60).astype(int)
        page[60 + height : 75 + height, 90 : 30 + width] = shown[columns]
    return page


@pytest.mark.parametrize("colors", COLORS)
@pytest.mark.parametrize(("quality", "bar"), [(None, True), (75, False)])
def test_a_quiet_figure_on_dark_paper_is_cropped_as_on_light(colors, quality, bar, levels):
    panel, content = drawn(faded(levels), colors), {}
    for paper, ink in ((BLACK, WHITE), (WHITE, BLACK)):
        options = {"spines": 1, "ticks": True, "paper": paper, "ink": ink}
        page = with_bar(panel, colors, **options) if bar else as_figure(panel, **options)
        content[paper] = encoded(page, **({"format": "JPEG", "quality": quality} if quality else {}))
    (dark, words), (light, expected) = read(content[BLACK]), read(content[WHITE])
    assert words == expected and words[0].startswith(CROPPED)
    assert distance(dark, light) < (6 if quality else 0.5)


@pytest.mark.parametrize("colors", figure.MAPS)
@pytest.mark.parametrize("paper", [BLACK, (34, 34, 34)])
def test_a_quiet_colored_figure_on_dark_paper_without_a_frame_is_cropped(colors, paper, levels):
    panel = drawn(faded(levels), colors)
    values, warnings = read(encoded(as_figure(panel, paper=paper, bar=True)))
    assert distance(values, read(encoded(panel))[0]) < 1 and warnings[0].startswith(CROPPED)


@pytest.mark.parametrize("colors", ["magma", "inferno", "hot"])
def test_black_edges_that_are_a_maps_own_silence_are_no_margins(colors, levels):
    values = faded(levels)
    values[:20] = values[-20:] = values[:, :9] = values[:, -9:] = 0
    grey, warnings = figure.read_levels(drawn(values, colors), "it")
    assert grey.shape == (258, 400, 3) and warnings[0].startswith("The picture is in color.")


@pytest.mark.parametrize("colors", COLORS)
@pytest.mark.parametrize(("paper", "ink", "is_upright"), [(WHITE, BLACK, True), (BLACK, WHITE, False)])
def test_a_color_bar_tells_which_end_of_a_map_is_loud(colors, paper, ink, is_upright, levels, wanted):
    options = {"spines": 1, "ticks": True, "paper": paper, "ink": ink, "is_upright": is_upright}
    reversed_, words = read(encoded(with_bar(drawn(255 - levels, colors), colors, is_reversed=True, **options)))
    plain, others = read(encoded(with_bar(drawn(levels, colors), colors, **options)))
    assert distance(reversed_, wanted) < 2.5 and distance(plain, wanted) < 2.5
    assert "the darkest" in words[0] and words[0].endswith("as the loudest, according to its color bar.")
    assert "the lightest" in others[0] and "bar has it" not in others[0]


def test_a_reversed_map_without_a_bar_is_read_with_its_lightest_color_as_the_loudest_and_says_so(levels, wanted):
    values, warnings = read(encoded(as_figure(drawn(255 - levels, "viridis"), spines=1, ticks=True)))
    assert distance(255 - values, wanted) < 2.5 and warnings[0].endswith("the lightest as the loudest.")


@pytest.mark.parametrize("colors", figure.MAPS)
def test_a_colored_spectrogram_without_margins_is_read(colors, levels, wanted):
    values, warnings = read(encoded(drawn(levels, colors)))
    assert distance(values, wanted) < 1.5
    said = f"The picture is in color. Its colors were read as levels of the map {colors}, the lightest as the loudest."
    assert warnings == (said,)


@pytest.mark.parametrize("turn", ["as it is", "silence all around", "of noise all around", "white", "one grey"])
def test_a_grey_spectrogram_without_margins_stays_as_it_is(turn, levels):
    pixels = drawn(levels, "grey")
    if turn == "silence all around":
        pixels[:30] = pixels[-30:] = pixels[:, :40] = pixels[:, -40:] = 0
    if turn == "of noise all around":
        noise = np.random.default_rng(1).normal(150, 7, pixels.shape[:2]).round().astype(np.uint8)
        pixels = np.repeat(noise[..., None], 3, axis=2)
        pixels[:30] = pixels[-30:] = pixels[:, :40] = pixels[:, -40:] = 0
    if turn in ("white", "one grey"):
        pixels[:] = 255 if turn == "white" else 90
    grey, warnings = figure.read_levels(pixels, "it")
    assert grey is pixels and warnings == ()


SILENT = {
    "left": np.s_[:, :120],
    "right": np.s_[:, -120:],
    "top": np.s_[:60],
    "bottom": np.s_[-30:],
    "left and right": np.s_[:, np.r_[:60, -60:0]],
    "all around": np.s_[:0],  # but for the edges, which are silent in each
}


@pytest.mark.parametrize("silence", ["white", "black"])
@pytest.mark.parametrize("quality", [None, 75, 40])
@pytest.mark.parametrize("sound", ["voice", "hum", "clicks", "noise"])
@pytest.mark.parametrize("where", SILENT)
def test_a_grey_spectrogram_stays_as_it_is_whether_its_silence_is_white_or_black(where, sound, quality, silence):
    rng, rows, columns = np.random.default_rng(0), np.linspace(1, 0, 258)[:, None], np.linspace(0, 1, 400)
    loud = np.exp(-(((rows - 0.3) / 0.12) ** 2)) * np.sin(columns * np.pi * 6) ** 2 * rng.uniform(0.6, 1, (258, 400))
    if sound == "hum":
        loud[150:156] = loud[100:104] = 0.9
    if sound == "clicks":
        loud[:, ::25] = loud[120:130] = 0.9
    if sound == "noise":
        loud = rng.uniform(0, 1, (258, 400)) * np.sin(rows * np.pi)
    for silent in (SILENT[where], np.s_[:8], np.s_[-8:], np.s_[:, :8], np.s_[:, -8:]):
        loud[silent] = 0
    pixels = np.repeat((255 - 255 * loud).astype(np.uint8)[..., None], 3, axis=2)
    pixels = 255 - pixels if silence == "black" else pixels
    if quality:
        pixels = np.asarray(Image.open(io.BytesIO(encoded(pixels, "JPEG", quality=quality))))
    grey, warnings = figure.read_levels(pixels, "it")
    assert grey is pixels and warnings == ()


def photograph(seed=0):
    """Colors that change slowly across a picture, and have little to do with how light it is."""
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(0, 256, (6, 9, 3), dtype=np.uint8))
    return np.asarray(small.resize((300, 200), Image.Resampling.BICUBIC))


def curve(color=(31, 119, 180)):
    """A line, blue unless told, on white paper, in a frame."""
    panel = np.full((200, 300, 3), 255, np.uint8)
    for place in range(300):
        middle = int(100 + 80 * np.sin(place / 12))
        panel[middle - 3 : middle + 3, place] = color
    return as_figure(panel, spines=1, ticks=True)


@pytest.mark.parametrize("page", [False, True])
@pytest.mark.parametrize("format", ["PNG", "JPEG"])
def test_jet_and_photographs_are_refused_since_their_lightness_is_no_level(page, format, levels):
    for pixels in (drawn(levels, "jet"), photograph(0), photograph(1)):
        content = encoded(as_figure(pixels, spines=1, ticks=True) if page else pixels, format)
        with pytest.raises(InputError, match="in grey or in the colors of viridis, magma.*as jet"):
            read(content)


@pytest.mark.parametrize("format", ["PNG", "JPEG"])
def test_a_figure_of_something_else_is_refused(format, levels):
    gap, pages = np.full((258, 30, 3), 255, np.uint8), [curve(), curve((90, 90, 90))]
    for panel in (drawn(levels, "viridis"), drawn(levels, "grey"), 255 - drawn(levels, "grey")):
        panel[:2] = panel[-2:] = panel[:, :2] = panel[:, -2:] = 0
        pages.append(as_figure(np.concatenate([panel, gap, panel], axis=1)))
        pages.append(as_figure(np.concatenate([panel, gap.transpose(1, 0, 2)[:, :1].repeat(400, axis=1), panel])))
    pages.append(255 - curve((90, 90, 90)))
    framed = as_figure(drawn(faded(levels), "grey"), spines=1, ticks=True, paper=BLACK, ink=WHITE)
    pages += [np.concatenate([framed, framed]), np.concatenate([framed, framed], axis=1)]
    for pixels in pages:
        with pytest.raises(InputError, match="has margins around something else: crop it"):
            read(encoded(pixels, format))


def test_a_figure_too_short_for_a_clip_is_repeated_and_says_both(levels):
    content = encoded(as_figure(drawn(levels, "magma")))
    values, warnings = read(content, SETTINGS.count_samples(300))
    assert len(values) == 300 and warnings[0].startswith(CROPPED) and "was repeated to fill 300" in warnings[1]


@pytest.mark.parametrize("colors", figure.MAPS)
def test_the_nine_colors_of_a_map_tell_levels_as_all_of_matplotlibs_do(colors):
    matplotlib = pytest.importorskip("matplotlib")
    pixels = matplotlib.colormaps[colors](np.arange(256)[None].repeat(20, axis=0), bytes=True)[..., :3]
    found = figure.invert_map(np.ascontiguousarray(pixels), figure.MAPS[colors])[0, :, 0].astype(int)
    assert np.abs(found - np.arange(256)).max() <= 6 and (np.diff(found) >= 0).all()


@pytest.mark.parametrize("has_axes", [False, True])
def test_what_matplotlib_draws_of_a_size_as_kaggles_is_read(has_axes, levels, wanted):
    pyplot = pytest.importorskip("matplotlib.pyplot")
    page, axes = pyplot.subplots(figsize=(6, 4), dpi=72)  # 432 x 288 pixels
    axes.imshow(levels.T, origin="lower", aspect="auto", cmap="viridis")
    if not has_axes:
        axes.axis("off")
    content = io.BytesIO()
    page.savefig(content, dpi=72)
    pyplot.close(page)
    values, warnings = read(content.getvalue())
    assert Image.open(content).size == (432, 288) and Image.open(content).mode == "RGBA"
    assert np.corrcoef(values.ravel(), wanted.ravel())[0, 1] > 0.85 and warnings[0].startswith(CROPPED)
