"""The explorer in a browser. Oracles: Python's own rule, entropy, and the words that went in.

The rule is written twice, once in Python (`disagreement.quadrant_of`) and once in the script. Its
cases are made here from the first and counted by the second.
"""

import numpy as np
import pandas as pd
import pytest
from plotly.offline import get_plotlyjs

from empdis_utils.data import tables
from empdis_utils.measures import disagreement, uncertainty
from empdis_utils.places import ROOT
from empdis_utils.show import explorer

LINK = '<a href="https://example.org">video</a>'
FORMULA = r"$\href{javascript:alert(1)}{x}$ & \(y\)  z"
THRESHOLD = 0.50004
#: Above, at and below what four decimals can tell.
NEAR = [0.5, 0.50004, 0.50005, 0.499951, 0.6, np.nextafter(0.6, 1), np.nextafter(0.50004, 1)]


@pytest.fixture(scope="module")
def predictions():
    rng = np.random.default_rng(0)
    rows = []
    for seed in (1, 2):
        for inputs in ("text", LINK, FORMULA, "all"):
            p = np.concatenate([rng.permutation(NEAR), rng.random(50)])
            rows.append(pd.DataFrame({"clip_id": [f"c{i:02d}" for i in range(len(p))],
                                      "inputs": inputs, "source": "fusion", "seed": seed, "fold": 0,
                                      "split": "test", "y": 1, "p": p}))  # fmt: skip
    return pd.concat(rows, ignore_index=True)


def quadrants(predictions, threshold):
    return disagreement.quadrants(predictions, threshold=threshold, fusion="all")


@pytest.fixture(scope="module")
def opened(browser, predictions, tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    for name in ("_static", "explorer", "pages"):
        (folder / name).mkdir()
    script = (ROOT / "book/_static/explorer.js").read_text(encoding="utf-8")
    (folder / "_static/explorer.js").write_text(script, encoding="utf-8")
    (folder / "explorer/plotly.min.js").write_text(get_plotlyjs(), encoding="utf-8")
    table = quadrants(predictions, THRESHOLD)
    clips = sorted(set(table["clip_id"]))
    manifest = pd.DataFrame(
        {"clip_id": clips, "dialog_id": "d", "transcript": LINK, "label": "x", "y": 1}
    )
    body = explorer.page(explorer.records(table, manifest), "run", threshold=THRESHOLD)
    head = '<meta charset="utf-8"><script src="../_static/explorer.js"></script>'
    (folder / "pages/page.html").write_text(f"<!doctype html>{head}{body}", encoding="utf-8")
    page = browser.new_page()
    page.goto((folder / "pages/page.html").as_uri())
    page.wait_for_selector(".explorer[data-ready=yes]", timeout=60_000)
    yield page
    page.close()


def shown(page):
    """Quadrant -> (clips, mean entropy as printed)."""
    rows = page.query_selector_all(".explorer-counts tbody tr")
    cells = {r.get_attribute("data-quadrant"): r.query_selector_all("td") for r in rows}
    return {name: (int(td[1].inner_text()), td[3].inner_text()) for name, td in cells.items()}


def counted(predictions, threshold, modality, seed):
    """The same from Python: the table's quadrants, and the entropy of fusion."""
    table = quadrants(predictions, threshold).query("modality == @modality and seed == @seed")
    entropy = pd.Series(uncertainty.predictive_entropy(table["conf_fusion"]), table.index)
    found = {}
    for name in tables.QUADRANTS:
        inside = table["quadrant"] == name
        mean = f"{entropy[inside].mean():.3f}" if inside.any() else "no clips"
        found[name] = (int(inside.sum()), mean)
    return found


@pytest.mark.parametrize("one", (True, False))
@pytest.mark.parametrize("both", (True, False))
def test_the_rule_of_the_table_is_quadrant_of(predictions, one, both):
    table = quadrants(predictions, THRESHOLD)
    right = table[["conf_unimodal", "conf_fusion"]] > THRESHOLD
    rows = (right == [one, both]).all(axis=1)
    assert set(table.loc[rows, "quadrant"]) == {str(disagreement.quadrant_of(one, both))}


def test_it_starts_at_the_threshold_of_the_run(opened, predictions):
    assert opened.input_value("[data-set=threshold]") == "0.50004"
    assert shown(opened) == counted(predictions, THRESHOLD, "text", "ensemble")


def test_its_quadrants_are_the_table_s_at_any_threshold(opened, predictions):
    """Confidences and thresholds that agree to four decimals and more are told apart."""
    different = set()
    for modality in ("text", LINK, FORMULA):
        opened.select_option("[data-set=modality]", modality)
        for seed in ("1", "2", "ensemble"):
            opened.select_option("[data-set=seed]", seed)
            for threshold in (0, 0.25, *NEAR, 0.7):
                opened.fill("[data-set=threshold]", repr(float(threshold)))
                expected = counted(predictions, threshold, modality, seed)
                assert shown(opened) == expected, (modality, seed, threshold)
                different.add(tuple(expected.values()))
    assert len(different) > 20


def test_the_slider_and_the_field_agree_and_nonsense_changes_nothing(opened, predictions):
    opened.select_option("[data-set=modality]", "text")
    opened.fill("[data-move=threshold]", "0.6")
    assert opened.input_value("[data-set=threshold]") == "0.6"
    expected = counted(predictions, 0.6, "text", opened.input_value("[data-set=seed]"))
    assert shown(opened) == expected
    for nonsense in ("", "7", "-1"):
        opened.fill("[data-set=threshold]", nonsense)
        assert shown(opened) == expected
    opened.fill("[data-set=threshold]", "0.25")
    assert opened.input_value("[data-move=threshold]") == "0.25"


@pytest.mark.parametrize("name", [LINK, FORMULA])
def test_a_name_is_neither_a_link_nor_a_formula(opened, name):
    opened.select_option("[data-set=modality]", name)
    title = opened.text_content(".explorer-plot .xtitle")
    assert " ".join(title.split()) == " ".join(f"{name}: confidence in the correct label".split())
    assert opened.query_selector_all(".explorer a, .explorer mjx-container") == []


def test_a_transcript_is_shown_as_it_is(opened):
    opened.fill("[data-set=clip]", "c03")
    opened.press("[data-set=clip]", "Tab")
    assert opened.text_content(".explorer-card blockquote") == LINK
    label = opened.evaluate("document.querySelector('.explorer-plot').data[0].text[0]")
    assert "&lt;a href=" in label and "<" not in label
