"""Every malformed file (tests/fixtures/malformed_files.py) is refused in one sentence or answered with a warning."""

import pytest

from musicml.data.io import images
from musicml.features import audio_features
from musicml.inference.predictor import Prediction, Predictor
from musicml.utils.errors import InputError
from tests.conftest import write_tone
from tests.fixtures.malformed_files import FILES

LONGEST = 400  # characters of a sentence
SOUNDS = [name for name, case in FILES.items() if case.kind == "sound"]
PICTURES = [name for name, case in FILES.items() if case.kind == "picture"]
OF_THE_OTHER_KIND = ["a PNG named wav", "a wav named png"]  # so the other model answers for them
PIXELS = audio_features.Pixels()


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """A hostile file, made when it is first asked for: its name in FILES → its path."""
    folder, made = tmp_path_factory.mktemp("hostile"), {}

    def path_of(name):
        if name not in made:
            made[name] = FILES[name].write(folder)
        return made[name]

    return path_of


@pytest.fixture(scope="module")
def predictor(trained):
    """The tiny run of genre_gru, asked again and again."""
    return Predictor(trained("gru"))


def check_sentence(sentence, path, words):
    """One sentence, of printable characters, not too long, with all of the words; `path`'s folder is not counted."""
    sentence = sentence.replace(f"{path.parent}/", "")
    assert sentence.isprintable() and sentence.endswith(".") and len(sentence) <= LONGEST, sentence
    assert [word for word in words if word not in sentence] == [], sentence


def check_warnings(warnings, path, words):
    """Each warning is a sentence, and they hold the words; without words there are none."""
    for warning in warnings:
        check_sentence(warning, path, ())
    check_sentence(" ".join(warnings) or ".", path, words)
    assert bool(warnings) == bool(words), warnings


@pytest.mark.numeric
@pytest.mark.parametrize("name", SOUNDS)
def test_a_hostile_sound_is_refused_in_a_sentence_or_answered_with_a_warning(predictor, hostile, name):
    case, path = FILES[name], hostile(name)
    if case.answered:
        answer = predictor.predict(path)
        assert isinstance(answer, Prediction) and answer.scores.sum() == pytest.approx(1, rel=1e-5)
        check_warnings(answer.warnings, path, case.words)
    else:
        with pytest.raises(InputError) as caught:
            predictor.predict(path)
        check_sentence(str(caught.value), path, case.words)


@pytest.mark.parametrize("name", PICTURES)
def test_a_hostile_picture_is_refused_in_a_sentence_or_read_with_a_warning(hostile, name):
    case, path = FILES[name], hostile(name)
    if case.answered:
        pixels, warnings = audio_features.compute_features(path, PIXELS)
        assert pixels.shape == PIXELS.get_shape() and pixels.dtype == "uint8"
        check_warnings(warnings, path, case.words)
    else:
        for read in (images.load_image, lambda source: audio_features.compute_features(source, PIXELS)):
            with pytest.raises(InputError) as caught:
                read(path)
            check_sentence(str(caught.value), path, case.words)


@pytest.mark.parametrize("name", [name for name in PICTURES if name not in OF_THE_OTHER_KIND])
def test_a_picture_given_to_a_model_of_sound_is_refused_in_a_sentence(predictor, hostile, name):
    with pytest.raises(InputError) as caught:
        predictor.predict(hostile(name))
    check_sentence(str(caught.value), hostile(name), ["Expected sound"])


@pytest.mark.parametrize("name", [name for name in SOUNDS if name not in OF_THE_OTHER_KIND])
def test_a_sound_given_to_a_model_of_pictures_is_refused_in_a_sentence(hostile, name):
    with pytest.raises(InputError) as caught:
        audio_features.compute_features(hostile(name), PIXELS)
    check_sentence(str(caught.value), hostile(name), [])


def test_one_good_file_is_answered_among_all_those_that_are_refused(musicml, trained, hostile, tmp_path):
    bad = [hostile(name) for name in SOUNDS if not FILES[name].answered]
    good = tmp_path / "good.wav"
    write_tone(good, 440, 4.0)
    code, out, err = musicml("predict", trained("gru").path, *bad, good)
    assert code == 1 and "Traceback" not in err and f"{good}\n" in out
    said = [line for line in err.splitlines() if line.startswith("musicml: ")]
    assert len(said) == len(bad) and all(len(line) <= LONGEST + len(str(tmp_path)) for line in said)
    for path, line in zip(bad, said, strict=True):
        assert path.name in line or not path.name.isprintable() or len(path.name) > 200


def test_the_hostile_files_are_many_and_no_two_share_a_name():
    assert len(FILES) >= 60 and len({case.file for case in FILES.values()}) == len(FILES)
