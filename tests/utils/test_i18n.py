import ast
import dataclasses
import importlib
import itertools
import re
import string
import tomllib
import typing
from pathlib import Path

import pytest

import musicml
from musicml.data.datasets.base import Dataset, Example
from musicml.data.io import file_types
from musicml.data.splits import splitting
from musicml.experiment import config, environment, run
from musicml.features import audio_features
from musicml.models import registry
from musicml.utils import i18n, schema
from musicml.utils.errors import InputError, make_printable
from musicml.utils.i18n import translate
from tests.fixtures.malformed_files import FILES

PACKAGE = Path(musicml.__file__).parent
# of these only what they refuse: a terminal, an exported folder, the names of figures, and prose on published ones
OWN_WORDS = {
    "utils/terminal.py",
    "inference/export/check.py",
    "inference/export/frontend_readme.py",
    "data/published_results.py",
    "evaluation/metrics.py",
}
OWN_FOLDERS = {"reports"}  # whose words, in both languages, are in files of their own; the rest is markup
FILES_OF_TOML = sorted((i18n.HOME / "id").glob("*.toml"))
TEMPLATES = [pair for file in FILES_OF_TOML for pair in tomllib.loads(file.read_text(encoding="utf-8")).items()]
ENGLISH = (
    r"(?<![\w./=-])(a|an|and|are|as|be|but|by|can't|did|each|every|for|from|has|have|holds?|in|is|it|its|least|must|name|"
    r"none|not|of|on|one|only|or|that|the|there|this|to|try|was|were|which|with|without)(?![\w/=-])"
)
QUICK = audio_features.LogMel(sample_rate=4_000, hop_length=2_048, n_mels=8)
MARK = 9000  # figures stand for what fills the blanks, since a figure can be anything

# Calls whose words are no sentence for anyone, and sentences that are asked about whole by the tests further down
SILENT = {
    *("AttributeError", "RuntimeError", "find", "find_path", "print", "tqdm", "re.compile", "re.sub"),
    "np.random.default_rng",
}
NO_SENTENCE = (
    r"(an?|the) \w+ (archive|document|picture|video)|is 90\d\d|"  # test_whatever_a_file_looks_like_…
    r"a list of (90\d\d)?|one of |(90\d\d|a list of 90\d\d) (of at least|from) .*|"  # test_every_rule_of_an_option_…
    r"Grad-CAM \(LayerCAM\)|train: 90\d\d|artist 90\d\d|unread: 90\d\d|epoch [0-9/]+|"
    r"musicnn==.*|# `musicml fetch musicnn`|"  # a requirement, and a run's file in place of an experiment
    r"soundfile 90\d\d, PyAV 90\d\d|90\d\d \(90\d\d (90\d\d|files|pieces)\)"  # names
)


def modules():
    """Place, path and dotted name of every module whose words a page can show: not the command line, no generators."""
    for path in sorted(PACKAGE.rglob("*.py")):
        place = path.relative_to(PACKAGE)
        generator = "synthetic" in place.parts and place.name != "generate.py"
        if place.parts[0] != "cli" and not generator:
            dotted = ".".join(["musicml", *place.with_suffix("").parts]).removesuffix(".__init__")
            yield place.as_posix(), path, dotted


class Reader(ast.NodeVisitor):
    """Collects the sentences that a module makes, blanks filled with figures, or with our own words where it has some.

    A string that is put into another one in the same function is read there; an upper-case name is looked up.
    """

    def __init__(self, dotted):
        self.dotted, self.marks, self.made = dotted, {}, []
        self.local, self.shown = {}, set()  # name → the one string assigned to it; the names that strings show

    def visit_FunctionDef(self, node):
        before = self.local, self.shown
        assigned = [
            (part.targets[0].id, part.value)
            for part in ast.walk(node)
            if isinstance(part, ast.Assign) and isinstance(part.targets[0], ast.Name)
        ]
        names = [name for name, _ in assigned]
        self.local = {name: value for name, value in assigned if names.count(name) == 1 and is_text(value)}
        blanks = [part.value for part in ast.walk(node) if isinstance(part, ast.FormattedValue)]
        for part in ast.walk(node):
            if isinstance(part, ast.Call) and ast.unparse(part.func) == "InputError":
                blanks += [word.value for word in part.keywords]
        self.shown = {blank.id for blank in blanks if isinstance(blank, ast.Name)}
        super().generic_visit(node)
        self.local, self.shown = before

    def visit_Assign(self, node):
        name = node.targets[0].id if isinstance(node.targets[0], ast.Name) else ""
        if not (name in self.local and name in self.shown):
            self.visit(node.value)

    def visit_AugAssign(self, node):  # a part of a sentence
        return None if is_text(node.value) else self.generic_visit(node)

    def visit_Expr(self, node):  # a docstring
        return None if isinstance(node.value, ast.Constant) else self.generic_visit(node)

    def visit_Call(self, node):
        if ast.unparse(node.func) == "InputError" and node.keywords and isinstance(node.args[0], ast.Constant):
            self.visit(as_f_string(node))
        elif ast.unparse(node.func) not in SILENT:
            self.generic_visit(node)

    def generic_visit(self, node):
        if is_text(node):
            self.made += [(node.lineno, example) for example in self.examples(node)]
        else:
            super().generic_visit(node)

    visit_JoinedStr = visit_Constant = visit_BinOp = visit_IfExp = generic_visit

    def examples(self, node):
        """All forms of a string."""
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            return [node.value]
        if isinstance(node, ast.JoinedStr):
            return ["".join(parts) for parts in itertools.product(*map(self.examples, node.values))]
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            return ["".join(parts) for parts in itertools.product(self.examples(node.left), self.examples(node.right))]
        if isinstance(node, ast.IfExp):
            return self.examples(node.body) + self.examples(node.orelse)
        if isinstance(node, ast.FormattedValue):
            return self.filled(node)
        return [self.marks.setdefault(ast.unparse(node), str(MARK + len(self.marks)))]

    def filled(self, node):
        """What stands in a blank: our own words, a constant, or a figure."""
        value = node.value
        if isinstance(value, ast.Name) and value.id in self.local:
            return self.examples(self.local[value.id])
        if is_text(value):
            return self.examples(value)
        names = [part.id for part in ast.walk(value) if isinstance(part, ast.Name)]
        if names and all(name.isupper() for name in names):
            made = ast.Expression(ast.JoinedStr([node]))
            return [
                eval(compile(ast.fix_missing_locations(made), "", "eval"), vars(importlib.import_module(self.dotted)))
            ]
        return self.examples(value)


def as_f_string(call):
    """`InputError("{a} is wrong", a=b)` as `f"{b} is wrong"`."""
    values = {word.arg: word.value for word in call.keywords}
    parts = []
    for literal, blank, spec, conversion in string.Formatter().parse(call.args[0].value):
        parts += [ast.Constant(literal)] if literal else []
        if blank is not None:
            shape = ast.JoinedStr([ast.Constant(spec)]) if spec else None
            parts.append(ast.FormattedValue(values[blank], ord(conversion) if conversion else -1, shape))
    return ast.copy_location(ast.JoinedStr(parts), call.args[0])


def is_text(node):
    """Whether an expression is a string that its own module writes."""
    if isinstance(node, ast.Constant):
        return isinstance(node.value, str)
    if isinstance(node, ast.IfExp):
        return is_text(node.body) or is_text(node.orelse)
    if isinstance(node, ast.BinOp):
        return isinstance(node.op, ast.Add) and (is_text(node.left) or is_text(node.right))
    return isinstance(node, ast.JoinedStr)


def is_sentence(example):
    """Whether a string is words for a person, and not a key or a part of a sentence."""
    words = re.sub(r"90\d\d", "", example)
    return " " in example.strip() and re.search(r"[a-z]{2}", words) and not re.fullmatch(NO_SENTENCE, example)


def refusals(tree):
    """The lines on which a refusal's sentence begins."""
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func) == "InputError"]
    return {node.args[0].lineno for node in calls if is_text(node.args[0])}


def has_own_words(place):
    """Whether only what a module refuses is a sentence for the catalogue."""
    return place in OWN_WORDS or place.split("/")[0] in OWN_FOLDERS


@pytest.fixture(scope="module")
def sentences():
    """(module, line, sentence) of the whole package."""
    found = []
    for place, path, dotted in modules():
        tree, reader = ast.parse(path.read_text(encoding="utf-8")), Reader(dotted)
        reader.visit(tree)
        lines = refusals(tree)
        assert lines <= {line for line, _ in reader.made}, place
        found += [(place, *made) for made in reader.made if not has_own_words(place) or made[0] in lines]
    return [made for made in found if is_sentence(made[2])]


def english_in(sentence):
    """The English function words outside of commands, quotation marks and names."""
    return [found[1] for found in re.finditer(ENGLISH, re.sub(r"`.*?`|'.*?'|\".*?\"|{.*?}", "", sentence))]


def say(sentence, spared=""):
    """The sentence in Indonesian, which it must be throughout but for `spared`."""
    made = translate(sentence, "id")
    assert made != sentence, sentence
    assert english_in(made.replace(str(spared), "NAME") if spared else made) == [], made
    return made


def test_every_refusal_and_remark_of_the_package_can_be_said_in_indonesian(sentences):
    missing = []
    for place, line, example in sentences:
        made = translate(example, "id")
        lost = [mark for mark in re.findall(r"90\d\d", example) if mark not in made]
        if made == example or lost or english_in(made):
            missing.append(f"{place}:{line} {example!r} → {made!r}")
    assert missing == [], "\n".join(missing)
    assert len(sentences) > 200  # so they were read at all


def blanks(template):
    return [blank for _, blank, _, _ in string.Formatter().parse(template) if blank is not None]


def test_both_wordings_of_a_template_have_the_same_blanks_commands_and_end():
    for english, wording in TEMPLATES:
        assert set(blanks(english)) == set(blanks(wording)), english
        assert re.findall("`.*?`", english) == re.findall("`.*?`", wording), english
        assert all(english.endswith(end) == wording.endswith(end) for end in (".", ":", " ", "`")), english
    assert len({english for english, _ in TEMPLATES}) == len(TEMPLATES)


def test_each_template_is_taken_for_its_own_sentence_and_none_for_anothers():
    for english, wording in TEMPLATES:
        values = {blank: str(MARK + place) for place, blank in enumerate(blanks(english))}
        assert translate(english.format(**values), "id") == wording.format(**values)


def test_what_is_not_known_and_what_is_to_be_english_stays_as_it_is():
    for words in ("", "{blank}", "Song in C.wav", "It was a rainy day: nobody came and the band is late.", "12.5 in a"):
        assert translate(words, "id") == words
    assert translate("looks like text", "en") == "looks like text"


def test_a_name_stays_as_it_is_even_where_it_is_a_sentence_of_ours():
    for name in ("sound", "looks like text", "a {blank}", "x must hold sound, and y: give z", "two\nlines", "'"):
        made = translate(f"{name} must hold sound, and holds 0 bytes: copy or download it again.", "id")
        assert made == f"{name} harus berisi suara, tetapi berisi 0 byte: salin atau unduh lagi."
    assert say("this upload must hold sound, and holds 0 bytes: copy or download it again.").startswith("unggahan ini ")


@pytest.mark.parametrize("name", FILES)
def test_what_is_said_of_a_hostile_file_can_be_said_in_indonesian(name, tmp_path):
    case = FILES[name]
    path, settings = case.write(tmp_path), QUICK if case.kind == "sound" else audio_features.Pixels()
    try:
        _, warnings = audio_features.compute_features(path, settings)
    except InputError as error:
        assert make_printable(str(path)) in say(str(error), make_printable(str(path)))
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
    for cls in (
        config.DataOptions,
        config.ClipOptions,
        config.TrainingOptions,
        config.PublishedOptions,
        *audio_features.FEATURE_KINDS.values(),
        *families,
    ):
        hints = typing.get_type_hints(cls)
        for field in dataclasses.fields(cls):
            say(schema.describe_rule(hints[field.name], field))
    for least, most in ((None, None), (1, None), (1, 2)):
        for hint in (int, float, tuple[int, ...], tuple[float, ...]):
            say(schema.describe_rule(hint, dataclasses.field(metadata={"least": least, "most": most})))


def test_the_cure_inside_a_sentence_is_said_too(tmp_path):
    with pytest.raises(InputError) as missing:
        run.Run(tmp_path / "lost").read("run.json")
    assert "selesaikan run itu dengan `musicml train --resume" in say(str(missing.value), tmp_path)
    with pytest.raises(InputError) as unknown:
        config.parse_experiment("x", "[dada]\n")
    assert "maksud Anda 'data'? yang dikenal di sini: augment, clips, data" in say(str(unknown.value))
    with pytest.raises(InputError) as wrong:
        config.read_experiment(PACKAGE.parent / "experiments/genre_gru.toml", {"training.epochs": 0})
    assert "harus berupa bilangan bulat dari 1 sampai 10000" in say(str(wrong.value))


def test_what_a_command_says_of_a_runs_files_can_be_said_in_indonesian():
    changed = "run r must go on with the 3 files it began with, and /d has changed since: train again, or name the "
    said = say(f"{changed}folder that holds them. Files that differ: 1; the first, a.wav: it is now b.wav.", "a.wav")
    assert said.endswith("sekarang menjadi b.wav.")
    data = (
        "run r must go on with the data it began with, and /d has changed since: train again (its files are the same, "
    )
    assert "berkasnya sama" in say(f"{data}but not their classes, groups or splits).")
    say("run r has no digests.csv: whether it learned from any of these files can't be told")
    for module in ("evaluate", "runs", "train"):
        reader = Reader(f"musicml.cli.{module}")
        tree = ast.parse((PACKAGE / "cli" / f"{module}.py").read_text(encoding="utf-8"))
        reader.visit(tree)
        for line, sentence in reader.made:
            if line in refusals(tree):
                say(sentence)


@pytest.mark.parametrize("sides", ["train val", "train test", "train val test", ""])
def test_every_statement_of_a_split_can_be_said_in_indonesian(sides):
    places = sides.split() or [""]
    examples = [
        Example(f"{name}/{k}", Path("nowhere"), {name: True}, f"{name}{k}", places[k % len(places)])
        for name in ("low", "high")
        for k in range(12)
    ]
    dataset = Dataset("tones", "sound", "single", "class", ("high", "low"), tuple(examples))
    say(splitting.make_split(dataset, "official", 0.2, 0.2, 0)[1].statement)


def test_what_doctor_finds_can_be_said_in_indonesian(tmp_path):
    for finding in environment.check_environment(tmp_path / "data", tmp_path / "runs"):
        made = translate(finding.words, "id").replace(str(tmp_path), "")
        assert finding.what == "GPU" or english_in(made) == [], made  # a card's name is its maker's
    assert [translate(what, "id") for what in ("sound", "disk", "runs")] == ["suara", "disk", "run"]
