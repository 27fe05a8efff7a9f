"""Check the accessibility of a page with axe-core: https://github.com/dequelabs/axe-core."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent.parent
AXE = Path(os.environ.get("MUSICML_AXE") or ROOT / ".venv/axe/node_modules/axe-core/axe.min.js")
# findings in Streamlit's own elements, which no page can fix: rule, part of the page, reason
STREAMLITS = (
    ("list", "[data-testid=stSidebarNavItems]", "groups of the navigation are divs directly in its ul"),
    ("listitem", "[data-testid=stSidebarNavItems] li", "and its li stand in these divs"),
    (
        "color-contrast",
        "[data-testid=stMultiSelectTagsContainer] [data-tag]",
        "white on any primary colour, a pale one too",
    ),
)
FOUND = """async known => {
  const result = await axe.run(document, {resultTypes: ["violations"]});
  const found = new Map();  // finding and count; one place of each is reported
  for (const {id, impact, nodes} of result.violations) {
    if (impact !== "serious" && impact !== "critical") continue;
    for (const {target, html, failureSummary} of nodes) {
      const element = document.querySelector(target[0]);
      if (known.some(([rule, part]) => rule === id && element && element.closest(part))) continue;
      const home = element && element.closest("[data-testid]");
      const wrong = `${impact} ${id} in ${home && home.dataset.testid}: ${failureSummary}`;
      found.set(wrong, [html.slice(0, 300), 1 + (found.has(wrong) ? found.get(wrong)[1] : 0)]);
    }
  }
  return [...found].map(([wrong, [html, times]]) => `${times} times ${wrong}\n  as here: ${html}`);
}"""


def audited(page: Any) -> str:
    """Return serious and critical findings of axe that are not Streamlit's, one per line; empty without axe."""
    if not AXE.exists():
        return ""
    page.add_script_tag(path=AXE)
    return "\n".join(page.evaluate(FOUND, STREAMLITS))
