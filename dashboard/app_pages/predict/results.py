"""Keep the predictions of the files that a session shows; each is computed once and dropped with its file."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import streamlit as st

from dashboard import layout, runs
from dashboard.app_pages.predict import predictors, saliency
from dashboard.app_pages.predict.files import UploadedFile
from dashboard.runs import RunView
from musicml.inference import Prediction
from musicml.utils import InputError

ANSWERS = "asking-answers"  # session key of the predictions
MISHAP = "fault"  # replaces the error message where musicml failed, not the file

Answer = Prediction | str  # a prediction, or an error message


def get_answers(
    chosen: Sequence[RunView], uploads: Sequence[UploadedFile], step: Callable[[float, UploadedFile], None]
) -> dict[tuple, Answer]:
    """Return the runs' predictions for files, by run name and file key; compute new ones and drop those of others.

    `step` is called before each prediction with the share that is done, and the file.
    """
    known = st.session_state.setdefault(ANSWERS, {})
    wanted = {(view.name, predictors.get_stamp(view), file.key): (view, file) for view in chosen for file in uploads}
    for cache in (known, st.session_state.get(saliency.EXPLANATIONS, {})):
        for key in [key for key in cache if key[:3] not in wanted]:
            del cache[key]
    missing = [key for key in wanted if key not in known]  # each file is predicted once, not at every rerun of the page
    for number, key in enumerate(missing):
        view, file = wanted[key]
        step(number / len(missing), file)
        known[key] = predict_file(view, file)
    return {(name, file): known[name, changed, file] for name, changed, file in wanted}


def predict_file(view: RunView, file: UploadedFile) -> Answer:
    """Return a run's prediction for a file, or an error message, so that a bad file never stops the others."""
    try:
        return predictors.get_predictor(view).predict(file.content(), name=file.name)
    except InputError as error:
        return error.message
    except Exception:
        traceback.print_exc(file=sys.stderr)
        return MISHAP


def translate_answer(sentence: str) -> str:
    """Translate an error message or a warning."""
    return layout.get_words("predict")("fault") if sentence == MISHAP else layout.translate_message(sentence)


def make_rows(
    chosen: Sequence[RunView], uploads: Sequence[UploadedFile], found: Mapping[tuple, Answer]
) -> list[dict[str, Any]]:
    """Return a row for each file and run, in the columns of `musicml predict --csv` and a few more."""
    names = dict.fromkeys(name for view in chosen for name in runs.get_manifest(view).class_names)
    rows = []
    for file in uploads:
        for view in chosen:
            answer = found[view.name, file.key]
            row: dict[str, Any] = {"file": file.title, "run": view.name}
            row |= {"label": None, "present": None, "probability": None}
            row |= {f"score:{name}": None for name in names}
            row |= {"unlike_training": None, "warnings": "", "error": "", "sample": view.sample}
            if isinstance(answer, str):
                row |= {"error": translate_answer(answer)}
            else:
                row |= {"label": answer.label, "present": "|".join(answer.present)}
                row |= {"probability": round(answer.probability, 6)}
                row |= {f"score:{name}": value for name, value in answer.name_scores(answer.scores).items()}
                row |= {"unlike_training": answer.is_unlike_training if answer.unlike else None}
                row |= {"warnings": " ".join(map(translate_answer, answer.warnings))}
            rows.append(row)
    return rows
