"""Axe's serious findings, with text of the same look measured three times on a page, not more.

Contrast takes nearly all of axe's time, and comes from what an element and those around it look
like: of many cells of a table, each look is enough. Every other rule sees every element.
"""

from axe_playwright_python.base import AXE_SCRIPT
from axe_playwright_python.sync_playwright import Axe

SERIOUS = {"serious", "critical"}

# `region` is a moderate finding, which nobody here asks for, and slow.
OPTIONS = {
    **{"preload": False, "resultTypes": ["violations"]},
    "rules": {"region": {"enabled": False}},
}

LOOKS = """;(() => {
  const WORDS = ["color", "backgroundColor", "backgroundImage", "opacity", "fontSize", "fontWeight",
    "textShadow", "filter", "mixBlendMode", "position", "display", "clipPath"];
  const known = new Map([[null, ""]]), times = new Map();
  const look = (element) => {
    if (!known.has(element)) {
      const style = getComputedStyle(element);
      const own = WORDS.map((word) => style[word]).join();
      known.set(element, `${look(element.parentElement)}>${own}`);
    }
    return known.get(element);
  };
  document.querySelectorAll("[data-look-known]").forEach((e) => delete e.dataset.lookKnown);
  for (const element of document.body.querySelectorAll(":not(input, select, textarea, option)")) {
    const text = [...element.childNodes].filter((node) => node.nodeType === Node.TEXT_NODE)
      .map((node) => node.data.trim()).join("");
    if (text.length < 2 || !element.checkVisibility({visibilityProperty: true})) continue;
    const key = look(element);
    times.set(key, (times.get(key) || 0) + 1);
    if (times.get(key) > 3) element.dataset.lookKnown = "";
  }
  axe.configure({rules: [{id: "color-contrast", selector: ":not([data-look-known])"}]});
})()"""


def serious(page):
    """Serious findings on an open page: one line each, with the first element of its kind."""
    found = Axe(AXE_SCRIPT + LOOKS).run(page, options=OPTIONS).response["violations"]
    return [
        f"{v['id']}: {v['nodes'][0]['html'][:150]} ({len(v['nodes'])})"
        for v in found
        if v["impact"] in SERIOUS
    ]
