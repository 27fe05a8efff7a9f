"""The question bank is complete in both languages, and its answers reach the teacher's build only."""

import re
from collections import Counter
from pathlib import Path

import pytest

from lessons import question_bank

QUESTIONS = question_bank.read_questions()
ROOT = Path(__file__).parents[2]


def list_sentences(text):
    return [line.strip() for line in text.splitlines() if len(line.strip()) > 20]


def list_numbers(text):
    """List the digits of each number, since the decimal sign differs."""
    return {re.sub("[.,]", "", number) for number in re.findall(r"\d[\d.,]*", text)}


def test_each_of_eight_lessons_has_five_questions_of_several_kinds():
    assert [question.number for question in QUESTIONS] == [f"{n}.{k}" for n in range(1, 9) for k in range(1, 6)]
    assert list(question_bank.read_titles()) == [str(n) for n in range(1, 9)]
    for number in range(1, 9):
        kinds = {question.kind for question in QUESTIONS if question.number.startswith(f"{number}.")}
        assert len(kinds) >= 3
    assert min(Counter(question.kind for question in QUESTIONS).values()) >= 5


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.number)
def test_a_question_and_its_answer_stand_in_both_languages(question):
    for texts in (question.text, question.answer):
        assert set(texts) == set(question_bank.LANGUAGES) and texts["en"] != texts["id"]
        assert all(texts.values())
    assert all(len(list_sentences(answer)) >= 2 for answer in question.answer.values())


def test_both_languages_have_the_same_numbers():
    """A number that was corrected in one language only is found."""
    for question in QUESTIONS:
        for texts in (question.text, question.answer):
            english, indonesian = (list_numbers(texts[name]) for name in ("en", "id"))
            assert english == indonesian, question.number


@pytest.mark.parametrize("language", question_bank.LANGUAGES)
def test_the_page_of_the_site_has_all_questions_and_no_answer(language):
    page = question_bank.write_questions(language)
    for question in QUESTIONS:
        assert f"**{question.number}**" in page and question.text[language] in page
        assert not [line for line in list_sentences(question.answer[language]) if line in page]
    assert question_bank.WORDS["answer"][question_bank.LANGUAGES.index(language)] + "." not in page


def test_no_page_or_notebook_for_students_has_an_answer():
    pages = [*(ROOT / "docs").rglob("*.md"), *(ROOT / "docs").rglob("*.po"), *(ROOT / "lessons").glob("??/*.ipynb")]
    text = "\n".join(page.read_text(encoding="utf-8") for page in pages)
    lines = [line for question in QUESTIONS for answer in question.answer.values() for line in list_sentences(answer)]
    assert pages and not [line for line in lines if line in text]
    assert "(`make docs` writes this part: questions)" in (ROOT / "docs/teaching/questions.md").read_text("utf-8")


def test_the_teachers_build_has_the_answers_and_the_students_build_has_no_questions(tmp_path, monkeypatch):
    build = pytest.importorskip("lessons.build", reason="jupytext comes with make lessons", exc_type=ImportError)
    monkeypatch.setattr(build, "list_sources", lambda: [])
    build.write_notebooks(tmp_path / "students")
    assert not list((tmp_path / "students").rglob("*.md"))
    build.write_notebooks(tmp_path / "teacher", with_solutions=True)
    for language in question_bank.LANGUAGES:
        text = (tmp_path / "teacher" / language / "questions.md").read_text(encoding="utf-8")
        assert all(question.answer[language] in text for question in QUESTIONS)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("## 1.1 guess\n\n::: en\na\n:::\n::: id\nb\n:::\n### answer\n", "needs a kind"),
        ("## 1.1 compute\n\n::: en\na\n:::\n::: id\nb\n:::\n", "one `### answer`"),
        ("## 1.1 compute\n\n::: en\na\n:::\n### answer\n::: en\na\n:::\n::: id\nb\n:::\n", "one block `::: en`"),
        ("## 1.1 compute\n\nwords\n::: en\na\n:::\n::: id\nb\n:::\n### answer\n", "no text outside"),
    ],
)
def test_a_question_that_is_not_complete_is_named(text, words, tmp_path):
    (tmp_path / "questions.md").write_text(f"# 1\n\n{text}")
    with pytest.raises(ValueError, match=words):
        question_bank.read_questions(tmp_path / "questions.md")
