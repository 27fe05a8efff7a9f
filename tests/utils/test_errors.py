import pytest

from musicml.data.io import audio, images
from musicml.utils import errors
from musicml.utils.errors import InputError


@pytest.mark.parametrize("name", ["song.wav", "Björk – Jóga.mp3", "雨.flac", "a b'c\"d", ""])
def test_a_plain_name_is_printed_as_it_is(name):
    assert errors.make_printable(name) == name


@pytest.mark.parametrize(
    ("name", "printed"),
    [
        ("song\n.wav", "song?.wav"),
        ("musicml: all is well\r\x1b[2K", "musicml: all is well??[2K"),
        ("a\0b\tc", "a?b?c"),
        ("\u202egpj.wav", "?gpj.wav"),  # turns the writing round
        ("a\udcffb", "a\\xffb"),  # a byte that is no UTF-8, as Python hands it on from the disk
        ("a\u2028b", "a?b"),  # a line's end in Unicode
    ],
)
def test_what_would_break_or_hide_a_line_is_printed_as_a_question_mark(name, printed):
    assert errors.make_printable(name) == printed
    printed.encode()


def test_a_long_name_keeps_its_beginning_and_its_end_and_stays_short():
    exact = "a" * errors.MAX_NAME_LENGTH
    assert errors.make_printable(exact) == exact
    printed = errors.make_printable("folder/" + "a" * 5_000 + "/the song.wav")
    assert len(printed) <= errors.MAX_NAME_LENGTH and "..." in printed
    assert printed.startswith("folder/aa") and printed.endswith("aa/the song.wav")


@pytest.mark.parametrize("gate", [audio.load_audio, images.load_image])
@pytest.mark.parametrize("name", ["two\nlines.wav", "\x1b[31mred", "long" * 2_000])
def test_a_gate_prints_any_name_on_one_line(gate, name):
    for source in (b"These are words.", b""):
        with pytest.raises(InputError) as caught:
            gate(source, name=name)
        assert str(caught.value).isprintable() and len(str(caught.value)) < 400
    with pytest.raises(InputError) as caught:
        gate(name)
    assert str(caught.value).isprintable() and len(str(caught.value)) < 400


def test_many_known_names_are_cut_short_and_the_nearest_is_told_all_the_same():
    hint = errors.suggest_names("clas 77", [f"class {k}" for k in range(100)])
    assert hint.startswith("did you mean 'class 77'? Known names: class 0, ") and hint.endswith(" and 76 more.")
    assert errors.suggest_names("x", []) == "known names: none."
