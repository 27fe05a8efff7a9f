"""The gate for pictures: what it reads, what it warns of, what it refuses."""

import io
import time
import tracemalloc

import numpy as np
import pytest
from PIL import Image, ImageOps

from musicml.data.io import file_types, images, load_audio
from musicml.utils.errors import InputError
from tests.fixtures.malformed_files import png, wav

PIXELS = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)


def encoded(image=None, format="PNG", **options):
    file = io.BytesIO()
    (image or Image.fromarray(PIXELS)).save(file, format, **options)
    return file.getvalue()


def refusal(content, **options):
    with pytest.raises(InputError) as caught:
        images.load_image(content, **options)
    message = str(caught.value)
    assert "\n" not in message
    assert message.endswith(".")
    return message


def in_boxes(major, *others, size=None):
    """The first bytes of a file of ISO/IEC 14496-12: its brands, and a box behind them."""
    brands = "".join(others).encode()
    size = 16 + len(brands) if size is None else size
    return size.to_bytes(4) + b"ftyp" + major.encode() + bytes(4) + brands + b"\0\0\1\0meta" + bytes(300)


# What is read


@pytest.mark.parametrize("format", ["PNG", "BMP", "WEBP", "JPEG", "GIF"])
def test_a_picture_comes_out_as_it_went_in(format):
    picture = images.load_image(encoded(format=format, **({"lossless": True} if format == "WEBP" else {})))
    assert (picture.pixels == PIXELS).all() or format in ("JPEG", "GIF")
    assert picture.pixels.shape == PIXELS.shape and picture.pixels.dtype == np.uint8
    assert picture.pixels.flags.c_contiguous
    assert picture.warnings == ()


def test_grey_has_three_equal_channels():
    grey = Image.fromarray(PIXELS[..., 0])
    pixels = images.load_image(encoded(grey)).pixels
    assert all((pixels[..., channel] == PIXELS[..., 0]).all() for channel in range(3))


def test_16_bit_grey_is_scaled_and_not_cut_off():
    deep = np.array([[0, 257, 32_768, 65_535]], np.uint16).repeat(40, axis=0)
    assert images.load_image(encoded(Image.fromarray(deep))).pixels[0, :, 0].tolist() == [0, 1, 128, 255]


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_what_is_transparent_is_laid_over_white(mode):
    image = Image.new(mode, (40, 40), (0,) * len(mode))
    image.paste((0,) * (len(mode) - 1) + (255,), (0, 0, 20, 40))
    pixels = images.load_image(encoded(image)).pixels
    assert (pixels[:, :20] == 0).all()
    assert (pixels[:, 20:] == 255).all()


def test_a_palette_gives_its_colours():
    image = Image.fromarray(PIXELS).quantize(16)
    assert (images.load_image(encoded(image)).pixels == np.asarray(image.convert("RGB"))).all()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_photograph_stands_upright(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = encoded(exif=exif)
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(content)))
    assert np.array_equal(images.load_image(content).pixels, upright)


def test_the_second_picture_that_a_phone_puts_behind_a_jpeg_is_no_animation():
    content = encoded(format="MPO", save_all=True, append_images=[Image.fromarray(255 - PIXELS)])
    assert images.load_image(content).pixels.shape == (40, 60, 3)


@pytest.mark.parametrize(("load", "content"), [(images.load_image, encoded()), (load_audio, wav())])
def test_a_path_a_text_and_bytes_give_the_same_and_what_is_no_file_is_refused(load, content, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(content)
    first, *others = ([*vars(load(source)).values()][0] for source in (path, str(path), content))
    assert all((one == first).all() for one in others)
    for source, said in (
        (tmp_path / "missing", "missing does not exist"),
        (tmp_path, "is a folder. Give files"),
        ("a\0b.png", "does not exist"),
        ("long" * 2_000, "Cannot open"),
        (b"", " in this upload"),
    ):
        with pytest.raises(InputError, match=said):
            load(source)
    with pytest.raises(InputError, match=" in song.mp3"):
        load(b"", name="song.mp3")


# What is warned of


def test_a_jpeg_named_png_is_read_with_a_warning():
    assert images.load_image(encoded(format="JPEG"), "banjo.png").warnings == (
        "The file is named .png but holds JPEG: it was read as JPEG.",
    )


def test_a_picture_of_one_colour_or_of_few_pixels_is_flagged():
    assert "single color" in images.load_image(encoded(Image.new("RGB", (50, 50), "red"))).warnings[0]
    assert "small, 6 x 4 pixels" in images.load_image(encoded(Image.fromarray(PIXELS[:4, :6]))).warnings[0]


def test_a_picture_in_the_colours_of_printing_is_read_with_a_warning():
    pixels = np.random.default_rng(0).integers(40, 216, (5, 8, 3), np.uint8).repeat(8, axis=0).repeat(8, axis=1)
    picture = images.load_image(encoded(Image.fromarray(pixels).convert("CMYK"), "JPEG", quality=95))
    assert picture.warnings == (images.REMARKS["CMYK"],)
    assert np.abs(picture.pixels.astype(int) - pixels).mean() < 10


def test_a_picture_of_black_and_white_alone_is_read_with_a_warning():
    picture = images.load_image(encoded(Image.fromarray(PIXELS).convert("1")))
    assert picture.warnings == (images.REMARKS["1"],)
    assert picture.pixels.shape == (40, 60, 3) and set(np.unique(picture.pixels)) == {0, 255}


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "HSV", "I", "F"])
def test_every_mode_that_pillow_decodes_to_comes_out_as_rgb(mode):
    image = Image.fromarray(PIXELS).convert("RGBA" if mode == "PA" else "RGB").convert(mode)
    pixels = np.asarray(images.convert_to_rgb(image))
    assert pixels.shape == (40, 60, 3) and pixels.dtype == np.uint8


# An array


def test_an_array_of_pixels_is_the_picture():
    picture = images.load_image(PIXELS)
    assert picture.pixels is PIXELS and picture.warnings == ()
    assert "single color" in images.load_image(np.zeros((40, 40, 3), np.uint8)).warnings[0]


@pytest.mark.parametrize(
    "pixels",
    [PIXELS / 255, PIXELS[..., 0], PIXELS[..., :2], PIXELS.transpose(2, 0, 1), PIXELS.astype(int), PIXELS[None]],
)
def test_an_array_that_is_no_picture_is_refused_with_its_shape_and_type(pixels):
    assert f"got {pixels.shape} and {pixels.dtype}." in refusal(pixels)


def test_an_array_of_too_many_pixels_or_none_is_refused():
    assert "has 0 x 40 = 0" in refusal(np.zeros((40, 0, 3), np.uint8))
    huge = np.broadcast_to(np.uint8(0), (5_001, 5_000, 3))
    assert "at most 25000000 pixels" in refusal(huge, name="poster")


# What is refused


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (encoded(format="JPEG")[:600], "cut off or damaged"),
        (encoded()[:600], "cut off or damaged"),
        (b"Not a picture at all.\n" * 20, "looks like text"),
        (b"fLaC" + bytes(100), "is flac sound. Save it as one of these"),
        (b"RIFF" + bytes(4) + b"WAVE" + bytes(100), "is wav sound"),
    ],
)
def test_what_can_not_be_shown_without_guessing_is_refused(content, words):
    assert words in refusal(content, name="banjo.jpg")


@pytest.mark.parametrize("side", [5_001, 12_000, 20_000])
def test_a_bomb_is_refused_before_it_is_decoded(side):
    content = png(side, side)
    tracemalloc.start()
    begun = time.perf_counter()
    assert "at most 25000000 pixels" in refusal(content)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert time.perf_counter() - begun < 5.0
    assert peak < 10e6


# Size


def test_a_picture_is_fitted_to_a_size_without_keeping_its_aspect():
    small = images.resize_image(PIXELS, 10, 20)
    assert small.shape == (10, 20, 3)
    assert small.dtype == np.uint8
    assert images.resize_image(PIXELS, 80, 80).shape == (80, 80, 3)


def test_a_fine_pattern_turns_grey_when_it_gets_smaller():
    lines = np.zeros((96, 96, 3), np.uint8)
    lines[::2] = 255
    assert np.abs(images.resize_image(lines, 24, 24).astype(int) - 128).max() < 20


IN_BOXES = {
    ("heic", "mif1", "heic"): "a HEIC picture",
    ("heim", "mif1"): "a HEIC picture",
    ("hevs", "msf1", "iso8"): "a HEIC picture",
    ("hevx",): "a HEIC picture",
    ("mif1", "heic", "miaf"): "a HEIC picture",
    ("msf1", "hevc", "iso8"): "a HEIC picture",
    ("1pic", "mif1", "heix"): "a HEIC picture",
    ("avif", "mif1", "miaf", "MA1B"): "an AVIF picture",
    ("avis", "msf1", "iso8", "mp41"): "an AVIF picture",
    ("mif1", "miaf", "avif"): "an AVIF picture",
    ("mif1", "j2ki"): "a HEIF picture",
    ("mif1",): "a HEIF picture",
    ("MiHB", "miaf"): "a HEIF picture",
    ("vvic", "mif1"): "a HEIF picture",
    ("crx ", "isom"): "a CR3 picture",
}


@pytest.mark.parametrize("brands", IN_BOXES)
def test_a_picture_of_another_type_is_named_as_what_it_is_whatever_its_brand(brands):
    content = in_boxes(*brands)
    for source, name in ((content, "photo.jpg"), (in_boxes(*brands, size=0) if len(brands) == 1 else content, "x.png")):
        assert f"is {IN_BOXES[brands]}." in refusal(source, name=name)
    with pytest.raises(InputError, match=f"Expected sound in song.m4a, but it is {IN_BOXES[brands]}"):
        load_audio(content, name="song.m4a")


def test_jpeg_xl_and_jpeg_2000_are_named():
    for mark, words in ((b"JXL ", "JXL"), (b"jP  ", "JP2")):
        assert f"is a {words} picture." in refusal(b"\0\0\0\x0c" + mark + b"\r\n\x87\n" + in_boxes("jxl "))


@pytest.mark.parametrize(
    "brands",
    [
        *(("isom", "iso2", "avc1", "mp41"), ("mp42", "mif1"), ("qt  ",), ("3gp5", "heic"), ("M4A ", "isom")),
        ("3g2a", "mif1"),
    ],
)
def test_a_movie_is_called_no_picture_even_where_it_names_the_brand_of_one(brands):
    assert "HEI" not in refusal(in_boxes(*brands))
    assert file_types.detect_type(io.BytesIO(in_boxes(*brands))).is_readable_sound


@pytest.mark.parametrize("length", range(0, 40))
def test_a_box_of_brands_that_is_cut_off_is_no_trouble(length):
    refusal(in_boxes("mif1", "heic")[:length] or b"x")
