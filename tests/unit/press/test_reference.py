"""Oracle: the catalogue, installed packages, made-up runs, the Citation File Format 1.2.0."""

import datetime
import html
import importlib.metadata
import json
import re
import tomllib

import pandas as pd
import pytest
import yaml

from empdis_utils import places
from empdis_utils.data import corpora
from empdis_utils.models.encoders import ENCODERS
from empdis_utils.press import reference


def test_every_module_is_on_exactly_one_api_page():
    text = "\n".join(reference.api().values())
    named = re.findall(r"automodule:: empdis_utils\.(\S+)", text)
    files = places.PACKAGE.rglob("[!_]*.py")
    there = [".".join(f.relative_to(places.PACKAGE).with_suffix("").parts) for f in files]
    assert sorted(named) == sorted(there)


def test_a_table_escapes_what_would_end_a_cell():
    assert reference.table([("a|b", 1)], ("x", "y")) == "| x | y |\n| --- | --- |\n| a\\|b | 1 |"


@pytest.fixture
def runs(tmp_path):
    """A run of MOSI with three clips, and its provenance."""
    (tmp_path / "mosi" / "artifacts").mkdir(parents=True)
    pd.DataFrame(
        {
            "clip_id": list("abc"), "dialog_id": list("xxy"), "n_tokens": [2, 4, 9],
            "label": ["p", "p", "n"], "split": ["test"] * 3,
        }
    ).to_parquet(tmp_path / "mosi" / "artifacts" / "manifest.parquet")  # fmt: skip
    entry = {"run": "mosi", "seconds": 1.5, "hardware": "a machine"}
    story = {"chapters": {"01_data": entry}}
    (tmp_path / "mosi" / "provenance.json").write_text(json.dumps(story))
    return tmp_path


def test_corpus_facts_come_from_the_catalogue_and_the_run(runs):
    text = reference.corpus_facts("mosi", runs)
    entry = corpora.CATALOGUE["mosi"]
    assert entry["commit"] in text and entry["repository"] in text
    for name, (_, sha256) in entry["files"].items():
        assert f"| `{name}` | `{sha256[:16]}` |" in text
    assert "| clips used | 3 |" in text and "| recordings or speakers | 2 |" in text
    assert "| labels | p 2, n 1 |" in text and "| median tokens | 4 |" in text
    assert "No counts" in reference.corpus_facts("cremad", runs)


def test_environment_tells_installed_versions_and_the_runs_times(runs):
    text = reference.environment(runs)
    numpy = importlib.metadata.version("numpy")
    assert re.search(rf"^\| numpy \| {re.escape(numpy)} \| .*BSD", text, re.M)
    assert "| mosi | 01_data | 1.5 | a machine |" in text
    assert reference.installed("no-such-package") == ("not installed", "")


def test_the_newest_whole_benchmark_is_quoted(tmp_path):
    for name, seconds in (("2026-01-09", 3), ("2026-02-01", 4), ("2026-02-02-encoders", 5)):
        text = f"# {name}\n\nhardware: x\n\n## bench_flow\n\n```\n{seconds} s\n```\n"
        (tmp_path / f"{name}.md").write_text(text)
    said = "\n\n".join(reference.measured(tmp_path))
    assert "kept on 2026-02-01" in said and "### bench_flow\n\n```text\n4 s\n```" in said
    assert reference.measured(tmp_path / "none") == []


def test_pages_are_the_ones_that_the_table_of_contents_and_the_cards_name(runs):
    made = reference.pages(runs)
    toc = (places.ROOT / "_toc.yml").read_text(encoding="utf-8")
    cards = (places.ROOT / "book/reference/data-cards.md").read_text(encoding="utf-8")
    for name in made:
        if "/facts/" in name:
            assert f"{{include}} facts/{name.split('/')[-1]}" in cards
        else:
            assert f"file: {name.removesuffix('.md')}\n" in toc
    assert made["reference/contributing.md"].count("\n# ") == 0


def test_model_cards_name_every_encoder_and_its_weights():
    text = (places.ROOT / "book/reference/model-cards.md").read_text(encoding="utf-8")
    for encoder in ENCODERS.values():
        if encoder.hub_id:
            assert f"| `{encoder.name}` | `{encoder.hub_id}` | {encoder.modality} |" in text


def test_citation_file_follows_the_citation_file_format():
    """Rules of the CFF 1.2.0 schema for the keys that are used here."""
    cff = yaml.safe_load((places.ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert cff["cff-version"] == "1.2.0" and {"authors", "message", "title"} <= set(cff)
    assert set(cff) <= {
        *("abstract", "authors", "cff-version", "commit", "contact", "date-released", "doi"),
        *("identifiers", "keywords", "license", "license-url", "message", "preferred-citation"),
        *("references", "repository", "repository-artifact", "repository-code", "title", "type"),
        *("url", "version"),
    }
    assert cff["type"] in ("software", "dataset")
    assert isinstance(cff.get("date-released", datetime.date.min), datetime.date)
    assert len(set(cff["keywords"])) == len(cff["keywords"]) > 0
    for work in (cff, *cff["references"]):
        assert work["title"] and work["authors"] and work["type"]
        for author in work["authors"]:
            entity = set(author) <= {"name", "website", "email", "orcid", "alias"}
            person = set(author) <= {"family-names", "given-names", "affiliation", "orcid", "email"}
            assert entity and "name" in author or person and author
    assert all(isinstance(w["year"], int) and w["conference"]["name"] for w in cff["references"])
    project = tomllib.loads((places.ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert (cff["version"], cff["license"]) == (project["version"], project["license"])


@pytest.mark.parametrize(
    "words",
    [
        '{{ cycler.__init__.__globals__.os.popen("x") }}',
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "[x](javascript:alert(1))",
        "`| a |`\n# heading",
        r"$\frac$ {eval}`1`",
    ],
)
def test_words_of_a_run_are_words_on_the_reference_pages(runs, words):
    """Labels, splits and runs enter as entities: no sign of Markdown, HTML or Jinja is left."""
    frame = pd.read_parquet(runs / "mosi" / "artifacts" / "manifest.parquet")
    made = reference.counts(frame.assign(label=words, split=words))
    path = runs / "mosi" / "provenance.json"
    path.write_text(path.read_text().replace('"mosi"', json.dumps(words)))
    made += reference.environment(runs)
    assert made.count(reference.plain(words)) == 3
    assert html.unescape(reference.plain(words)) == words
    assert not re.search(r"[^\w .,:()&;#-]|_", reference.plain(words))
    assert words not in made
