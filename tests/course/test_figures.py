"""Each figure for slides is drawn in both languages, and all of it lies on the slide."""

import xml.etree.ElementTree as ET

import pytest

pytest.importorskip("matplotlib")

from lessons import figures

SVG = "{http://www.w3.org/2000/svg}svg"
EACH = pytest.mark.parametrize("slide", figures.SLIDES, ids=lambda slide: slide.name)


def list_texts(figure):
    from matplotlib.text import Text

    return [text.get_text() for text in figure.findobj(Text) if text.get_text()]


def test_there_are_figures_for_all_lessons_with_different_names():
    assert len(figures.SLIDES) >= 10
    assert {slide.lesson for slide in figures.SLIDES} == set(range(1, 9))
    assert len({slide.name for slide in figures.SLIDES}) == len(figures.SLIDES)


@EACH
def test_a_figure_is_drawn_in_both_languages_and_lies_on_its_slide(slide):
    drawn = {language: figures.make_figure(slide, language) for language in figures.LANGUAGES}
    width, height = figures.SIZE
    for figure in drawn.values():
        figure.draw_without_rendering()
        box = figure.get_tightbbox()
        assert box.x0 >= 0 and box.y0 >= 0 and box.x1 <= width and box.y1 <= height
    english, indonesian = (list_texts(figure) for figure in drawn.values())
    assert english != indonesian and len(english) == len(indonesian)


@EACH
def test_the_title_and_the_caption_stand_in_both_languages(slide):
    assert slide.caption[0] != slide.caption[1]
    assert all(len(texts) == 2 and all(texts) and '"' not in "".join(texts) for texts in (slide.title, slide.caption))
    for language in figures.LANGUAGES:
        page = figures.write_captions(language)
        assert figures.Words(language)(*slide.caption) in page and f"figures/{slide.name}.svg" in page


def test_the_files_are_svg_and_equal_in_every_build(tmp_path, monkeypatch):
    monkeypatch.setattr(figures, "SLIDES", figures.SLIDES[1:2])  # all figures are saved in the same way
    paths = figures.write_figures(tmp_path / "first")
    assert [path.parent.name for path in paths] == list(figures.LANGUAGES)
    for path in paths:
        assert ET.parse(path).getroot().tag == SVG
    again = figures.write_figures(tmp_path / "second")
    assert [path.read_bytes() for path in again] == [path.read_bytes() for path in paths]


def test_numbers_are_written_as_each_language_does():
    english, indonesian = map(figures.Words, figures.LANGUAGES)
    assert english.number(1234.5) == "1,234.5" and indonesian.number(1234.5) == "1.234,5"
    assert english.number(-0.25, ".2f") == "−0.25" and indonesian.number(-0.25, ".2f") == "−0,25"
