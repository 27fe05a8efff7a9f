# One target per task; `make` alone lists them. The environment in .venv is created automatically: with uv if it is
# installed, else with venv and pip. Without make: pip install -e ".[cpu,dashboard,analysis]", then use `musicml`.

DATA ?= sample

# gpu if there is an NVIDIA GPU (TensorFlow has GPU wheels for Linux only), else cpu; override with make EXTRA=cpu
ifndef EXTRA
EXTRA := $(shell if test "$$(uname -s)" = Linux && nvidia-smi >/dev/null 2>&1; then echo gpu; else echo cpu; fi)
endif

# the first of these that is Python 3.11 to 3.13 is used; override with make PYTHON=python3.12
PYTHONS = $(or $(PYTHON),python3 python3.13 python3.12 python3.11 python)
FITS = import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))

# These files mark a complete environment. Relative paths work even if the path of this folder contains spaces.
READY := .venv/.ready-$(EXTRA)
DEV := .venv/.ready-$(EXTRA)-dev
DOCS := .venv/.ready-$(EXTRA)-docs
LESSONS := .venv/.ready-$(EXTRA)-lessons
JAX := .venv-jax/.ready
AUDIT := .venv-audit/.ready
AXE := .venv/axe/node_modules/axe-core/axe.min.js

# If the download fails, make continues: only some experiments need these weights.
GET_MUSICNN = .venv/bin/musicml fetch musicnn || echo "Without musicnn's weights, experiments that need them are skipped."

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help install train-all replay dashboard lessons lessons-teacher lessons-figures test test-jax test-browser test-wheel test-lessons \
  fuzz torture bench lint format messages docs docs-messages lock audit-deps clean

help: ## list the targets
	@echo "make ...   (EXTRA=$(EXTRA), DATA=$(DATA))"
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-13s %s\n", $$1, $$2}' Makefile

install: $(READY) ## install the locked packages and the musicml command in .venv, and download musicnn's weights
	@$(GET_MUSICNN)

train-all: $(READY) ## train all experiments and compare them; DATA=sample (synthetic, the default) or real (downloads it first)
	@$(GET_MUSICNN)
	@case "$(DATA)" in \
	  sample) .venv/bin/musicml fetch --sample ;; \
	  real) .venv/bin/musicml fetch || test $$? -eq 1 ;; \
	esac
	@.venv/bin/musicml train-all --data "$(DATA)"

replay: $(READY) ## repeat published results with their faults, and compare them with honest ones; DATA as above
	@case "$(DATA)" in \
	  sample) .venv/bin/musicml fetch --sample ;; \
	  real) .venv/bin/musicml fetch || test $$? -eq 1 ;; \
	esac
	@.venv/bin/musicml replay --data "$(DATA)" $(ARGS)

dashboard: $(READY) ## explore the runs in a browser; MUSICML_RUNS and MUSICML_DATA set other folders
	@.venv/bin/musicml dashboard $(ARGS)

lessons: $(LESSONS) ## build the notebooks of the lessons, lessons/en and lessons/id, from lessons/src
	@.venv/bin/python -m lessons.build
	@echo "lessons/en and lessons/id. Copy and open them with: .venv/bin/musicml lessons"

lessons-teacher: $(LESSONS) ## build them with solutions, in build/lessons-teacher
	@.venv/bin/python -m lessons.build --teacher build/lessons-teacher
	@echo "build/lessons-teacher"

lessons-figures: $(READY) ## draw the figures for slides as SVG, in build/figures/en and build/figures/id
	@.venv/bin/python -m lessons.figures build/figures

test: $(DEV) ## run the tests; ARGS="-k splits" selects some
	@KERAS_BACKEND=tensorflow .venv/bin/python -m pytest -q -m "not jax and not browser" \
	  -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder $(ARGS)

test-jax: $(JAX) ## run the JAX tests in .venv-jax, an environment without TensorFlow
	@! .venv-jax/bin/python -c 'import tensorflow' 2>/dev/null \
	  || { echo "TensorFlow is installed in .venv-jax but must not be: rm -r .venv-jax, then make test-jax" >&2; exit 1; }
	@KERAS_BACKEND=jax JAX_PLATFORMS=cpu .venv-jax/bin/python -m pytest -q -m "jax or not browser" tests/training/test_jax.py tests/training/test_distribution.py $(ARGS)

test-browser: $(DEV) ## test the dashboard in Chromium; MUSICML_SCREENSHOTS sets a folder for screenshots
	@.venv/bin/python -m tests.browser.tabs
	@if ! test -e $(AXE) || ! cmp -s tests/browser/package-lock.json .venv/axe/package-lock.json; then \
	  rm -rf .venv/axe; mkdir -p .venv/axe; cp tests/browser/package.json tests/browser/package-lock.json .venv/axe; \
	  npm ci --silent --no-audit --no-fund --prefix .venv/axe >/dev/null 2>&1 \
	    || echo "npm could not download axe-core: accessibility is not tested" >&2; \
	fi
	@KERAS_BACKEND=tensorflow MUSICML_AXE=$(AXE) .venv/bin/python -m pytest -q -rs -m browser tests/browser $(ARGS)

test-wheel: $(DEV) ## build the wheel, install it in another folder, train a run there and open the dashboard
	@.venv/bin/python -m pytest -q tests/wheel_check.py $(ARGS)

test-lessons: $(DEV) $(LESSONS) ## execute the notebooks of all lessons, with the solutions of their exercises, two at a time
	@KERAS_BACKEND=tensorflow .venv/bin/python -m pytest -q tests/course/lesson_check.py tests/course/test_lessons.py -n 2 $(ARGS)

fuzz: $(DEV) ## test 10,000 damaged sounds and 2,000 damaged pictures
	@.venv/bin/python -m tests.fuzz --sounds 10000 --pictures 2000 $(ARGS)

torture: $(DEV) ## kill commands at 200 random moments, fill the disk, read runs during training; ARGS="--kills 6"
	@.venv/bin/python -m tests.torture --kills 200 --disks 24 --readers 20 $(ARGS)

bench: $(DEV) ## run the benchmarks and write benchmarks/results (some minutes; do not use the machine meanwhile)
	@KERAS_BACKEND=tensorflow .venv/bin/python -m benchmarks $(ARGS)

messages: $(DEV) ## update the translations from the code
	@mkdir -p build
	@.venv/bin/pybabel -q extract -F babel.cfg --no-default-keywords -k InputError -k Message -k pluralize:1,2 -k _ \
	  --add-location=file --sort-by-file -o build/messages.pot .
	@.venv/bin/pybabel -q update -i build/messages.pot -o musicml/locales/id.po -l id -w 100 --ignore-obsolete \
	  --ignore-pot-creation-date

docs: $(DOCS) ## build the documentation in English and Indonesian, and check its links, examples and translations
	@rm -rf build/docs
	@$(call sphinx,html,en)
	@cp docs/start.html build/docs/index.html
	@$(call sphinx,html,id)
	@$(call sphinx,doctest,en) >build/docs/doctest.log || { cat build/docs/doctest.log; exit 1; }
	@$(call sphinx,gettext,gettext)
	@.venv/bin/python docs/check.py build/docs docs/locales
	@echo "build/docs/index.html"

docs-messages: $(DOCS) ## update the Indonesian catalogs of the documentation after a change of its English pages
	@$(call sphinx,gettext,gettext)
	@.venv/bin/sphinx-intl update -p build/docs/gettext -d docs/locales -l id -w 0 --no-obsolete >/dev/null
	@rm -f $(addprefix docs/locales/id/LC_MESSAGES/,reference.po explanation.po)

lint: $(DEV) ## check style (ruff), imports between rooms (import-linter) and types (mypy)
	@.venv/bin/ruff check -q --output-format concise .
	@.venv/bin/ruff format -q --check . || { echo "some files are not formatted: run make format" >&2; exit 1; }
	@.venv/bin/lint-imports --no-cache >.venv/lint-imports 2>&1 || { cat .venv/lint-imports; exit 1; }
	@.venv/bin/python -m mypy musicml dashboard >.venv/mypy 2>&1 || { cat .venv/mypy; exit 1; }

format: $(DEV) ## apply ruff's automatic fixes
	@.venv/bin/ruff check -q --fix .
	@.venv/bin/ruff format -q .

lock: ## update the locked versions after a change of the dependencies in setup.cfg (needs uv)
	@$(call locked,cpu,--extra cpu --extra dashboard --extra analysis --extra report --extra cluster)
	@$(call locked,gpu,--extra gpu --extra dashboard --extra analysis --extra report --extra cluster --constraint requirements/cpu.txt)
	@$(call locked,jax,--extra jax --constraint requirements/cpu.txt)
	@$(call locked,dev,--extra dev --constraint requirements/cpu.txt)
	@$(call locked,docs,--extra docs --constraint requirements/cpu.txt --constraint requirements/dev.txt)
	@$(call locked,lessons,--extra lessons --constraint requirements/cpu.txt --constraint requirements/dev.txt)
	@$(call locked,audit,--extra audit --constraint requirements/cpu.txt)

audit-deps: $(AUDIT) ## check the locked packages for known vulnerabilities (needs the network)
	@.venv-audit/bin/python requirements/audit_deps.py requirements/*.txt

clean: ## delete the environments and the caches of tools; data and runs stay
	@rm -rf .venv .venv-jax .venv-audit .pytest_cache .ruff_cache .mypy_cache build dist musicml.egg-info
	@find musicml tests -name __pycache__ -type d -prune -exec rm -rf {} +

# CPU and GPU TensorFlow install into the same folder, so switching between them rebuilds the environment.
$(READY): setup.cfg requirements/$(EXTRA).txt
	@if ls .venv/.ready-* >/dev/null 2>&1 && ! test -e $(READY); then rm -rf .venv; fi
	@$(call installed,.venv,requirements/$(EXTRA).txt)
	@touch $(READY)

$(DEV): $(READY) requirements/dev.txt
	@$(call installed,.venv,requirements/dev.txt)
	@touch $(DEV)

$(DOCS): $(READY) requirements/docs.txt
	@$(call installed,.venv,requirements/docs.txt)
	@touch $(DOCS)

$(LESSONS): $(READY) requirements/lessons.txt
	@$(call installed,.venv,requirements/lessons.txt)
	@touch $(LESSONS)

$(JAX): setup.cfg requirements/jax.txt requirements/dev.txt
	@$(call installed,.venv-jax,requirements/jax.txt)
	@$(call installed,.venv-jax,requirements/dev.txt)
	@touch $(JAX)

$(AUDIT): setup.cfg requirements/audit.txt
	@$(call installed,.venv-audit,requirements/audit.txt)
	@touch $(AUDIT)

# $(call sphinx,BUILDER,FOLDER): build the pages with a builder of Sphinx, in the language that the folder is named for.
# A warning is an error.
sphinx = .venv/bin/python -m sphinx -q -W --keep-going -b $(1) -d build/docs/.doctrees/$(2) \
  $(if $(filter id,$(2)),-D language=id) docs build/docs/$(if $(filter doctest,$(1)),.doctest,$(2))

# $(call installed,FOLDER,LOCK): create the environment if needed, then install the locked packages and the project.
# These are two steps, since pip cannot check hashes and install an editable project at once.
define installed
set -e; \
if uv --version >/dev/null 2>&1; then with=uv; else with=pip; fi; \
if ! $(1)/bin/python -c '$(FITS)' 2>/dev/null; then \
  found=; seen=none; \
  for python in $(PYTHONS); do \
    if "$$python" -c '$(FITS)' 2>/dev/null; then found=$$python; break; fi; \
    if version=$$("$$python" --version 2>&1) && test "$$seen" = none; then seen=$$version; fi; \
  done; \
  if test -z "$$found"; then \
    echo "musicml needs Python 3.11, 3.12 or 3.13, found $$seen. Install one and name it: make PYTHON=python3.12" >&2; exit 1; \
  fi; \
  rm -rf $(1); \
  if test $$with = uv; then uv venv -q --python "$$found" $(1); else "$$found" -m venv --without-pip $(1); fi; \
fi; \
echo "Installing $(2) into $(1) with $$with ..."; \
if test $$with = uv; then \
  uv pip install -q --compile-bytecode --python $(1)/bin/python --require-hashes -r $(2); \
  uv pip install -q --python $(1)/bin/python --no-deps --no-build-isolation -e .; \
else \
  $(1)/bin/python -m pip --version >/dev/null 2>&1 || $(1)/bin/python -m ensurepip >/dev/null 2>&1 \
    || { echo "Python's ensurepip is missing, which is needed for $(1). On Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }; \
  $(1)/bin/python -m pip install -q --disable-pip-version-check --require-hashes -r $(2); \
  $(1)/bin/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .; \
fi
endef

# $(call locked,NAME,OPTIONS): write requirements/NAME.txt for all systems and Pythons, with one version of each package
# where possible. It includes setuptools, so that building the project needs no further download.
define locked
set -e; new=requirements/.$(1).txt; \
{ echo "# Written by make lock, from setup.cfg."; \
  echo setuptools | uv pip compile -q --no-config --universal --python-version 3.11 --fork-strategy fewest \
  --generate-hashes --no-header --no-annotate --no-emit-index-url setup.cfg - $(2); } > $$new; \
mv $$new requirements/$(1).txt; echo "requirements/$(1).txt"
endef
