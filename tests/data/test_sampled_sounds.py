import contextlib

import numpy as np
import pytest
import soundfile

from musicml.data.synthetic import generate, phrases, recording, renderer, sampled_instruments, synth
from musicml.utils import InputError

needs_renderer = pytest.mark.usefixtures("renderer_on")


@pytest.fixture
def renderer_on(monkeypatch):
    """Sampled instruments, which the other tests do not use."""
    monkeypatch.delenv("MUSICML_RENDERER", raising=False)
    if not renderer.has_renderer():
        pytest.skip("no renderer or no soundfont is installed")


@pytest.fixture(scope="module")
def sampled(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MUSICML_RENDERER", raising=False)
        if not renderer.has_renderer():
            pytest.skip("no renderer or no soundfont is installed")
        root = tmp_path_factory.mktemp("sampled")
        for name in ("instrument_sounds", "openmic"):
            # every sixth file, and no tables
            with contextlib.suppress(StopIteration):
                generate.SETS[name].write(root / name, 0, 0.02, write_some)
        return root


def write_some(function, jobs):
    for job in jobs[::6]:
        function(*job)
    raise StopIteration


def is_sound(name):
    return name.endswith((".wav", ".ogg"))


def describe_recording(y):
    """The peak and the noise floor in dB, which one room and microphone have in common."""
    frames = y[: len(y) // 2048 * 2048].reshape(-1, 2048)
    floor = np.percentile(np.sqrt(np.mean(frames**2, axis=1)), 10)
    return 20 * np.log10(np.array([np.abs(y).max(), floor + 1e-5]))


def describe_color(y):
    """The mean level of each octave in dB, relative to the overall level."""
    power = np.abs(np.fft.rfft(y)) ** 2
    edges = (np.geomspace(50, 12_800, 9) * len(y) / 44_100).astype(int)
    levels = 10 * np.log10(np.array([power[a:b].mean() for a, b in zip(edges, edges[1:], strict=False)]) + 1e-12)
    return levels - levels.mean()


@needs_renderer
def test_every_played_sound_is_finite_and_neither_silent_nor_clipped(sampled):
    paths = [path for path in sampled.rglob("*") if is_sound(path.name)]
    assert len(paths) > 10
    for path in paths:
        y, sample_rate = soundfile.read(path, dtype="float32")
        assert np.isfinite(y).all() and 0.05 < np.abs(y).max() <= 1.0, path
        assert np.std(y) > 0.001, path
        assert sample_rate == 22_050 or 1.5 <= len(y) / 44_100 <= 7.0, path


@needs_renderer
def test_files_of_one_setting_are_more_similar_than_others_of_their_class(monkeypatch):
    monkeypatch.setattr(generate.instrument_sounds, "MAX_SECONDS", 2.0)
    within, between = [], []
    for label in ("Sound_Drum", "Sound_Piano"):
        described, places = [], []
        for file in generate.instrument_sounds.plan("here", generate.instrument_sounds.list_train_files, 20):
            if file.label == label:
                who = [0, synth.hash_name(label), synth.hash_name(file.setting)]
                y = generate.instrument_sounds.render_recording(
                    file, np.random.default_rng(who), np.random.default_rng([*who, synth.hash_name(file.name)])
                )
                described.append(describe_recording(y if y.ndim == 1 else y[:, 1]))
                places.append(file.setting)
        apart = np.abs(np.array(described)[:, None] - np.array(described)[None]).mean(axis=2)
        alike = np.array(places)[:, None] == np.array(places)[None]
        within.append(apart[alike & ~np.eye(len(places), dtype=bool)].mean())
        between.append(apart[~alike].mean())
    assert all(one < other for one, other in zip(within, between, strict=True)), (within, between)


@needs_renderer
def test_every_instrument_of_openmic_sounds_and_differs_from_the_others():
    colors = {}
    for name in sampled_instruments.NAMES:
        parts = [
            sampled_instruments.render_instrument(name, 1.5, 44_100, np.random.default_rng([seed, 7]))
            for seed in range(3)
        ]
        assert all(len(y) == 1.5 * 44_100 and np.isfinite(y).all() and np.abs(y).max() > 1e-3 for y in parts), name
        colors[name] = np.mean([describe_color(y) for y in parts], axis=0)
    for one in colors:
        assert all(np.abs(colors[one] - colors[other]).mean() > 1.0 for other in colors if other != one), one


def test_room_files_of_one_room_and_microphone_are_one_setting():
    sounds = generate.instrument_sounds
    files = sounds.plan("here", sounds.list_train_files, 40) + sounds.plan("here", sounds.list_test_files, 10)
    places = {file.name: file.setting for file in files if file.name.startswith("ROOM")}
    assert len(set(places.values())) >= 10
    for name, place in places.items():
        room, _, device = name.removesuffix(".wav").replace("-", "_").partition("_DEV_")
        assert place == f"{room.split('_')[1]} {device}".strip(), name
    assert all(file.setting == file.stem for file in files if not file.name.startswith("ROOM"))


@pytest.fixture(params=["midirenderer", "symusic"])
def only_renderer(request, renderer_on, monkeypatch):
    """A single renderer, as on a platform without the other."""
    pytest.importorskip(request.param)
    monkeypatch.setattr(renderer, "_is_installed", lambda package: package == request.param)
    return request.param


@pytest.mark.parametrize(("sample_rate", "is_drum"), [(16_000, False), (22_050, True), (44_100, False)])
def test_either_renderer_replaces_the_other(only_renderer, is_drum, sample_rate):
    notes = [renderer.Note(0.25, 0.3, 60 if not is_drum else 38, 100), renderer.Note(9.0, 1.0, 64, 100)]
    for varies_timbre in (True, False):
        y = renderer.render_notes(notes, 0, 1.5, sample_rate, is_drum, varies_timbre)
        assert y.shape == (round(1.5 * sample_rate),) and y.dtype == np.float32 and np.isfinite(y).all()
        begin = np.flatnonzero(np.abs(y) > 0.1 * np.abs(y).max())[0] / sample_rate
        assert begin == pytest.approx(0.25, abs=0.03)
        assert renderer.describe_renderer(varies_timbre)["renderer"].startswith(f"{only_renderer} ")
    assert not renderer.render_notes([], 0, 1.0, sample_rate).any()


def test_an_unreadable_font_raises_one_clear_error(only_renderer, tmp_path, monkeypatch):
    for name, content in (("junk.sf2", b"no soundfont"), ("empty.sf2", b""), ("gone.sf2", None)):
        if content is not None:
            (tmp_path / name).write_bytes(content)
        monkeypatch.setenv("MUSICML_SOUNDFONT", str(tmp_path / name))
        for varies_timbre in (True, False):
            with pytest.raises(InputError, match=f"Expected a soundfont.*{name}"):
                renderer.describe_renderer(varies_timbre)


@pytest.mark.parametrize("second", [0.4, 1.0, 1.001])
def test_a_note_lasts_to_its_end_although_an_earlier_one_of_its_pitch_ends(only_renderer, second):
    first, organ = renderer.Note(0.0, 1.0, 60, 100), 19
    y = renderer.render_notes([first, renderer.Note(second, 1.5, 60, 100)], organ, 3.0, 44_100)
    levels = np.sqrt(
        np.mean(y[: 3 * 44_100 // 4410 * 4410].reshape(-1, 4410) ** 2, axis=1)
    )  # of each tenth of a second
    assert levels[1 : int(10 * (second + 1.5)) - 1].min() > 0.2 * levels.max(), levels.round(3)


@needs_renderer
def test_a_part_does_not_depend_on_what_was_rendered_before(only_renderer):
    parts = [(program, pitch) for program in (0, 30, 39, 90) for pitch in (36, 84)]
    forwards, backwards = (
        {
            (program, pitch): renderer.render_notes(
                [renderer.Note(0.0, 0.3, pitch, 100)], program, 0.5, 22_050
            ).tobytes()
            for program, pitch in order
        }
        for order in (parts, parts[::-1])
    )
    assert forwards == backwards


@needs_renderer
def test_a_soft_note_can_have_its_own_timbre():
    pytest.importorskip("midirenderer")
    pytest.importorskip("symusic")
    for varies_timbre in (True, False):
        hard, soft = (
            renderer.render_notes([renderer.Note(0.0, 1.0, 48, velocity)], 0, 1.0, 44_100, varies_timbre=varies_timbre)
            for velocity in (120, 25)
        )
        differs = np.abs(describe_color(hard) - describe_color(soft)).max()
        assert np.abs(soft).max() < 0.5 * np.abs(hard).max() and (differs > 1.0) == varies_timbre, differs


@needs_renderer
def test_each_dataset_names_its_renderer_and_only_symusic_reads_sf3(monkeypatch, tmp_path):
    pytest.importorskip("midirenderer")
    pytest.importorskip("symusic")
    named = {name: generate.describe_source(name, 0, 1.0)["renderer"].split()[0] for name in generate.PLAYED}
    assert named == {"gtzan": "symusic", "instrument_sounds": "midirenderer", "openmic": "symusic"}
    assert renderer._choose_renderer(tmp_path / "font.SF3", varies_timbre=True) == "symusic"


@pytest.mark.parametrize("manner", phrases.MANNERS)
def test_phrases_of_every_manner_stay_within_their_time_and_pitches(manner):
    for seed in range(20):
        notes = phrases.draw_phrase(manner, 48, 84, 3.0, np.random.default_rng(seed))
        assert notes and all(0 <= note.start < 3.6 and note.seconds > 0 for note in notes)
        assert all(20 <= note.pitch <= 108 and 1 <= note.velocity <= 127 for note in notes)
        assert min(note.start for note in notes) <= 0.35


@pytest.mark.parametrize("piece", phrases.PIECES)
def test_hits_on_one_piece_of_the_kit_stay_on_it(piece):
    for seed in range(10):
        notes = phrases.draw_hits(piece, 2.0, np.random.default_rng(seed))
        assert len({note.pitch for note in notes}) == 1 and notes[0].pitch in phrases.PIECES[piece]


def test_a_recording_has_the_level_and_the_length_of_its_recorder():
    y = renderer.render_notes([renderer.Note(0.0, 1.0, 69, 100)], 40, 1.0, 22_050)
    for seed in range(10):
        recorder = recording.draw_recorder(np.random.default_rng(seed))
        taken = recording.record_sound(y, 22_050, recorder, np.random.default_rng(seed))
        assert len(taken) == len(y) and taken.dtype == np.float32 and np.isfinite(taken).all()
        assert 20 * np.log10(np.abs(taken).max()) == pytest.approx(recorder.level_db, abs=0.01)
