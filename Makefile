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

# An environment of our own unless one is given (make book PY=python).
ENV := $(if $(filter $(VENV)/bin/python,$(PY)),$(VENV)/.installed)
export EMPDIS_DATA := $(if $(EMPDIS_DATA),$(abspath $(EMPDIS_DATA)))

# What each chapter reads from earlier ones. A chapter that a profile does not run is left out.
reads_02_unimodal    := 01_data
reads_03_fusion      := 01_data 02_unimodal
reads_04_quadrants   := 01_data 02_unimodal 03_fusion
reads_05_features    := 01_data 03_fusion 04_quadrants
reads_06_entropy     := 01_data 03_fusion 04_quadrants
reads_07_human_study := 01_data 04_quadrants
reads_09_recovery    := 01_data 03_fusion 04_quadrants 05_features

# Profiles in the book: the fixture, which comes with the project, and every real corpus at hand.
ALL_PROFILES := $(basename $(notdir $(wildcard notebooks/profiles/*.yaml)))
PROFILE_DATA  = $(foreach d,$(EMPDIS_DATA) $(EMPDIS_CACHE),$(wildcard $(d)/$(1)/*.csv))
EMPDIS_CACHE ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/empdis
PROFILES ?= fixture $(foreach p,empspeech mosi cremad,$(if $(call PROFILE_DATA,$(p)),$(p)))

chapters = $(shell sed -n 's/^\([0-9][0-9]_[a-z_]*\):.*/\1/p' notebooks/profiles/$(1).yaml 2>/dev/null)
HELPERS := $(wildcard empdis_utils/*.py)
PAGES    = $(foreach p,$(1),$(foreach c,$(call chapters,$(p)),$(RUNS)/$(p)/$(c).ipynb))

.PHONY: help env book test study data lint bench clean lock FORCE

help:  ## Explain every target
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## */\1|/' | \
	  awk -F'|' '{printf "  make %-8s %s\n", $$1, $$2}'
	@echo '  make study PROFILE=mosi NB=04_quadrants P="threshold=0.6"   reruns one chapter aside'
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

# Parameters are checked for all chapters of a profile before the first one runs.
$(RUNS)/%/.checked: notebooks/profiles/%.yaml $(wildcard notebooks/*.ipynb) empdis_utils/run.py $(ENV)
	@mkdir -p $(@D)
	@$(PY) -m empdis_utils.run check $*
	@touch $@

# One rule per profile and chapter.
define CHAPTER
$(RUNS)/$(1)/$(2).ipynb: $(BUILD)/code/$(2).json notebooks/profiles/$(1).yaml $(HELPERS) requirements.lock \
    $(foreach up,$(filter $(call chapters,$(1)),$(reads_$(2))),$(RUNS)/$(1)/$(up).ipynb) \
    $(if $(EMPDIS_DATA),$(wildcard $(EMPDIS_DATA)/$(1)/*)) $(if $(filter fixture,$(1)),$(wildcard tests/fixture/corpus/*)) \
    | $(RUNS)/$(1)/.checked
	@$(PY) -m empdis_utils.run chapter $(1) $(2) --runs $(RUNS)
endef
$(foreach p,$(ALL_PROFILES),$(foreach c,$(call chapters,$(p)),$(eval $(call CHAPTER,$(p),$(c)))))

# The first page quotes every run that is in the book.
$(RUNS)/book/00_findings.ipynb: $(call PAGES,$(filter-out book,$(PROFILES)))

study: $(ENV)  ## Run one profile, or one chapter: PROFILE=mosi [NB=04_quadrants [P="threshold=0.6"]]
ifndef PROFILE
	@echo 'Which? make study PROFILE=NAME, with NAME one of: $(ALL_PROFILES)'; exit 1
else ifdef P
	@test -n '$(NB)' || { echo 'P changes one chapter: say which, NB=04_quadrants'; exit 1; }
	@$(PY) -m empdis_utils.run check $(PROFILE) $(NB) $(foreach p,$(P),-p '$(p)')
	@up='$(foreach up,$(filter $(call chapters,$(PROFILE)),$(reads_$(NB))),$(RUNS)/$(PROFILE)/$(up).ipynb)'; \
	  [ -z "$$up" ] || $(MAKE) --no-print-directory -j$(JOBS) $$up
	@name='$(PROFILE)--$(NB)--'$$(printf '%s' '$(P)' | tr -cs 'A-Za-z0-9._' '-'); \
	  $(PY) -m empdis_utils.run chapter $(PROFILE) $(NB) --runs $(RUNS) --run "$$name" $(foreach p,$(P),-p '$(p)') && \
	  echo "page and tables: $(RUNS)/$$name"
else
	@$(PY) -m empdis_utils.run check $(PROFILE) $(NB)
	@$(MAKE) --no-print-directory -j$(JOBS) $(if $(NB),$(RUNS)/$(PROFILE)/$(NB).ipynb,$(call PAGES,$(PROFILE)))
	@echo "pages and tables: $(RUNS)/$(PROFILE)"
endif

# ---- book ------------------------------------------------------------------------------------
book: $(ENV)  ## Run what has changed and render the book into _build/html
	@$(MAKE) --no-print-directory -j$(JOBS) $(BUILD)/html/index.html
	@echo "open $(BUILD)/html/index.html"

PROSE := $(shell find book -type f)
$(BUILD)/html/index.html: $(call PAGES,$(PROFILES) book) $(PROSE) _toc.yml _config.yml $(wildcard notebooks/*.ipynb)
	@$(PY) -m empdis_utils.book stage --runs $(RUNS) --out $(BUILD)/stage
	@$(PY) -c 'from jupyter_book.cli.main import main; main()' build $(BUILD)/stage --path-output $(BUILD)/render -W -n -q > $(BUILD)/sphinx.log 2>&1 || \
	  { cat $(BUILD)/sphinx.log; exit 1; }
	@rm -rf $(BUILD)/html.old && if [ -e $(BUILD)/html ]; then mv $(BUILD)/html $(BUILD)/html.old; fi
	@cp -r $(BUILD)/render/_build/html $(BUILD)/html && rm -rf $(BUILD)/html.old && touch $@

data: $(ENV)  ## Download the real corpora into the cache, checked by SHA-256
	@$(PY) -m empdis_utils.corpora empspeech mosi cremad

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
