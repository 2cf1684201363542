# ruff: noqa: B018, E501

# %% [markdown]
# # The class's own kappa
#
# Everyone's answers in, the class's agreement out. It reads every file of one folder: one CSV per
# pseudonym, as `make annotate` writes them. Before there are any, it shows a *simulated* class of six,
# so that you can read the tables and see what will come.

# %%
import pandas as pd

from empdis_utils.data import corpora
from empdis_utils.measures import agreement
from empdis_utils.people.files import read_annotations
from empdis_utils.people.simulated import simulate_pair
from empdis_utils.press.run import ROOT

folder = ROOT / "annotations" / "fixture"  # one CSV per annotator
n_boot = 1000  # bootstrap resamples of whole recordings

# %% [markdown]
# ## Who answered
#
# Lines that cannot be used are listed, with the reason. Nothing is left out in silence.

# %%
data = corpora.load_fixture()
recording = data.manifest.set_index("clip_id")["dialog_id"]
files = sorted(folder.glob("*.csv"))
if files:
    answers, problems = read_annotations(files, clips=data.manifest["clip_id"])
else:
    pairs = [
        simulate_pair(data.truth, annotators=(f"simulated-{k}", f"simulated-{k + 3}"), seed=k)
        for k in range(3)
    ]
    answers, problems = pd.concat(pairs, ignore_index=True), pd.DataFrame()
    print("No answers yet: this is a SIMULATED class. It says nothing about people.")
print(f"{len(problems)} lines need attention.")
problems

# %%
answers.groupby(["annotator", "round"]).size().unstack(fill_value=0).rename_axis(columns="round")

# %% [markdown]
# ## Agreement, by what was shown first
#
# `kappa` is Fleiss' for more than two annotators. Round 1: one modality. Round 2: everything. The
# interval resamples recordings. Is there a modality on which the class agrees less?

# %%
table = agreement.agreement_table(
    answers, by=("modality", "round"), groups=recording, detail=True, n_boot=n_boot
)
table[["modality", "round", "n", "kappa", "ci_low", "ci_high", "alpha", "ac1", "reason"]].round(2)

# %% [markdown]
# ## Does seeing more help the class agree?
#
# The change from round 1 to round 2 on the same clips, with its own interval, and a test that swaps the
# two rounds of a clip. Compare with the signs in the paper's Table 6, and with its 51 clips a row.


# %%
def votes(modality, turn):
    """Votes per clip for each answer, for one modality and round."""
    part = answers.query("modality == @modality and round == @turn")
    counts = pd.crosstab(part["clip_id"], part["judgment"])
    return counts.reindex(columns=list(agreement.JUDGMENTS), fill_value=0)


changes = []
for modality in sorted(answers["modality"].unique()):
    first, second = votes(modality, 1), votes(modality, 2)
    both = first.index.intersection(second.index)
    change = agreement.difference(
        first.loc[both], second.loc[both], recording[both], "fleiss_kappa", n_boot=n_boot
    )
    changes.append({"modality": modality, **change._asdict()})
changes = pd.DataFrame(changes)
changes.round(3)

# %% [markdown]
# ## Against the truth
#
# The clips are synthetic, so their label is known. How often is each
# person right, before and after? Who changes their mind more towards the label than away from it?
# Agreement and being right are different things: a class can agree and be wrong.

# %%
label = data.manifest.set_index("clip_id")["label"]
right = answers.assign(right=answers["judgment"] == answers["clip_id"].map(label))
right.groupby(["annotator", "round"])["right"].mean().unstack().round(2)

# %% [markdown]
# ## What to write
#
# Half a page: how many people judged how many clips, the kappas with their intervals, one thing that
# surprised you, one thing that you would do otherwise. Say what the class's answers cannot show: the
# voices and faces are generated.
