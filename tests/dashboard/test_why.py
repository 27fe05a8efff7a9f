import json

import pytest

from dashboard import i18n
from musicml.data import published_results
from musicml.utils.stats import compute_wilson_interval
from tests.fixtures import pages

NAMES = ("pictures_resnet50", "gtzan_cnn", "gtzan_gru", "sounds_resnet50", "openmic_cnn")


def replay(reference, published=0.9, replayed=0.8, honest=0.4, **more):
    """Return the stored result of `musicml replay` for one publication."""
    figures = [{"value": value, "interval": [value - 0.1, value + 0.1]} for value in (replayed, honest)]
    row = {"metric": "accuracy", "published": published, "published_interval": None}
    return {
        "name": reference,
        "reference": reference,
        "sample": True,
        "rows": [{**row, "replayed": figures[0], "honest": figures[1]}],
        "sentences": ["The fault.", "The published protocol flatters by 0.400, and the two intervals do not touch."],
        "runs": {"as_published": f"runs/{reference}-1-s0", "honest": "runs/honest-1-s0"},
        "error": "",
        **more,
    }


def keep(runs, *replays, name="20260301T120000.json"):
    (runs / "replays").mkdir(parents=True, exist_ok=True)
    (runs / "replays" / name).write_text(json.dumps({"replays": replays}), encoding="utf-8")


@pytest.mark.parametrize("language", i18n.LANGUAGES)
def test_each_result_has_its_fault_a_question_and_an_answer_even_before_a_replay(language, runs):
    app, words = pages.opened("why", language), i18n.read_words(language, "why")
    said = pages.said(app)
    assert words["none_yet"] in said and [code.value for code in app.code] == ["make replay"]
    for name in NAMES:
        for part in ("claim", "fault", "question", "answer"):
            assert words[f"{part}_{name}"] in said
    places = [said.index(words[f"fault_{name}"]) for name in NAMES]
    assert places == sorted(places)


def test_the_three_figures_stand_beside_each_other(runs):
    keep(runs, replay("gtzan_gru", published=0.788))
    app = pages.opened("why")
    said = pages.said(app)
    assert "published 0.788, replicated as published 0.800 (0.700 – 0.900), honest 0.400 (0.300 – 0.500)" in said
    assert "The published protocol flatters by 0.400" in said and "gtzan\\_gru-1-s0" in said
    assert "`musicml replay openmic_cnn`" in said and "replay gtzan_gru`" not in said
    assert i18n.read_words("en", "why")["sample"] in said and i18n.read_words("en", "why")["none_yet"] not in said


def test_a_range_and_a_figure_that_is_not_defined_are_told(runs):
    keep(runs, replay("sounds_resnet50", published=[0.902, 0.908]))
    assert "published 0.905 (0.902 – 0.908)" in pages.said(pages.opened("why"))
    one = replay("openmic_cnn", published=None)
    one["rows"][0] |= {"replayed": None, "honest": {"value": None, "interval": None}}
    keep(runs, one, name="20260302T120000.json")
    assert i18n.read_words("en", "why")["no_figure"] in pages.said(pages.opened("why"))


def test_the_newer_of_two_replays_counts(runs):
    keep(runs, replay("gtzan_gru", honest=0.2))
    keep(runs, replay("gtzan_gru", honest=0.5), name="20260302T120000.json")
    said = pages.said(pages.opened("why"))
    assert "honest 0.500" in said and "honest 0.200" not in said


HALF = {"reference": "gtzan_gru", "runs": {}, "sentences": [], "rows": [{"metric": "accuracy", "replayed": 3}]}
ODD_ROW = {"metric": "a", "honest": {"value": 1, "interval": 3}}
DAMAGED = [HALF, replay("gtzan_gru", published="x"), replay("gtzan_gru", published=[0.1])]
DAMAGED += [{**replay("gtzan_gru"), "rows": [ODD_ROW]}, replay("gtzan_gru", error="the disk is full")]


@pytest.mark.parametrize(
    "content", ["{", "[]", '{"replays": 3}', '{"replays": [3]}', *(json.dumps({"replays": [one]}) for one in DAMAGED)]
)
def test_a_damaged_file_and_a_replay_that_failed_are_passed_over(content, runs):
    keep(runs)
    (runs / "replays/20260301T120000.json").write_text(content, encoding="utf-8")
    assert i18n.read_words("en", "why")["none_yet"] in pages.said(pages.opened("why"))


@pytest.mark.parametrize("language", i18n.LANGUAGES)
def test_what_the_answers_say_is_arithmetic(language):
    words, comma = i18n.read_words(language, "why"), {"en": ".", "id": ","}[language]

    def told(figure, digits):
        return f"{figure:.{digits}f}".replace(".", comma)

    assert f"{told(2 * 0.5**5, 2)}" in words["answer_pictures_resnet50"]
    assert f"{told(2 * 0.5**6, 2)}" in words["answer_pictures_resnet50"]
    assert f"{100 * compute_wilson_interval(5, 5)[0]:.0f} " in words["answer_gtzan_cnn"]
    assert told(0.6**5, 2) in words["answer_gtzan_cnn"] and round(1 / 0.6**5) == 13
    assert told(100 * 2.718281828 / (2.718281828 + 29), 1) in words["fault_pictures_resnet50"]
    low, high = compute_wilson_interval(149, 150)
    assert all(told(100 * end, 1) in words["fault_pictures_resnet50"] for end in (low, high))
    table = published_results.get_reference("gtzan_cnn").per_class
    assert (table["classical"]["support"], table["reggae"]["support"]) == (5, 6)
    for text in (words["answer_openmic_cnn"], published_results.get_reference("openmic_cnn").caveats):
        assert "94%" in text.replace(" %", "%") and "43%" in text.replace(" %", "%")
