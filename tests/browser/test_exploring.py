"""The explorer in a browser. Oracles: Python's own rule, entropy, and the words that went in.

The rule is written twice, once in Python (`disagreement.quadrant_of`) and once in the script. Its
cases are made here from the first and counted by the second.
"""

import numpy as np
import pandas as pd
import pytest
from plotly.offline import get_plotlyjs

from empdis_utils.data import checks, manifests, tables
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


PLANTED = "Planted: <b>text</b> contradicts the label."


@pytest.fixture(scope="module")
def opened(browser, predictions, tmp_path_factory):
    """A page from disk: two corpora, the second with a marked clip and another threshold."""
    folder = tmp_path_factory.mktemp("site")
    for name in ("_static", "explorer", "pages"):
        (folder / name).mkdir()
    for name in ("explorer.js", "predictions.js"):
        script = (ROOT / "book/_static" / name).read_text(encoding="utf-8")
        (folder / "_static" / name).write_text(script, encoding="utf-8")
    (folder / "explorer/plotly.min.js").write_text(get_plotlyjs(), encoding="utf-8")
    table = quadrants(predictions, THRESHOLD)
    clips = sorted(set(table["clip_id"]))
    manifest = pd.DataFrame(
        {"clip_id": clips, "dialog_id": "d", "transcript": LINK, "label": "x", "y": 1}
    )
    planted = pd.Series(PLANTED, index=clips)
    second = explorer.records(table, manifest.assign(transcript=None), planted=planted)
    more = [explorer.corpus(second, "another", threshold=0.6, marked="c03")]
    body = explorer.page(
        explorer.records(table, manifest), "run", threshold=THRESHOLD, title="first", more=more
    )
    scripts = ("predictions.js", "explorer.js")
    head = "".join(f'<script src="../_static/{name}"></script>' for name in scripts)
    text = f'<!doctype html><meta charset="utf-8">{head}{body}'
    (folder / "pages/page.html").write_text(text, encoding="utf-8")
    page = browser.new_page()
    page.asked = []
    page.on("request", lambda request: page.asked.append(request.url))
    page.goto((folder / "pages/page.html").as_uri())
    page.wait_for_selector(".explorer[data-ready=yes]", timeout=60_000)
    yield page
    page.close()


@pytest.fixture(autouse=True)
def _as_it_starts(request):
    """Every test begins with the first corpus, modality and seed, as the page does."""
    if "opened" in request.fixturenames:
        page = request.getfixturevalue("opened")
        for name, value in (("corpus", "0"), ("modality", "text"), ("seed", "ensemble")):
            page.select_option(f"[data-set={name}]", value)


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


# ---- one clip --------------------------------------------------------------------------------


def test_the_marked_clip_has_its_path_and_its_truth_is_revealed_on_demand(opened, predictions):
    opened.select_option("[data-set=corpus]", "1")
    assert opened.input_value("[data-set=threshold]") == "0.6"
    assert "Clip c03" in opened.text_content(".explorer-card")
    secret = opened.locator(".explorer-truth")
    assert not secret.evaluate("(made) => made.open")
    secret.locator("summary").press("Enter")
    assert secret.locator("p").text_content() == PLANTED and secret.locator("p").is_visible()
    for threshold in (0.25, 0.5, 0.60001, 0.7):
        opened.fill("[data-set=threshold]", repr(threshold))
        table = quadrants(predictions, threshold).query("modality == 'text' and clip_id == 'c03'")
        cells = opened.eval_on_selector_all(
            ".explorer-walk tbody tr", "rows => rows.map(row => [row.cells[0].textContent,"
            "row.querySelector('td.now').dataset.quadrant])",
        )  # fmt: skip
        assert dict(cells) == dict(zip(table["seed"], table["quadrant"], strict=True))
    drawn = opened.evaluate(
        "document.querySelector('.explorer-plot').data.find(t => t.mode === 'lines+markers+text')"
    )
    seeds = table[table["seed"] != "ensemble"].sort_values("seed")
    assert drawn["x"] == seeds["conf_unimodal"].tolist()
    assert drawn["y"] == seeds["conf_fusion"].tolist()
    opened.click(".explorer-reset")
    assert opened.input_value("[data-set=threshold]") == "0.6"
    opened.select_option("[data-set=corpus]", "0")
    assert opened.input_value("[data-set=threshold]") == repr(THRESHOLD)
    assert opened.query_selector(".explorer-truth") is None


def move(page, modality, seed, threshold):
    """Set three controls at once, so that the picture is drawn once."""
    page.evaluate(
        """(given) => {
          for (const [name, value] of Object.entries(given)) {
            document.querySelector(`[data-set=${name}]`).value = value;
          }
          document.querySelector("[data-set=threshold]").dispatchEvent(new Event("input"));
        }""",
        {"modality": modality, "seed": seed, "threshold": repr(float(threshold))},
    )


def differ(page):
    return page.text_content(".explorer-differ")


def test_disagreement_is_that_of_the_tables(opened, predictions):
    rates = disagreement.pairwise_disagreement(predictions)
    for modality in ("text", LINK):
        opened.select_option("[data-set=modality]", modality)
        for seed in ("1", "2"):
            opened.select_option("[data-set=seed]", seed)
            pair = {modality, "all"}
            row = [r for r in rates.itertuples() if r.seed == seed and {r.a, r.b} == pair][0]
            assert f"on {int(row.k)} of {row.n} clips ({row.rate:.3f})" in differ(opened)


# ---- a CSV of one's own ----------------------------------------------------------------------


def drop(page, content, name="mine.csv"):
    """Drop a file onto the frame, as a hand would."""
    page.evaluate("delete document.querySelector('.explorer').dataset.own")
    page.evaluate(
        """([bytes, name]) => {
          const given = new DataTransfer();
          given.items.add(new File([new Uint8Array(bytes)], name, { type: "text/csv" }));
          document.querySelector(".explorer-own").dispatchEvent(
            new DragEvent("drop", { dataTransfer: given, bubbles: true, cancelable: true }));
        }""",
        [list(content), name],
    )
    page.wait_for_function("document.querySelector('.explorer').dataset.own")
    return page.evaluate("document.querySelector('.explorer').dataset.own")


def choose(page, content, name="mine.csv"):
    """Choose a file with the field, which the keyboard reaches."""
    page.evaluate("delete document.querySelector('.explorer').dataset.own")
    page.set_input_files(
        "[data-own]", files=[{"name": name, "mimeType": "text/csv", "buffer": content}]
    )
    page.wait_for_function("document.querySelector('.explorer').dataset.own")
    return page.evaluate("document.querySelector('.explorer').dataset.own")


def listed(page):
    """Lines and columns that the page refused."""
    rows = page.query_selector_all(".explorer-bad tbody tr")
    cells = [[c.text_content() for c in row.query_selector_all("th, td")] for row in rows]
    return sorted((int(line), column) for line, column, *_ in cells)


def own(seeds=(), extra="", joint="fusion", n=40):
    """A CSV as people have it: one row per clip, or per clip and seed."""
    rng = np.random.default_rng(len(seeds) + n)
    about = pd.DataFrame({"clip_id": [f"k{i:02d}" for i in range(n)]})
    about["y"] = rng.permutation(np.arange(n) % 2)
    frames = [about.assign(seed=seed) for seed in seeds] or [about]
    for frame in frames:
        for model in ("text", "voice", joint):
            frame[model] = rng.random(n).round(3)
            frame.loc[:6, model] = rng.permutation(NEAR)
    text = pd.concat(frames).to_csv(index=False)
    return (text + extra).encode()


GOOD = {
    "one row per clip": own(),
    "two seeds": own(seeds=(7, 12)),
    "three seeds": own(seeds=(3, 10, 9)),
    "named by its parts": own(joint="text+voice"),
    "only test clips count": own()[:-1].replace(b"\n", b",test\n").replace(b",test", b",split", 1)
    + b",test\nz,1,0.5,0.5,0.5,train\n",
    "quotes, blanks, a byte order mark": b"\xef\xbb\xbfclip_id,y,text, fusion ,transcript\r\n"
    b'"a, 1",1, 0.7,.6,"said ""so"",\r\nand more"\r\n\r\nb,0,0.2,1e-1,\r\n',
}


@pytest.mark.parametrize("case", GOOD)
def test_a_csv_gives_the_numbers_of_python(opened, tmp_path, case):
    """Dropped or chosen; quadrants, entropy and disagreement at five thresholds."""
    take = drop if "seeds" in case else choose
    (tmp_path / "mine.csv").write_bytes(GOOD[case])
    given = manifests.read_predictions(tmp_path / "mine.csv").predictions
    given = given[given["split"] == "test"]
    who = disagreement.sides(given)
    compared = disagreement.compared(given, **who)
    fusion = compared.loc[compared["role"] == "fusion", "inputs"].iloc[0]
    rates = disagreement.pairwise_disagreement(compared)
    assert take(opened, GOOD[case]) == "taken"
    assert "stayed on this computer" in opened.text_content(".explorer-said")
    for threshold in (0.5, 0.25, 0.50004, 0.6, 0.8):
        table = disagreement.quadrants(compared, threshold=threshold, **who)
        for (modality, seed), part in table.groupby(["modality", "seed"]):
            move(opened, modality, seed, threshold)
            entropy = pd.Series(uncertainty.predictive_entropy(part["conf_fusion"]), part.index)
            for name, (n, mean) in shown(opened).items():
                inside = part["quadrant"] == name
                told = f"{entropy[inside].mean():.3f}" if inside.any() else "no clips"
                assert (n, mean) == (inside.sum(), told), (modality, seed, threshold)
            if seed != "ensemble":
                pair = {modality, fusion}
                row = [r for r in rates.itertuples() if r.seed == seed and {r.a, r.b} == pair]
                assert f"on {int(row[0].k)} of {row[0].n} clips" in differ(opened)


BAD = {
    "a cell is empty": b"clip_id,y,a,fusion\nx,0,.1,\ny,1,1,1\n",
    "not a number": b"clip_id,y,a,fusion\nx,0,.1,nan\ny,1,inf,1\nz,1,1.2,-1\n",
    "a clip twice": b"clip_id,y,a,fusion\nx,0,1,1\nx,1,1,1\n",
    "a clip and seed twice": b"clip_id,seed,y,a,fusion\nx,1,0,1,1\nx,1,0,1,1\ny,1,1,1,1\n",
    "two labels of a clip": b"clip_id,seed,y,a,fusion\nx,1,0,1,1\nx,2,1,1,1\n",
    "a third class": b"clip_id,y,a,fusion\nx,0,1,1\ny,2,1,1\nz,1,0,0\n",
    "one class": b"clip_id,y,a,fusion\nx,1,1,1\ny,1,1,1\n",
    "a column of names": b"clip_id,y,a,fusion,who\nx,0,1,1,Al\ny,1,1,1,Bo\n",
    "a column of seconds": b"clip_id,y,a,fusion,secs\nx,0,1,1,3\ny,1,1,1,9\n",
    "one model": b"clip_id,y,fusion\nx,0,1\ny,1,1\n",
    "no model": b"clip_id,y\nx,0\ny,1\n",
    "no clip_id": b"clip,y,a,fusion\nx,0,1,1\ny,1,1,1\n",
    "no y": b"clip_id,a,fusion\nx,1,1\n",
    "an unknown split": b"clip_id,y,a,fusion,split\nx,0,1,1,dev\ny,1,1,1,test\n",
    "no test clips": b"clip_id,y,a,fusion,split\nx,0,1,1,val\ny,1,1,1,val\nz,0,0,0,train\n",
    "a label of two classes": b"clip_id,y,a,fusion,label\nx,0,1,1,u\ny,1,1,1,v\nz,1,1,1,w\n",
    "an empty recording": b"clip_id,y,a,fusion,dialog_id\nx,0,1,1,\ny,1,1,1,r\n",
    "no rows": b"clip_id,y,a,fusion\n",
    "nothing": b"",
    "fields too many": b"clip_id,y,a,fusion\nx,0,1,1,5\ny,1,1\nz,1,1,1\n",
    "not UTF-8": b"clip_id,y,a,fusion\n\xe9,0,1,1\ny,1,1,1\n",
    "a quote that does not end": b'clip_id,y,a,fusion\nx,0,1,1\n"y,1,1,1\n',
    "words after a quote": b'clip_id,y,a,fusion\n"x"z,0,1,1\ny,1,1,1\n',
    "names that look the same": "clip_id,y,a,fusion\nx,0,1,1\nx\u200b,1,1,1\n".encode(),
    "columns that look the same": "clip_id,y,a b,a\xa0b,fusion\nx,0,1,1,1\ny,1,1,1,1\n".encode(),
    "a column twice": b"clip_id,y,a,a,fusion\nx,0,1,1,1\ny,1,1,1,1\n",
    "a seed that is none": b"clip_id,seed,y,a,fusion\nx,1.5,0,1,1\ny,-1,1,1,1\n",
    "several at once": b"clip_id,y,a,fusion\nx,0,-0.1,0.5\ny,1,0.5,high\nx,1,0.5,0.5\n,1,0,0\n",
    "markup": b"clip_id,y,a,fusion\n<b>x</b>,<i>,1,1\ny,1,1,1\nz,0,1,<script>alert(1)</script>\n",
}


@pytest.mark.parametrize("case", BAD)
def test_bad_rows_of_a_csv_are_those_of_python(opened, tmp_path, case):
    (tmp_path / "mine.csv").write_bytes(BAD[case])
    with pytest.raises(checks.CorpusError) as error:
        manifests.read_predictions(tmp_path / "mine.csv")
    expected = sorted((problem.line, problem.column) for problem in error.value.problems)
    assert drop(opened, BAD[case]) == "refused"
    assert listed(opened) == expected
    said = opened.text_content(".explorer-said")
    assert f"was not taken: {len(expected)} value" in said
    assert opened.query_selector_all(".explorer-problems :is(b, i, script)") == []


@pytest.mark.parametrize("path", sorted((ROOT / "tests/fixture/broken").glob("predictions_*.csv")))
def test_broken_files_of_the_fixture_meet_the_same_end(opened, path):
    """The files of `tests/unit/test_broken_input.py`."""
    try:
        manifests.read_predictions(path)
        expected = "taken"
    except checks.CorpusError as error:
        expected = "refused"
        assert drop(opened, path.read_bytes()) == expected
        assert listed(opened) == sorted((p.line, p.column) for p in error.problems)
    assert drop(opened, path.read_bytes()) == expected


def test_what_python_refuses_later_is_refused_at_once(opened, tmp_path):
    """No model is called fusion; a clip lacks a seed; more than two classes."""
    for text in (
        "clip_id,y,a,b\nx,0,1,1\ny,1,1,1\n",
        "clip_id,y,a,b+c\nx,0,1,1\ny,1,1,1\n",
        "clip_id,seed,y,a,fusion\nx,1,0,1,1\ny,1,1,1,1\nx,2,0,1,1\n",
    ):
        (tmp_path / "mine.csv").write_text(text)
        given = manifests.read_predictions(tmp_path / "mine.csv").predictions
        with pytest.raises(ValueError):
            disagreement.quadrants(given, **disagreement.sides(given))
        assert drop(opened, text.encode()) == "refused"
        assert [line for line, _ in listed(opened)] == [1]
    three = b"clip_id,y,a:u,a:v,fusion:u,fusion:v\nx,u,1,0,1,0\ny,v,0,1,0,1\n"
    assert drop(opened, three) == "refused" and len(listed(opened)) == 4


def test_the_keyboard_reaches_the_field_of_files(opened):
    opened.focus("[data-set=clip]")
    for _ in range(40):
        opened.keyboard.press("Tab")
        if opened.evaluate("document.activeElement.hasAttribute('data-own')"):
            return
    pytest.fail("Tab never came to the field")


def test_nothing_left_the_computer(opened):
    """Run last: after all of the above only the page's own files were asked for."""
    names = {url.rsplit("/", 1)[1] for url in opened.asked if not url.startswith("data:")}
    assert names == {"page.html", "explorer.js", "predictions.js", "plotly.min.js"}
    assert all(url.startswith(("file:", "data:")) for url in opened.asked)
