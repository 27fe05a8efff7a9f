"""Show a run's model as a drawing, in words, and layer by layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import streamlit as st

from dashboard import layout
from dashboard.app_pages.run import formatting
from dashboard.charts import diagram
from dashboard.runs import RunView

DIAGRAM = ("layers", "alike", "parameters", "frozen", "features", "forest", "more", "votes")

say = layout.LazyText("run")


def show(one: RunView) -> None:
    """Show the model as a drawing, in words, and layer by layer."""
    if not (one.run.path / "layers.json").is_file():
        st.markdown(say("no_layers" if one.report else "no_layers_yet"))
        return
    layers = one.run.read("layers.json")
    if not diagram.is_layer_list(layers):
        layout.show_error(say("bad_layers"))
        return
    if diagram.is_forest(layers):
        _show_forest(one, layers)
    else:
        _show_network(one, layers)


def _get_templates() -> dict[str, str]:
    """Return the texts of the drawing's boxes, with blanks to fill."""
    return {key: say(f"box_{key}") for key in DIAGRAM}


def _show_network(one: RunView, layers: Sequence[Mapping[str, Any]]) -> None:
    """Show a network from its input to its output."""
    boxes = diagram.fold_layers(
        layers, bool(one.settings("model").get("frozen")) or one.info.family == "pretrained_audio"
    )
    total = sum(box.parameters for box in boxes)
    largest = max(boxes, key=lambda box: box.parameters)
    words = say(
        "network_words",
        n=len(layers),
        total=diagram.format_count(total),
        learned=diagram.format_count(sum(box.learned for box in boxes)),
        largest=largest.name,
        share=formatting.format_percent(largest.parameters / max(1, total)),
        input=boxes[0].shape,
        output=boxes[-1].shape,
    )
    st.markdown(layout.escape_markdown(words))
    st.markdown(say("how_to_read_model"))
    chain = say("chain", boxes=layout.format_list((f"{box.name} ({box.shape})" for box in boxes), 40))
    st.graphviz_chart(diagram.draw_layers(boxes, _get_templates(), layout.is_dark()), alt=f"{words} {chain}")
    _make_box_rows(boxes)
    if st.toggle(say("every_layer", n=len(layers)), key="run-layers"):
        layout.show_table([_make_layer_row(layer) for layer in layers], "run-layers-table")


def _make_box_rows(boxes: Sequence[diagram.Box]) -> None:
    """Return the drawing as a table."""
    rows = [
        {
            say("block"): box.name,
            say("count_layers"): len(box.layers),
            say("kinds"): ", ".join(box.kinds),
            say("shape"): box.shape,
            say("parameters"): box.parameters,
            say("trained"): say("no") if box.frozen else say("yes") if box.parameters else None,
        }
        for box in boxes
    ]
    with st.expander(say("as_table"), icon=":material/table:"):
        layout.show_table(rows, "run-boxes")


def _make_layer_row(layer: Mapping[str, Any]) -> dict[str, Any]:
    """Return one layer as a row."""
    return {
        say("layer"): layer["name"],
        say("kind"): layer.get("kind"),
        say("shape"): diagram.format_shape(layer.get("output_shape")),
        say("parameters"): layer.get("parameters"),
        say("reads"): ", ".join(dict.fromkeys(layer.get("reads") or [])),
    }


def _show_forest(one: RunView, layers: Sequence[Mapping[str, Any]]) -> None:
    """Show one forest per class."""
    names = one.run.read("labels.json")
    n_features = max((len(layer.get("leans_on") or []) for layer in layers), default=0)
    nodes = sum(int(layer.get("parameters") or 0) for layer in layers)
    trees = int(layers[0]["trees"])
    words = say("forest_words", n=len(layers), trees=trees, features=n_features, nodes=diagram.format_count(nodes))
    st.markdown(layout.escape_markdown(words))
    st.graphviz_chart(
        diagram.draw_forest(n_features, len(layers), trees, _get_templates(), layout.is_dark()), alt=words
    )
    st.markdown(say("leans_words"))
    rows = [
        {
            say("class"): names[k] if isinstance(names, list) and k < len(names) else layer["name"],
            say("trees"): layer["trees"],
            say("nodes"): layer.get("parameters"),
            say("leans_on"): _format_top_features(layer.get("leans_on") or []),
        }
        for k, layer in enumerate(layers)
    ]
    layout.show_table(rows, "run-forests")


def _format_top_features(shares: Sequence[float], most: int = 3) -> str:
    """Format a forest's most important features, numbered from 1."""
    best = np.argsort(-np.asarray(shares, dtype=float), kind="stable")[:most]
    return ", ".join(say("feature_share", k=k + 1, percent=formatting.format_percent(shares[k])) for k in best)
