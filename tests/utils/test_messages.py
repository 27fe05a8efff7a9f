"""Messages keep their templates, on the disk too, and each template has a translation."""

import ast
import copy
import dataclasses
import errno
import io
import json
import os
import pickle
import re
import string
import typing
from pathlib import Path

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.pofile import read_po

import musicml
from musicml.data.io import file_types
from musicml.experiment import config, environment, run
from musicml.features import audio_features
from musicml.models import registry
from musicml.utils import (
    Message,
    get_message,
    join_messages,
    messages,
    pluralize,
    read_csv,
    read_json,
    schema,
    translate,
    write_csv,
    write_json,
)
from musicml.utils.errors import InputError, make_printable
from musicml.utils.messages import LOCALES
from tests.fixtures.english import list_english
from tests.fixtures.malformed_files import FILES

ROOT = Path(musicml.__file__).parent.parent
CATALOG = read_po(io.BytesIO((LOCALES / "id.po").read_bytes()), locale="id")
TRANSLATED = [
    (english, message.string if isinstance(message.string, str) else message.string[0])
    for message in CATALOG
    for english in ([message.id] if isinstance(message.id, str) else message.id)
    if english
]
QUICK = audio_features.LogMel(sample_rate=4_000, hop_length=2_048, n_mels=8)
KEYWORDS = {"InputError": None, "Message": None, "pluralize": (1, 2), "_": None}


def list_templates(root):
    """The templates in the code below `root`, as `make messages` extracts them: template → the file it stands in."""
    methods, options = parse_mapping_cfg(io.StringIO((ROOT / "babel.cfg").read_text()))
    found = {}
    for file, _, ids, _, _ in extract_from_dir(root, methods, options, keywords=KEYWORDS):
        for template in [ids] if isinstance(ids, str) else ids:
            found.setdefault(template, file)
    return found


def list_missing(root):
    """The templates below `root` that have no Indonesian."""
    known = messages.load_catalog("id")  # which a translation that `make messages` only guessed is not in
    return [f"{file}: {english}" for english, file in list_templates(root).items() if english not in known]


def list_blanks(template):
    return {blank for _, blank, _, _ in string.Formatter().parse(template) if blank is not None}


def say(message, spared=""):
    """The message in Indonesian, which it must be throughout but for `spared`."""
    made = translate(message, "id")
    assert made != message, message
    made = made.replace(os.strerror(errno.ENAMETOOLONG), "")  # the system's words
    assert list_english(made.replace(str(spared), "NAME") if spared else made) == [], made
    return made


# The catalog


def test_every_template_has_an_indonesian_one_and_none_is_left_over():
    assert list_missing(ROOT) == []
    assert {english for english, _ in TRANSLATED} == set(list_templates(ROOT)), "`make messages` brings it up to date"
    assert len(TRANSLATED) > 1_500  # so they were read at all


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("musicml/data/io/audio.py", 'InputError("', 'InputError("Now '),
        ("musicml/experiment/environment.py", 'Message("', 'Message("Now '),
        ("dashboard/i18n/predict.toml", '= "', '= "Now '),
        ("musicml/reports/words.toml", '= "', '= "Now '),
        ("musicml/data/audit/html_report/page.html", '_("', '_("Now '),
    ],
)
def test_an_english_template_that_changed_is_named(tmp_path, file, old, new):
    text = (ROOT / file).read_text(encoding="utf-8")
    (tmp_path / file).parent.mkdir(parents=True)
    (tmp_path / file).write_text(text.replace(old, new, 1), encoding="utf-8")
    (missing,) = list_missing(tmp_path)
    assert missing.startswith(f"{file}: Now ")


def test_both_wordings_of_a_template_have_the_same_blanks_commands_and_end():
    for english, wording in TRANSLATED:
        assert list_blanks(english) == list_blanks(wording), english
        assert re.findall("`.*?`", english) == re.findall("`.*?`", wording), english
        assert all(english.endswith(end) == wording.endswith(end) for end in (".", ":", " ", "`", "?")), english


def test_no_indonesian_wording_has_english_left_in_it():
    assert [(wording, words) for _, wording in TRANSLATED if (words := list_english(wording))] == []


# The code


def test_templates_are_constants():
    """A template that is put together as the program runs can't be found by `make messages`."""
    found = []
    for path in [*ROOT.glob("musicml/**/*.py"), *ROOT.glob("dashboard/**/*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            is_call = isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in KEYWORDS
            if is_call and node.args and isinstance(node.args[0], ast.JoinedStr | ast.BinOp):
                found.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert found == []


# Messages


def test_a_message_is_text_and_keeps_its_template_and_values():
    reason = Message("{n} bytes", n=0)
    message = Message("{name!r} is no sound ({reason}).", name="a", reason=reason)
    assert message == "'a' is no sound (0 bytes)." and message.values == {"name": "a", "reason": reason}
    for other in (pickle.loads(pickle.dumps(message)), copy.deepcopy(message), Message(message)):
        assert (other, other.template, other.values) == (message, message.template, message.values)
        assert other.values["reason"].template == "{n} bytes"
    assert message.replace_value("a", "b") == "'b' is no sound (0 bytes)."
    assert Message("braces {stay}") == "braces {stay}" == translate(Message("braces {stay}"), "id")
    assert (pluralize("{n} file", "{n} files", n=1), pluralize("{n} file", "{n} files", n=0)) == ("1 file", "0 files")


def test_an_error_carries_its_message_into_another_process_and_another_error():
    error = pickle.loads(pickle.dumps(InputError("{file} is empty.", file="a.wav")))
    assert str(error) == "a.wav is empty." == get_message(error) and error.message.template == "{file} is empty."
    outer = Message("not read: {error}", error=error)
    assert outer == "not read: a.wav is empty." and outer.values["error"].template == "{file} is empty."
    assert get_message(ValueError("one\ntwo")) == "one" and get_message(KeyError()) == "KeyError()"


def test_a_number_is_written_as_the_language_writes_it():
    known = "{free:.1f} GB free"
    assert translate(Message(known, free=1234.5), "id") == "tersisa 1234,5 GB"
    assert translate(Message(known, free=1234.5), "en") == "1234.5 GB free"
    assert translate(join_messages(["1.0", Message(known, free=0.5)]), "id") == "1.0, tersisa 0,5 GB"


def test_what_is_no_message_or_not_known_stays_as_it_is():
    unknown = Message("Nobody wrote this."), Message("{a} b", a=1.5)
    for text in ("", "{blank}", "Song in C.wav", "looks like text", *unknown):
        assert translate(text, "id") == text
    name = "looks like text"  # nobody's file is renamed because its name is a sentence of ours
    template = "Expected sound in {name}, but the file is empty (0 bytes). Copy or download it again."
    error = InputError(template, name=name)
    assert translate(error.message, "id").startswith(f"{name} seharusnya")


# Messages in files


def test_json_keeps_messages_beside_the_text_and_files_without_them_are_read(tmp_path):
    path = tmp_path / "a.json"
    error = InputError("{free:.1f} GB free", free=0.5)
    write_json(path, {"warnings": [Message("as it is"), error.message], "nested": {"reason": error.message}, "n": 1})
    assert json.loads(path.read_text())["warnings"] == ["as it is", "0.5 GB free"]
    found = read_json(path)
    assert found["n"] == 1 and found["nested"]["reason"].values == {"free": 0.5} and "messages" not in found
    assert translate(found["warnings"][1], "id") == "tersisa 0,5 GB"
    path.write_text('{"warnings": ["0.5 GB free"]}')
    assert translate(read_json(path)["warnings"][0], "id") == "0.5 GB free"


def test_a_table_keeps_the_messages_of_its_cells(tmp_path):
    path = tmp_path / "a.csv"
    write_csv(path, [{"file": "a", "reason": Message("{free:.1f} GB free", free=2)}, {"file": "b"}], ["file", "reason"])
    first, second = read_csv(path)
    assert translate(first["reason"], "id") == "tersisa 2,0 GB" and second == {"file": "b", "reason": ""}
    write_csv(path, [{"file": "a", "reason": "old"}], ["file", "reason"])
    assert path.read_text() == "file,reason\na,old\n" and read_csv(path) == [{"file": "a", "reason": "old"}]
    path.write_text("file,reason,messages\na,b,{\n")
    assert read_csv(path) == [{"file": "a", "reason": "b"}]


@pytest.mark.parametrize(
    "described",
    [
        None,
        [],
        {"template": 3, "values": {}},
        {"template": "{free:.1f} GB free", "values": {"free": "much"}},
        {"template": "{free:.1f} GB free", "values": {"free": [1]}},
        {"template": "{free:.1f} GB free", "values": {}},
        {"template": "{x:9999999999}", "values": {"x": 1}},
        {"template": "{part0:9999999999}", "values": {"part0": 1}},
        {"template": "{part0.__class__}", "values": {"part0": "a"}},
        {"template": "{part0}" * 100_000, "values": {"part0": "a" * 100_000}},
    ],
)
def test_what_a_stranger_wrote_about_a_message_is_never_formatted(tmp_path, described):
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"warning": "text", "messages": {"text": described}}))
    assert translate(read_json(path)["warning"], "id") == "text"


# What can't be read off the code


@pytest.mark.parametrize("name", FILES)
def test_what_is_said_of_a_hostile_file_can_be_said_in_indonesian(name, tmp_path):
    case = FILES[name]
    path, settings = case.write(tmp_path), QUICK if case.kind == "sound" else audio_features.Pixels()
    try:
        _, warnings = audio_features.compute_features(path, settings)
    except InputError as error:
        assert make_printable(str(path)) in say(error.message, make_printable(str(path)))
    else:
        for warning in warnings:
            say(warning)


def test_whatever_a_file_looks_like_can_be_said_in_indonesian():
    for place, mark, _ in file_types.SIGNATURES + file_types.IMAGE_SIGNATURES + file_types.OTHERS:
        head = b"BM" if mark == bytes(4) else b""
        seen = file_types.describe_unknown(head.ljust(place, b"\1") + mark)
        assert "known" not in seen and say(seen).startswith("merupakan ")


def test_every_rule_of_an_option_can_be_said_in_indonesian():
    families = [registry.get_family(name).Options for name in registry.FAMILY_NAMES]
    options = (config.DataOptions, config.ClipOptions, config.TrainingOptions, config.PublishedOptions)
    for cls in (*options, *audio_features.FEATURE_KINDS.values(), *families):
        hints = typing.get_type_hints(cls)
        for field in dataclasses.fields(cls):
            say(schema._describe_rule(hints[field.name], field))
    for least, most in ((None, None), (1, None), (1, 2)):
        for hint in (int, float, tuple[int, ...], tuple[float, ...]):
            say(schema._describe_rule(hint, dataclasses.field(metadata={"least": least, "most": most})))


def test_the_cure_inside_a_sentence_is_said_too(tmp_path):
    with pytest.raises(InputError) as missing:
        run.Run(tmp_path / "lost").read("run.json")
    assert "selesaikan run itu dengan `musicml train --resume" in say(missing.value.message, tmp_path)
    with pytest.raises(InputError) as unknown:
        config.parse_experiment("x", "[dada]\n")
    assert "maksud Anda 'data'? Nama yang dikenal: augment, clips, data" in say(unknown.value.message)
    with pytest.raises(InputError) as wrong:
        config.read_experiment(ROOT / "experiments/genre_gru.toml", {"training.epochs": 0})
    assert "harus berupa bilangan bulat dari 1 sampai 10000" in say(wrong.value.message)


def test_what_doctor_finds_can_be_said_in_indonesian(tmp_path):
    for finding in environment.check_environment(tmp_path / "data", tmp_path / "runs"):
        made = translate(finding.words, "id").replace(str(tmp_path), "")
        assert finding.what == "GPU" or list_english(made) == [], made  # a card's name is its maker's
    whats = {translate(finding.what, "id") for finding in environment.check_environment(tmp_path, tmp_path)}
    assert {"suara", "disk", "run"} <= whats
