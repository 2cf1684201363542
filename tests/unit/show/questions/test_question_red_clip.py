"""`questions.red_clip`: oracles are tables made by hand, and `disagreement.stability`."""

import numpy as np
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from matplotlib import pyplot as plt

from empdis_utils.data import corpora
from empdis_utils.measures import disagreement
from empdis_utils.show.questions import red_clip

SEEDS = ("1", "2", "3")


@pytest.fixture(scope="module")
def corpus():
    return corpora.load("fixture")


@pytest.fixture(scope="module")
def quadrants(corpus):
    """Three modalities and fusion over the clips of the synthetic corpus, drawn at random."""
    rng = np.random.default_rng(3)
    about = corpus.manifest[["clip_id", "y"]]
    rows = [
        about.assign(inputs=inputs, source="fusion", seed=seed, fold=0, split="test",
                     p=rng.random(len(about)))
        for seed in SEEDS
        for inputs in ("text", "audio", "video", "text+audio+video")
    ]  # fmt: skip
    return disagreement.quadrants(pd.concat(rows, ignore_index=True))


def by_hand(clips):
    """The table `quadrants` of one modality per row: clip -> modality -> quadrant by seed."""
    conf = {"blue": (0.9, 0.9), "red": (0.9, 0.1), "green": (0.1, 0.9), "yellow": (0.1, 0.1)}
    rows = []
    for clip, modalities in clips.items():
        for modality, names in modalities.items():
            shares = {f"membership_{q}": names.count(q) / len(names) for q in conf}
            for seed, name in zip([*SEEDS, "ensemble"], [*names, names[0]], strict=True):
                one, both = conf[name]
                rows.append({"clip_id": clip, "modality": modality, "seed": seed, "quadrant": name,
                             "conf_unimodal": one, "conf_fusion": both, **shares})  # fmt: skip
    return pd.DataFrame(rows)


def test_the_clip_is_one_with_a_planted_conflict_that_changes_most():
    steady, moving = ["red"] * 3, ["red", "green", "blue"]
    table = by_hand(
        {
            "a_no_conflict": {"text": moving, "audio": ["green", "red", "blue"]},
            "b_all_agree": {"text": moving, "audio": moving},
            "c_never_red": {"text": ["blue"] * 3, "audio": ["green"] * 3},
            "d_steady": {"text": steady, "audio": ["yellow"] * 3},
            "e_moving": {"text": moving, "audio": ["yellow"] * 3},
            "f_not_judged": {"text": moving, "audio": ["yellow", "green", "blue"]},
        }
    )
    truth = pd.DataFrame({"clip_id": sorted(set(table["clip_id"])), "kind": "conflict"})
    truth.loc[truth["clip_id"] == "a_no_conflict", "kind"] = "congruent"
    found = red_clip.candidates(table, truth, judged=set(truth["clip_id"]) - {"f_not_judged"})
    assert found.to_dict("list") == {
        "clip_id": ["e_moving", "d_steady"], "n_red": [1, 3], "n_changes": [2, 0],
    }  # fmt: skip
    assert red_clip.candidates(table, truth)["clip_id"].iloc[0] == "f_not_judged"


def test_changes_are_those_of_stability(quadrants, corpus):
    dialog = corpus.manifest.set_index("clip_id")["dialog_id"]
    found = red_clip.changes(quadrants, dialog, n_boot=200).set_index(["modality", "quadrant"])
    same = disagreement.stability(quadrants, groups=dialog).set_index(["modality", "quadrant"])
    for key, row in same.drop("all", level="quadrant").iterrows():
        assert found.loc[key, "n"] == row["n"] and found.loc[key, "n_changed"] == row["n_changed"]
        assert found.loc[key, "share"] == pytest.approx(row["share"])
        assert found.loc[key, "ci_low"] == pytest.approx(row["ci_low"])
    for modality in ("text", "audio", "video"):
        part = found.loc[modality]
        gap = part.loc["red", "share"] - part.loc["blue", "share"]
        assert part.loc["red - blue", "share"] == pytest.approx(gap)
        both = part.loc["red+green"]
        assert both["n"] == part.loc["red", "n"] + part.loc["green", "n"]


def told(red_low, gap_low, corpora=("A", "B")):
    """A table of `changes` whose intervals begin where the test says."""
    rows = []
    for corpus, low, gap in zip(corpora, red_low, gap_low, strict=True):
        for name, value in (("red", low), ("red - blue", gap)):
            rows.append({"corpus": corpus, "modality": "text", "quadrant": name, "n": 9,
                         "n_changed": 8, "share": value + 0.1, "ci_low": value,
                         "ci_high": value + 0.2, "reason": ""})  # fmt: skip
    return pd.DataFrame(rows)


def test_the_answer_follows_the_intervals():
    both = red_clip.answer(told([0.7, 0.6], [0.1, 0.1]))
    assert both.count("8 of 9") == 2 and "On A and B red therefore says less" in both
    assert both.endswith("more often than blue ones.")
    one = red_clip.answer(told([0.7, 0.4], [-0.1, 0.1]))
    assert (
        "On A red" in one and "blue" not in one and one.endswith("on B too few are red to say so.")
    )
    assert "cannot be told" in red_clip.answer(told([0.3, 0.4], [0.1, 0.1]))


def test_red_and_blue_are_compared_in_three_wordings():
    said = red_clip.beyond_blue(told([0.7, 0.7, 0.7], [0.1, -0.1, -0.5], corpora="ABC"))
    assert "On A red text clips change more often than blue" in said
    assert "On B red text clips change not measurably more often than blue" in said
    assert "On C red text clips change less often than blue" in said


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (-0.1, 0.1, "not diagnostic"),
        (0.1, 0.3, "farther from it"),
        (-0.3, -0.1, "nearer to it than"),
    ],
)
def test_the_control_can_fail(low, high, said):
    row = {"contrast": "red - blue", "modality": "text", "placebo": "same model", "value": -0.2,
           "placebo_value": -0.2, "excess": (low + high) / 2}  # fmt: skip
    table = pd.DataFrame([row | {"excess_low": low, "excess_high": high}])
    assert said in red_clip.control(table, "A")
    assert "too few" in red_clip.control(table.assign(excess_low=np.nan), "A")
    assert "too few" in red_clip.control(table.iloc[:0], "A")


@pytest.fixture(scope="module")
def lines(quadrants, corpus):
    clips = corpus.manifest
    encoders = clips[["clip_id", "y"]].assign(inputs="text", encoder="tiny", seed=1, p=0.75)
    entropy = clips[["clip_id"]].assign(entropy=np.linspace(0, 0.69, len(clips)))
    judged = pd.DataFrame({"annotator": ["j", "j"], "clip_id": clips["clip_id"].iloc[0],
                           "modality": "text", "round": [1, 2],
                           "judgment": ["neutral", "<b>empathetic</b>"]})  # fmt: skip
    loud = pd.DataFrame({"mean_pitch": np.arange(len(clips)), "flat": 1.0}, index=clips["clip_id"])
    return red_clip.followed(
        clips["clip_id"].iloc[0], truth=corpus.truth, manifest=clips, encoders=encoders,
        quadrants=quadrants, features={"audio": loud}, entropy=entropy, annotations=judged,
    )  # fmt: skip


def test_each_page_adds_a_line_that_the_tables_hold(lines, quadrants, corpus):
    assert tuple(lines["page"]) == red_clip.PAGES
    said = lines.set_index("page")["line"]
    clip = corpus.manifest.iloc[0]
    own = quadrants.query("clip_id == @clip.clip_id and seed != 'ensemble'")
    conf = 0.75 if clip["y"] else 0.25
    assert said["one_modality"].endswith(f"tiny (text) {conf:.2f}, right in {clip['y']} of 1.")
    right = int((own.query("modality == 'text'")["conf_fusion"] > 0.5).sum())
    assert f"right in {right} of 3 trainings" in said["fusion"]
    voice = own.query("modality == 'audio'").sort_values("seed")["quadrant"]
    assert f"voice {', '.join(voice)}" in said["red_clip"]
    assert said["sound_and_look"] == "mean pitch below 159 of 159 other clips."
    assert said["unsure"] == "0.000 nats, below 159 of 159 other clips."
    assert said["people"] == "text, then all: j neutral then <b>empathetic</b>."


def test_the_card_grows_by_a_line_per_page_and_its_words_are_words(lines, corpus):
    clip_id = corpus.manifest["clip_id"].iloc[0]
    for k, name in enumerate(red_clip.PAGES, start=1):
        card = BeautifulSoup(red_clip.card(corpus, clip_id, lines, name), "html.parser")
        facts = card.select("dl > div")
        assert [f.dd.get_text() for f in facts] == lines["line"].tolist()[:k]
        assert [f for f in facts if "new" in f.get("class", ())] == facts[-1:] * (k > 1)
        assert "Synthetic clip" in card.get_text() and card.img["alt"]
        assert not card.find("b") and not card.select("video, script")


def test_the_front_page_s_clip_plays_and_keeps_its_secret(quadrants, corpus):
    clip_id = corpus.manifest["clip_id"].iloc[0]
    card = BeautifulSoup(red_clip.front(corpus, clip_id, quadrants), "html.parser")
    assert card.video.has_attr("controls") and card.video["src"].startswith("data:video/mp4")
    assert "Planted: text" in card.details.p.get_text() and not card.details.has_attr("open")
    own = quadrants.query("clip_id == @clip_id and seed == 'ensemble'").set_index("modality")
    said = {f.dt.get_text(): f.dd.get_text() for f in card.select("dl > div")}
    assert list(said) == ["text", "voice", "face", "all together"]
    label = corpus.manifest["label"].iloc[0]
    for name, modality in (("text", "text"), ("voice", "audio"), ("face", "video")):
        assert said[name].startswith(label) == (own["conf_unimodal"][modality] > 0.5)


@pytest.mark.parametrize("width", [8.0, 3.9])
def test_the_figure_says_its_point_in_both_layouts(quadrants, corpus, width):
    dialog = corpus.manifest.set_index("clip_id")["dialog_id"]
    table = red_clip.changes(quadrants, dialog, n_boot=200).assign(corpus="A")
    clip_id = corpus.manifest["clip_id"].iloc[0]
    fig = red_clip.draw({"A": quadrants}, table, marked=("A", clip_id))(width)
    (ax,) = fig.axes
    row = table.query("modality == 'text' and quadrant == 'red+green'").iloc[0]
    title = ax.get_title(loc="left")
    assert str(row["n"]) in title and "change when retrained" in title
    path = quadrants.query("clip_id == @clip_id and modality == 'text' and seed != 'ensemble'")
    assert ax.lines[-1].get_xdata().tolist() == path["conf_unimodal"].tolist()
    assert {t.get_text() for t in ax.texts} >= {"blue", "red", "green", "yellow"}
    plt.close(fig)
