"""Answers: what runs say of the files that one session shows, asked once and forgotten with the file."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import streamlit as st

from dashboard.app_pages.predict import files, predictors, saliency
from dashboard.app_pages.predict.files import Asked
from dashboard.runs import Entry
from musicml.inference import Prediction
from musicml.utils import InputError

ANSWERS = "asking-answers"  # where a session keeps them
MISHAP = "fault"  # what stands for an answer where we failed, not the file

Answer = Prediction | str  # an answer, or the sentence that says why there is none


def answers(
    chosen: Sequence[Entry], asked: Sequence[Asked], step: Callable[[float, Asked], None]
) -> dict[tuple, Answer]:
    """What runs answer for files; asked are only those that this session does not know yet, and no others are kept.

    Parameters
    ----------
    step : called before each question with the share that is answered, and its file

    Returns
    -------
    (the run's name, the file's key) → its answer
    """
    known = st.session_state.setdefault(ANSWERS, {})
    wanted = {(one.name, predictors.stamp(one), file.key): (one, file) for one in chosen for file in asked}
    forget(known, wanted)
    for key in [key for key in st.session_state.get(saliency.LOOKS, ()) if key[:3] not in wanted]:
        del st.session_state[saliency.LOOKS][key]
    missing = [key for key in wanted if key not in known]
    for number, key in enumerate(missing):
        one, file = wanted[key]
        step(number / len(missing), file)
        known[key] = answer(one, file)
    return {(name, file): known[name, changed, file] for name, changed, file in wanted}


def forget(known: dict, wanted: Iterable) -> None:
    """Drop whatever is not wanted any more."""
    wanted = set(wanted)
    for key in [key for key in known if key not in wanted]:
        del known[key]


def answer(one: Entry, file: Asked) -> Answer:
    """What a run answers for a file; where it can't, why, so that a bad file never stops the others."""
    try:
        return predictors.predictor(one).predict(file.content(), name=file.name)
    except InputError as error:
        return str(error)
    except Exception:
        traceback.print_exc(file=sys.stderr)
        return MISHAP


def as_rows(
    chosen: Sequence[Entry], asked: Sequence[Asked], found: Mapping[tuple, Answer], told: Callable[[str], str]
) -> list[dict[str, Any]]:
    """A row for each file and run, in the columns of `musicml predict --csv` and a few more.

    Parameters
    ----------
    told : puts a sentence of the package into the reader's language
    """
    names = dict.fromkeys(name for one in chosen for name in predictors.served(one).class_names)
    rows = []
    for file in asked:
        for one in chosen:
            given = found[one.name, file.key]
            row = {"file": file.title, "run": one.name, "label": None, "present": None, "probability": None}
            row |= {f"score:{name}": None for name in names}
            row |= {"unlike_training": None, "warnings": "", "error": "", "sample": one.sample}
            rows.append(row | ({"error": told(given)} if isinstance(given, str) else answered(given, told)))
    return rows


def answered(given: Prediction, told: Callable[[str], str]) -> dict[str, Any]:
    """An answer's part of a row."""
    return {
        "label": given.label,
        "present": "|".join(given.present),
        "probability": round(given.probability, 6),
        **{f"score:{name}": value for name, value in given.named(given.scores).items()},
        "unlike_training": given.is_unlike_training,
        "warnings": " ".join(told(warning) for warning in given.warnings),
    }


def let_go() -> None:
    """Keep nothing of any file."""
    for kept_of in (ANSWERS, saliency.LOOKS, files.SHOWN):
        st.session_state.pop(kept_of, None)
