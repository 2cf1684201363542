# The entry: one line for each thing a person asks for. `make help` lists them.
# What must run is planned by empdis_utils.press.flow, from content; Make runs the plan (_build/runs/.make).
SHELL := /bin/bash
.DELETE_ON_ERROR:
.SUFFIXES:
.DEFAULT_GOAL := help

VENV  := .venv
PY    ?= $(VENV)/bin/python
PYTHON ?= $(firstword $(foreach p,python3.11 python3.12 python3.13 python3,$(shell command -v $(p))))
# An environment of our own unless one is given (make book PY=python).
ENV := $(if $(filter $(VENV)/bin/python,$(PY)),$(VENV)/.installed)

# What is asked for reaches Python through the environment, never through a shell.
BUILD ?= _build
JOBS  ?= 2
EMPDIS_DASK := $(or $(DASK),$(EMPDIS_DASK))
SAID := PROFILE PROFILES NB P CSV FUSION PORT ANNOTATIONS SLEEP EMPDIS_DATA EMPDIS_CACHE BROWSER REPO SOLUTIONS
$(foreach word,$(SAID),$(eval override $(word) := $$(value $(word))))
export BUILD JOBS EMPDIS_DASK $(SAID)
FLOW = @$(PY) -m empdis_utils.press.flow

.PHONY: help env book instructor status compare release pdf test study annotate audit responses data clips course lint bench bench-gpu clean clean-cache lock

help:  ## Explain every target
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo '  make study PROFILE=mosi NB=04_quadrants P="threshold=0.6"   reruns one chapter aside'
	@echo '  make study PROFILE=predictions CSV=mine.csv                 pages for probabilities of your own'
	@echo '  make study PROFILE=fixture DASK=tcp://host:8786             sends the work on clips to a Dask cluster'
	@echo '  Variables: PY=python (use the active environment), EMPDIS_DATA=folder of corpora, JOBS=2'

# ---- environment -----------------------------------------------------------------------------
# Hashes are checked but for torch, whose CPU builds differ. All cores compile the modules, not pip's one.
PIP = -m pip install --quiet --no-compile --disable-pip-version-check
define INSTALL
@echo "[env ] installing requirements.lock"
@$(1) $(PIP) --require-hashes --no-deps -r requirements.lock
@$(1) $(PIP) -r requirements-torch.lock && $(1) $(PIP) --no-deps --no-build-isolation -e .
@$(1) -m compileall -qq -j 0 $$($(1) -c 'import sysconfig; print(sysconfig.get_path("purelib"))') || true
@$(1) -m pip check > /dev/null || $(1) -m pip check
endef

env: $(ENV)  ## Set up .venv from the locks (other targets do it by themselves); with conda: make env PY=python
	$(if $(ENV),@true,$(call INSTALL,$(PY)))

$(VENV)/.installed: requirements.lock requirements-torch.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "No python3.11, 3.12 or 3.13 on the PATH: install one (Debian: python3 python3-venv)."; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || \
	  { echo "$(PYTHON) is not Python 3.11 to 3.13: make env PYTHON=python3.11"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
	  { echo "venv failed: on Debian and Ubuntu install the package python3-venv, then repeat."; exit 1; }
	$(call INSTALL,$(VENV)/bin/python)
	@touch $@

# ---- the book --------------------------------------------------------------------------------
book: $(ENV)  ## Run what has changed and render the book into _build/html
	$(FLOW) book

instructor: $(ENV)  ## The book with the solutions of the exercises, for teachers: _build/instructor/html
	@SOLUTIONS=yes $(PY) -m empdis_utils.press.flow book

status: $(ENV)  ## Say what `make book` would run, why, and about how long
	$(FLOW) status

compare: $(ENV)  ## Hold the runs here against the released results, table by table: [PROFILE=mosi]
	@$(PY) -m empdis_utils.press.compare

release: $(ENV)  ## Write results/ anew from finished, current runs: [PROFILES="mosi cremad"]
	@$(PY) -m empdis_utils.press.release $$PROFILES

study: $(ENV)  ## Run one profile, or one chapter: PROFILE=mosi [NB=04_quadrants [P="threshold=0.6"]]
	$(FLOW) study

audit: $(ENV)  ## What the split of your own corpus hides: CSV=my_manifest.csv
	$(FLOW) audit

responses: $(ENV)  ## Answers of your own beside trivial ones: CSV=mine.csv
	$(FLOW) responses

annotate: $(ENV)  ## Judge clips in the browser of this computer: [PROFILE=fixture] [PORT=8866]
	$(FLOW) annotate

pdf: book  ## The whole book as one PDF, _build/book.pdf (needs Chromium or Chrome)
	@$(PY) -m empdis_utils.press.pages pdf --build "$$BUILD"

data: $(ENV)  ## Download the real corpora into the cache, checked by SHA-256
	@$(PY) -m empdis_utils.data.corpora empspeech mosi cremad mustardpp
	@$(PY) -m empdis_utils.data.dialogues merg meld emotionlines epitome

clips: $(ENV)  ## Fetch EMPSPEECH's clips from YouTube: AGREE=yes [SLEEP=10] [AGAIN=yes] (book/rerun.md)
	@$(PY) -m empdis_utils.data.youtube $(if $(filter yes,$(AGREE)),--agree) $${SLEEP:+--sleep "$$SLEEP"} $(if $(filter yes,$(AGAIN)),--again)

course: $(ENV)  ## Put the exercises of the course into my-exercises; for nbgrader, with solutions: FORMAT=nbgrader
	@$(PY) -m empdis_utils.press.course $(if $(filter nbgrader,$(FORMAT)),my-course --nbgrader,my-exercises)
	@echo "$(if $(filter nbgrader,$(FORMAT)),go on: cd my-course && nbgrader generate_assignment 01_data,open them: $(PY) -m jupyterlab my-exercises)"

# ---- checks ----------------------------------------------------------------------------------
test: $(ENV) lint  ## Set up everything and run all tests
	@HF_HUB_OFFLINE=1 OMP_NUM_THREADS=1 $(PY) -m pytest -n "$$JOBS" --dist loadfile --no-loadscope-reorder

lint: $(ENV)
	@$(PY) -m ruff check . && $(PY) -m ruff format --check .

bench: $(ENV)  ## Measure speed and memory; results go to benchmarks/results
	@$(PY) -m benchmarks
bench-gpu: $(ENV); @$(PY) -m benchmarks bench_gpu  ## The six encoders at base size on the GPU of this machine

lock: $(ENV)
	@$(PY) $(PIP) uv && $(PY) -m uv pip compile pyproject.toml --extra dev --python-version 3.11 \
	  --universal --generate-hashes --no-header --no-annotate --quiet -o requirements.lock
	@awk '/^[^ ]/ {drop = /^(torch=|nvidia-|cuda-|triton)/} !drop' requirements.lock > requirements.lock.new \
	  && mv requirements.lock.new requirements.lock
	@grep -o 'torch==[0-9.]*' pyproject.toml > requirements-torch.lock

clean:  ## Remove all that was built (not .venv, not downloaded corpora)
	rm -rf $(BUILD)

clean-cache:  ## Remove the encoders' activations, finished fits and measured clips (not downloaded corpora)
	@$(PY) -c 'import shutil; from empdis_utils.places import cache_dir as c; \
	  [shutil.rmtree(c(name), ignore_errors=True) for name in ("encoders", "features")]'
