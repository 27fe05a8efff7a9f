# One word for everything; `make` alone prints them. It makes its own environment: with uv where there is one,
# with venv and pip elsewhere. Without make: pip install -e ".[cpu,dashboard,analysis]", then the musicml command.

DATA ?= sample

# gpu where an NVIDIA card answers (TensorFlow's GPU wheels are for Linux), cpu elsewhere; make EXTRA=cpu overrules it
ifndef EXTRA
EXTRA := $(shell if test "$$(uname -s)" = Linux && nvidia-smi >/dev/null 2>&1; then echo gpu; else echo cpu; fi)
endif

# the first of these that is 3.11 to 3.13; make PYTHON=python3.12 overrules it
PYTHONS = $(or $(PYTHON),python3 python3.13 python3.12 python3.11 python)
FITS = import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))

# A file in the environment is the sign that it is whole. Paths are relative, so a space in the folder's does no harm.
READY := .venv/.ready-$(EXTRA)
DEV := .venv/.ready-$(EXTRA)-dev
DOCS := .venv/.ready-$(EXTRA)-docs
JAX := .venv-jax/.ready
AUDIT := .venv-audit/.ready
AXE := .venv/axe/node_modules/axe-core/axe.min.js

# without these weights, everything that does not need them goes on
GET_MUSICNN = .venv/bin/musicml fetch musicnn || echo "Without musicnn's weights, experiments that need them are skipped."

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help install train-all replay dashboard test test-jax test-browser test-wheel fuzz torture bench lint format messages \
  docs docs-messages lock audit-deps clean

help: ## print this
	@echo "make ...   (EXTRA=$(EXTRA), DATA=$(DATA))"
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-13s %s\n", $$1, $$2}' Makefile

install: $(READY) ## make .venv with the locked packages and the musicml command, and get musicnn's weights
	@$(GET_MUSICNN)

train-all: $(READY) ## train every experiment and compare them; DATA=sample (generated, the default) or real (fetched first)
	@$(GET_MUSICNN)
	@case "$(DATA)" in \
	  sample) .venv/bin/musicml fetch --sample ;; \
	  real) .venv/bin/musicml fetch || test $$? -eq 1 ;; \
	esac
	@.venv/bin/musicml train-all --data "$(DATA)"

replay: $(READY) ## published results with their faults, replayed beside honest ones; DATA=sample or real, as above
	@case "$(DATA)" in \
	  sample) .venv/bin/musicml fetch --sample ;; \
	  real) .venv/bin/musicml fetch || test $$? -eq 1 ;; \
	esac
	@.venv/bin/musicml replay --data "$(DATA)" $(ARGS)

dashboard: $(READY) ## explore the runs and ask them, in a browser; MUSICML_RUNS and MUSICML_DATA name other folders
	@.venv/bin/musicml dashboard $(ARGS)

test: $(DEV) ## run the tests; ARGS="-k splits" chooses some
	@KERAS_BACKEND=tensorflow .venv/bin/python -m pytest -q -m "not jax and not browser" \
	  -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder $(ARGS)

test-jax: $(JAX) ## run the tests on JAX, in .venv-jax, which has no TensorFlow
	@! .venv-jax/bin/python -c 'import tensorflow' 2>/dev/null \
	  || { echo ".venv-jax must be without TensorFlow, and has it: rm -r .venv-jax, then make test-jax" >&2; exit 1; }
	@KERAS_BACKEND=jax JAX_PLATFORMS=cpu .venv-jax/bin/python -m pytest -q tests/training/test_jax.py $(ARGS)

test-browser: $(DEV) ## drive the dashboard in a real Chromium; MUSICML_SCREENSHOTS names where its pictures go
	@.venv/bin/python -m tests.browser.tabs
	@if ! test -e $(AXE) || ! cmp -s tests/browser/package-lock.json .venv/axe/package-lock.json; then \
	  rm -rf .venv/axe; mkdir -p .venv/axe; cp tests/browser/package.json tests/browser/package-lock.json .venv/axe; \
	  npm ci --silent --no-audit --no-fund --prefix .venv/axe >/dev/null 2>&1 \
	    || echo "npm could not fetch axe-core: whether everybody can read the pages is not tested" >&2; \
	fi
	@KERAS_BACKEND=tensorflow MUSICML_AXE=$(AXE) .venv/bin/python -m pytest -q -rs -m browser tests/browser $(ARGS)

test-wheel: $(DEV) ## build the wheel, install it in another folder, and train and show a run there
	@.venv/bin/python -m pytest -q tests/wheel_check.py $(ARGS)

fuzz: $(DEV) ## read 10,000 damaged sounds and 2,000 damaged pictures
	@.venv/bin/python -m tests.fuzz --sounds 10000 --pictures 2000 $(ARGS)

torture: $(DEV) ## kill commands at 200 random moments, fill their disk, read runs that are written; ARGS="--kills 6"
	@.venv/bin/python -m tests.torture --kills 200 --disks 24 --readers 20 $(ARGS)

bench: $(DEV) ## measure; figures go to benchmarks/results (some minutes; leave the machine alone meanwhile)
	@KERAS_BACKEND=tensorflow .venv/bin/python -m benchmarks $(ARGS)

messages: $(DEV) ## bring the translations up to date with the code
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

docs-messages: $(DOCS) ## bring the translations of the documentation up to date with its English pages
	@$(call sphinx,gettext,gettext)
	@.venv/bin/sphinx-intl update -p build/docs/gettext -d docs/locales -l id -w 0 --no-obsolete >/dev/null
	@rm -f $(addprefix docs/locales/id/LC_MESSAGES/,reference.po explanation.po)

lint: $(DEV) ## check style (ruff), who imports whom (import-linter) and types (mypy)
	@.venv/bin/ruff check -q --output-format concise .
	@.venv/bin/ruff format -q --check . || { echo "these lines are not formatted: make format mends them" >&2; exit 1; }
	@.venv/bin/lint-imports --no-cache >.venv/lint-imports 2>&1 || { cat .venv/lint-imports; exit 1; }
	@.venv/bin/python -m mypy musicml dashboard >.venv/mypy 2>&1 || { cat .venv/mypy; exit 1; }

format: $(DEV) ## mend what ruff can mend by itself
	@.venv/bin/ruff check -q --fix .
	@.venv/bin/ruff format -q .

lock: ## choose the locked versions anew, after a change of dependencies in setup.cfg (needs uv)
	@$(call locked,cpu,--extra cpu --extra dashboard --extra analysis --extra report)
	@$(call locked,gpu,--extra gpu --extra dashboard --extra analysis --extra report --constraint requirements/cpu.txt)
	@$(call locked,jax,--extra jax --constraint requirements/cpu.txt)
	@$(call locked,dev,--extra dev --constraint requirements/cpu.txt)
	@$(call locked,docs,--extra docs --constraint requirements/cpu.txt --constraint requirements/dev.txt)
	@$(call locked,audit,--extra audit --constraint requirements/cpu.txt)

audit-deps: $(AUDIT) ## ask the advisories of PyPI about every locked package (needs the network)
	@.venv-audit/bin/python requirements/audit_deps.py requirements/*.txt

clean: ## remove the environments and what tools left behind; data and runs stay
	@rm -rf .venv .venv-jax .venv-audit .pytest_cache .ruff_cache .mypy_cache build dist musicml.egg-info
	@find musicml tests -name __pycache__ -type d -prune -exec rm -rf {} +

# CPU and GPU TensorFlow lie in the same folder, so a change from one to the other starts from nothing.
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

$(JAX): setup.cfg requirements/jax.txt requirements/dev.txt
	@$(call installed,.venv-jax,requirements/jax.txt)
	@$(call installed,.venv-jax,requirements/dev.txt)
	@touch $(JAX)

$(AUDIT): setup.cfg requirements/audit.txt
	@$(call installed,.venv-audit,requirements/audit.txt)
	@touch $(AUDIT)

# $(call sphinx,BUILDER,FOLDER): build the pages with one of Sphinx's builders, in the language of the folder's name.
# It may warn of nothing.
sphinx = .venv/bin/python -m sphinx -q -W --keep-going -b $(1) -d build/docs/.doctrees/$(2) \
  $(if $(filter id,$(2)),-D language=id) docs build/docs/$(if $(filter doctest,$(1)),.doctest,$(2))

# $(call installed,FOLDER,LOCK): make the environment unless a fit one is there, then install the locked packages and,
# without looking for dependencies, the project. pip takes no -e . together with hashes, so these are two steps.
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
    echo "musicml needs Python 3.11, 3.12 or 3.13, and found $$seen: install one and name it, as in make PYTHON=python3.12" >&2; exit 1; \
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
    || { echo "Python's ensurepip must be there to make $(1), and is missing: on Debian and Ubuntu, apt install python3-venv" >&2; exit 1; }; \
  $(1)/bin/python -m pip install -q --disable-pip-version-check --require-hashes -r $(2); \
  $(1)/bin/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .; \
fi
endef

# $(call locked,NAME,OPTIONS): write requirements/NAME.txt, for every system and Python at once, one version of each
# package wherever that can be. setuptools is in it so that the project is built without asking the network again.
define locked
set -e; new=requirements/.$(1).txt; \
{ echo "# Written by make lock, from setup.cfg."; \
  echo setuptools | uv pip compile -q --no-config --universal --python-version 3.11 --fork-strategy fewest \
  --generate-hashes --no-header --no-annotate --no-emit-index-url setup.cfg - $(2); } > $$new; \
mv $$new requirements/$(1).txt; echo "requirements/$(1).txt"
endef
