# The flow of the book. Make is the DAG, papermill runs the chapters, Jupyter Book renders.
# `make help` lists the targets. Chapters of a profile: the keys of notebooks/profiles/NAME.yaml.
SHELL := /bin/bash
.DELETE_ON_ERROR:
.SUFFIXES:
.SECONDARY:
.DEFAULT_GOAL := help

BUILD ?= _build
VENV  := .venv
PY    ?= $(VENV)/bin/python
PYTHON ?= $(firstword $(foreach p,python3.11 python3.12 python3.13 python3,$(shell command -v $(p))))
JOBS  ?= 2
RUNS  := $(BUILD)/runs
ANNOTATIONS ?= annotations

# An environment of our own unless one is given (make book PY=python).
ENV := $(if $(filter $(VENV)/bin/python,$(PY)),$(VENV)/.installed)
export EMPDIS_DATA := $(if $(EMPDIS_DATA),$(abspath $(EMPDIS_DATA)))
export REPO  # owner/name on GitHub: adds launch buttons to the pages
export EMPDIS_DASK := $(or $(DASK),$(EMPDIS_DASK))

# What each chapter reads from earlier ones. A chapter that a profile does not run is left out.
reads_02_unimodal    := 01_data
reads_03_fusion      := 01_data 02_unimodal
reads_04_quadrants   := 01_data 02_unimodal 03_fusion
reads_05_features    := 01_data 03_fusion 04_quadrants
reads_06_entropy     := 01_data 03_fusion 04_quadrants
reads_07_human_study := 01_data 04_quadrants
reads_08_split       := 01_data 02_unimodal 05_features
reads_08_choices     := 01_data 02_unimodal 03_fusion
reads_09_recovery    := 01_data 03_fusion 04_quadrants 05_features

# Profiles in the book: the fixture, which comes with the project, and every real corpus at hand.
ALL_PROFILES := $(basename $(notdir $(wildcard notebooks/profiles/*.yaml)))
PROFILE_DATA  = $(foreach d,$(EMPDIS_DATA) $(EMPDIS_CACHE),$(wildcard $(d)/$(1)/*.csv))
EMPDIS_CACHE ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/empdis
RAVDESS       = $(foreach d,$(EMPDIS_DATA) $(EMPDIS_MEDIA) $(if $(EMPDIS_DATA),$(EMPDIS_DATA)/../media),$(wildcard $(d)/ravdess))
PROFILES ?= fixture $(foreach p,empspeech mosi cremad,$(if $(call PROFILE_DATA,$(p)),$(p))) $(if $(RAVDESS),ravdess)

chapters = $(shell sed -n 's/^\([0-9][0-9]_[a-z_]*\):.*/\1/p' notebooks/profiles/$(1).yaml 2>/dev/null)
HELPERS := $(wildcard empdis_utils/*.py)
PAGES    = $(foreach p,$(1),$(foreach c,$(call chapters,$(p)),$(RUNS)/$(p)/$(c).ipynb))

.PHONY: help env book pdf test study annotate audit data clips course lint bench clean clean-cache lock FORCE

help:  ## Explain every target
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## */\1|/' | \
	  awk -F'|' '{printf "  make %-11s %s\n", $$1, $$2}'
	@echo '  make study PROFILE=mosi NB=04_quadrants P="threshold=0.6"   reruns one chapter aside'
	@echo '  make study PROFILE=predictions CSV=mine.csv                 pages for probabilities of your own'
	@echo '  make study PROFILE=fixture DASK=tcp://host:8786             sends the work on clips to a Dask cluster'
	@echo '  Variables: PY=python (use the active environment), EMPDIS_DATA=folder of corpora, JOBS=2'

# ---- environment -----------------------------------------------------------------------------
env: $(ENV)  ## Set up .venv from requirements.lock (the other targets do this by themselves)

$(VENV)/.installed: requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "No python3.11, 3.12 or 3.13 on the PATH: install one (Debian: python3 python3-venv)."; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || \
	  { echo "$(PYTHON) is not Python 3.11 to 3.13: make env PYTHON=python3.11"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
	  { echo "venv failed: on Debian and Ubuntu install the package python3-venv, then repeat."; exit 1; }
	@echo "[env ] installing requirements.lock into $(VENV)"
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

# ---- chapters --------------------------------------------------------------------------------
# The code of a notebook without its prose: a prose edit changes the stamp and leaves the code file.
$(BUILD)/code/%.stamp: notebooks/%.ipynb $(ENV)
	@mkdir -p $(@D)
	@$(PY) -m empdis_utils.book code $< $(BUILD)/code/$*.json
	@touch $@
$(BUILD)/code/%.json: $(BUILD)/code/%.stamp ;

# The profile `predictions` reads one CSV and remembers which. It reruns when name or content change.
GIVEN := $(RUNS)/predictions/.csv
# (make audit remembers nothing: ASKED is what was said.)
ASKED := $(CSV)
ifeq ($(CSV),)
CSV := $(shell sed -n 1p $(GIVEN) 2>/dev/null)
FUSION := $(or $(FUSION),$(shell sed -n 2p $(GIVEN) 2>/dev/null))
endif
export CSV FUSION
given = $(if $(filter predictions,$(1)),-p 'corpus=predictions:$(CSV)' $(if $(FUSION),$(if $(filter 04_quadrants,$(2)),-p 'fusion=$(FUSION)')))
$(GIVEN): FORCE
	@test -n "$$CSV" || { echo 'Which CSV? make study PROFILE=predictions CSV=mine.csv (see book/rerun.md)'; exit 1; }
	@test -f "$$CSV" || { echo "No file $$CSV"; exit 1; }
	@mkdir -p $(@D); { printf '%s\n' "$$CSV" "$$FUSION"; cksum < "$$CSV"; } > $@.new; \
	  if cmp -s $@.new $@; then rm $@.new; else mv $@.new $@; fi

# Parameters are checked for all chapters of a profile before the first one runs.
$(RUNS)/%/.checked: notebooks/profiles/%.yaml $(wildcard notebooks/*.ipynb) empdis_utils/run.py $(ENV)
	@mkdir -p $(@D)
	@$(PY) -m empdis_utils.run check $*
	@touch $@

# The paper's tables, which chapters set beside their own.
PAPER := $(wildcard book/paper/*.csv)

# One rule per profile and chapter.
define CHAPTER
$(RUNS)/$(1)/$(2).ipynb: $(BUILD)/code/$(2).json notebooks/profiles/$(1).yaml $(HELPERS) requirements.lock \
    $(foreach up,$(filter $(call chapters,$(1)),$(reads_$(2))),$(RUNS)/$(1)/$(up).ipynb) \
    $(if $(EMPDIS_DATA),$(wildcard $(EMPDIS_DATA)/$(1)/*)) $(if $(filter fixture,$(1)),$(wildcard tests/fixture/corpus/*)) \
    $(if $(filter 07_human_study,$(2)),$(wildcard $(ANNOTATIONS)/$(1)/*.csv)) \
    $(if $(filter empspeech paper,$(1)),$(wildcard $(or $(EMPDIS_CLIPS),$(EMPDIS_CACHE)/empspeech/clips)/clips.csv)) \
    $(if $(filter predictions,$(1)),$(GIVEN)) $(PAPER) | $(RUNS)/$(1)/.checked
	@$(PY) -m empdis_utils.run chapter $(1) $(2) --runs $(RUNS) $$(call given,$(1),$(2))
endef
$(foreach p,$(ALL_PROFILES),$(foreach c,$(call chapters,$(p)),$(eval $(call CHAPTER,$(p),$(c)))))

# These pages quote every run that is in the book.
$(RUNS)/book/00_findings.ipynb $(RUNS)/book/08_ledger.ipynb: $(call PAGES,$(filter-out book,$(PROFILES)))
$(RUNS)/book/08_ledger.ipynb: book/claims.yml
$(RUNS)/book/08_replication.ipynb: $(if $(filter empspeech,$(PROFILES)),$(RUNS)/empspeech/01_data.ipynb)

study: $(ENV)  ## Run one profile, or one chapter: PROFILE=mosi [NB=04_quadrants [P="threshold=0.6"]]
ifndef PROFILE
	@echo 'Which? make study PROFILE=NAME, with NAME one of: $(ALL_PROFILES)'; exit 1
else ifdef P
	@test -n '$(NB)' || { echo 'P changes one chapter: say which, NB=04_quadrants'; exit 1; }
	@$(PY) -m empdis_utils.run check $(PROFILE) $(NB) $(foreach p,$(P),-p '$(p)')
	@up='$(foreach up,$(filter $(call chapters,$(PROFILE)),$(reads_$(NB))),$(RUNS)/$(PROFILE)/$(up).ipynb)'; \
	  [ -z "$$up" ] || $(MAKE) --no-print-directory -j$(JOBS) $$up
	@name='$(PROFILE)--$(NB)--'$$(printf '%s' '$(P)' | tr -cs 'A-Za-z0-9._' '-'); \
	  $(PY) -m empdis_utils.run chapter $(PROFILE) $(NB) --runs $(RUNS) --run "$$name" $(call given,$(PROFILE),$(NB)) $(foreach p,$(P),-p '$(p)') && \
	  echo "page and tables: $(RUNS)/$$name"
else
	@$(PY) -m empdis_utils.run check $(PROFILE) $(NB)
	@$(MAKE) --no-print-directory -j$(JOBS) $(if $(NB),$(RUNS)/$(PROFILE)/$(NB).ipynb,$(call PAGES,$(PROFILE)))
	@echo "pages and tables: $(RUNS)/$(PROFILE)"
endif

audit: $(ENV)  ## What the split of your own corpus hides: CSV=my_manifest.csv
	@test -n '$(ASKED)' || { echo 'Which manifest? make audit CSV=my_manifest.csv (columns: book/own-corpus.md)'; exit 1; }
	@for chapter in $(call chapters,audit); do \
	  $(PY) -m empdis_utils.run chapter audit $$chapter --runs $(RUNS) -p 'corpus=$(CSV)' || exit 1; done
	@echo 'tables: $(RUNS)/audit/artifacts   pages: make book, then "Other runs"'

# ---- book ------------------------------------------------------------------------------------
book: $(ENV)  ## Run what has changed and render the book into _build/html
	@$(MAKE) --no-print-directory -j$(JOBS) $(BUILD)/html/index.html
	@echo "open $(BUILD)/html/index.html"

# Parts of MathJax that no page loads: other combined components, words for speech in other languages.
MATHJAX_UNUSED := mml-*.js tex-mml-*.js tex-svg*.js tex-chtml-full*.js node-main* sre/mathmaps/[!be]* \
  sre/mathmaps/es.json input/asciimath* input/mml* input/tex-full.js latest.js \
  output/chtml/fonts

# Pages without formulas do not load MathJax; the theme's icons come from its font, not from a script.
define LIGHTER
find _static -name '*.map' -delete; rm -rf $(addprefix _static/mathjax/,$(MATHJAX_UNUSED)) _static/scripts/fontawesome.js*; \
	  find . -name '*.html' -not -path './_static/*' | xargs sed -i -E 's|<script[^>]*/fontawesome.js[^>]*></script>||' && \
	  grep -rL --include='*.html' 'class="math' . | xargs sed -i -E 's|<script[^>]*/tex-chtml.js[^>]*></script>||'
endef

PROSE := $(shell find book -type f)
$(BUILD)/html/index.html: $(call PAGES,$(PROFILES) book) $(PROSE) _toc.yml _config.yml $(wildcard notebooks/*.ipynb)
	@$(PY) -m empdis_utils.book stage --runs $(RUNS) --out $(BUILD)/stage
	@rm -rf $(BUILD)/render/_build/html/_static  # always copied anew; what is gone must not stay
	@$(PY) -c 'from jupyter_book.cli.main import main; main()' build $(BUILD)/stage --path-output $(BUILD)/render -W -n -q > $(BUILD)/sphinx.log 2>&1 || \
	  { cat $(BUILD)/sphinx.log; exit 1; }
	@cd $(BUILD)/render/_build/html && $(LIGHTER)
	@rm -rf $(BUILD)/html.old && if [ -e $(BUILD)/html ]; then mv $(BUILD)/html $(BUILD)/html.old; fi
	@cp -r $(BUILD)/render/_build/html $(BUILD)/html && rm -rf $(BUILD)/html.old && touch $@

BROWSER ?= $(firstword $(foreach b,chromium chromium-browser google-chrome,$(shell command -v $(b))))
pdf: book  ## The whole book as one PDF, _build/book.pdf (needs Chromium or Chrome)
	@test -n '$(BROWSER)' || { echo 'make pdf prints with Chromium: install it (Debian: apt install chromium), or give BROWSER=path'; exit 1; }
	@$(PY) -c 'from jupyter_book.cli.main import main; main()' build $(BUILD)/stage --path-output $(BUILD)/render --builder custom --custom-builder singlehtml -q > $(BUILD)/pdf.log 2>&1 || \
	  { cat $(BUILD)/pdf.log; exit 1; }
	@$(BROWSER) --headless --disable-gpu $(if $(filter 0,$(shell id -u)),--no-sandbox) --no-pdf-header-footer --virtual-time-budget=60000 \
	  --print-to-pdf=$(BUILD)/book.pdf file://$(abspath $(BUILD))/render/_build/singlehtml/index.html 2>> $(BUILD)/pdf.log
	@echo "wrote $(BUILD)/book.pdf"

data: $(ENV)  ## Download the real corpora into the cache, checked by SHA-256
	@$(PY) -m empdis_utils.corpora empspeech mosi cremad

clips: $(ENV)  ## Fetch EMPSPEECH's clips from YouTube: AGREE=yes [SLEEP=10] [AGAIN=yes] (book/rerun.md)
	@$(PY) -m empdis_utils.clips $(if $(filter yes,$(AGREE)),--agree) $(if $(SLEEP),--sleep $(SLEEP)) $(if $(AGAIN),--again)

course: $(ENV)  ## Put the exercises of the course into my-exercises (work that is there is kept)
	@$(PY) -m empdis_utils.course my-exercises
	@echo "open them: $(PY) -m jupyterlab my-exercises"

# The sample is drawn once: a study in progress keeps it (annotations/NAME/sample.parquet).
STUDY = $(or $(PROFILE),fixture)
annotate: $(ENV)  ## Judge clips in the browser of this computer: [PROFILE=fixture] [PORT=8866]
	@test -e $(ANNOTATIONS)/$(STUDY)/sample.parquet || test -e $(RUNS)/$(STUDY)/artifacts/annotation_sample.parquet || \
	  test -z '$(filter 07_human_study,$(call chapters,$(STUDY)))' || \
	  $(MAKE) --no-print-directory study PROFILE=$(STUDY) NB=07_human_study
	@$(PY) -m empdis_utils.annotate $(STUDY) --runs $(RUNS) --to $(ANNOTATIONS) $(if $(PORT),--port $(PORT))

# ---- checks ----------------------------------------------------------------------------------
test: $(ENV) lint  ## Set up everything and run all tests
	@HF_HUB_OFFLINE=1 $(PY) -m pytest

lint: $(ENV)
	@$(PY) -m ruff check . && $(PY) -m ruff format --check .

bench: $(ENV)  ## Measure speed and memory; results go to benchmarks/results
	@$(PY) -m benchmarks

lock: $(ENV)
	@$(PY) -m pip install --quiet uv && $(PY) -m uv pip compile pyproject.toml --extra dev --python-version 3.11 \
	  --universal --no-header --no-annotate -o requirements.lock && sed -i -E '/^(nvidia-|cuda-|triton)/d' requirements.lock

clean:  ## Remove all that was built (not .venv, not downloaded corpora)
	rm -rf $(BUILD)

clean-cache:  ## Remove the encoders' activations, finished fits and measured clips (not downloaded corpora)
	rm -rf "$(EMPDIS_CACHE)/encoders" "$(EMPDIS_CACHE)/features"
