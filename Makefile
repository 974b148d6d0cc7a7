# Checks and demo of the collection. `make` lists what there is; docs/testing.md tells how it works.

PYTHON ?= python3
SCENARIO ?= default
STEP ?= test

pythons := 3.11 3.12 3.13
scenarios := $(sort $(patsubst molecule/%/molecule.yml,%,$(wildcard molecule/*/molecule.yml)))
with_load := faults one_generation server_change switch
longest := default uwsgi
bin := tests/lab/bin
step := @$(bin)/step
live := .ansible/collections/ansible_collections/pitcrew/django
artifact := .ansible/artifact

# Ansible's home is in the checkout: neither another checkout nor the user's settings interfere.
export PATH := $(CURDIR)/.venv/bin:$(PATH)
export ANSIBLE_HOME := $(CURDIR)/.ansible
export ANSIBLE_COLLECTIONS_PATH := $(ANSIBLE_HOME)/collections
export MOLECULE_GLOB := molecule/*/molecule.yml
export MOLECULE_COMMAND_BORDERS := false
export HYPOTHESIS_STORAGE_DIRECTORY := $(CURDIR)/.cache/hypothesis
export RUFF_CACHE_DIR := $(CURDIR)/.cache/ruff
export LC_ALL := C.UTF-8
unexport ANSIBLE_CONFIG PYTHONPATH

# Only `test` lets steps run side by side.
ifndef SIDE_BY_SIDE
.NOTPARALLEL:
endif

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-19s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo "  Scenarios: $(scenarios)"
	@echo "  VERBOSE=1 shows the output of quiet steps as it comes; their logs are in .cache/logs."

# -- Demo ------------------------------------------------------------------------------------------------------

.PHONY: demo demo-stop
demo: environment machine ## Put an example site on a host of its own and show its address
	@tests/lab/demo/start.sh

demo-stop: ## Remove all that the demo made
	@tests/lab/demo/stop.sh

# -- Checks ----------------------------------------------------------------------------------------------------

# All of them run, also after a failure; the last line is what they counted. Scenarios often wait, so there is one step more than CPUs,
# and what takes longest begins first; what sends a load has the machine to itself.
.PHONY: test
test: environment machine ## All checks; the scenarios install the built artifact
	@mkdir -p .cache && : > .cache/results
	@echo "Static checks, unit tests and scenarios without load, side by side; each is told of when it has ended"
	@export RESULTS=$(CURDIR)/.cache/results; status=0; \
	    $(MAKE) --no-print-directory --keep-going --jobs=$$(($$(nproc) + 1)) --output-sync SIDE_BY_SIDE=1 \
	        $(longest:%=scenario-%) unit $(addprefix scenario-,$(filter-out $(longest) $(with_load),$(scenarios))) lint \
	        || status=1; \
	    $(MAKE) --no-print-directory --keep-going $(with_load:%=scenario-%) || status=1; \
	    awk '{ passed += $$1; failed += $$2 } END { printf "\n%d passed, %d failed\n", passed, failed }' .cache/results; \
	    exit $$status

.PHONY: lint lint-ansible lint-python lint-types lint-shell lint-changelog lint-docs lint-sanity
lint: lint-ansible lint-python lint-types lint-shell lint-changelog lint-docs lint-sanity ## Static checks

lint-ansible: environment
	$(step) $@ "ansible-lint, profile production" ansible-lint --strict

lint-python: environment
	$(step) $@ "ruff" sh -c 'ruff check && ruff format --check'

lint-types: environment
	$(step) $@ "mypy, strict, on plugin_utils" env MYPYPATH=$(ANSIBLE_COLLECTIONS_PATH) \
	    mypy --strict --explicit-package-bases --cache-dir=.cache/mypy \
	    --package ansible_collections.pitcrew.django.plugins.plugin_utils

lint-shell: environment
	$(step) $@ "shellcheck" shellcheck .ci/run $(bin)/* tests/lab/*/*.sh tests/lab/image/test-host-init

lint-changelog: environment
	$(step) $@ "antsibull-changelog lint" antsibull-changelog lint

lint-docs: environment
	$(step) $@ "antsibull-docs lint-collection-docs" antsibull-docs lint-collection-docs --plugin-docs .

lint-sanity: $(artifact)
	$(step) $@ "ansible-test sanity, on the built collection" $(bin)/sanity $(CURDIR)/$(artifact)/*.tar.gz

.PHONY: unit $(pythons:%=unit-%)
unit: $(pythons:%=unit-%) ## Unit tests; those of the plugins on each Python of 3.11, 3.12, 3.13 that is here

$(pythons:%=unit-%): unit-%: environment
	@$(bin)/unit $*

.PHONY: docs
docs: environment ## Write the READMEs of the roles from their specifications
	@python tests/docs/role_readmes.py

# -- Benchmarks ------------------------------------------------------------------------------------------------

TURNS ?= 3
MINUTES ?= 240
MEASUREMENTS ?= .cache/bench-sizing/results.jsonl

.PHONY: bench-deploy bench-plan bench-sizing bench-sizing-short bench-sizing-report bench-profiles
bench-deploy: environment images ## Time deploys against a plain script, TURNS=3; SETTING=bare or ready for one of two
	@python -m tests.benchmark.deploy --turns $(TURNS) $(if $(SETTING),--setting $(SETTING))

bench-plan: environment ## Time the plans of 1,000 different hosts
	@python -m tests.benchmark.plan_fleet

bench-sizing: environment images ## Real servers: the plan against other layouts, MINUTES=240; runs add up
	@python -m tests.benchmark.sizing --results $(MEASUREMENTS) --minutes $(MINUTES) $(if $(MIXES),--mixes $(MIXES)) $(if $(SHAPES),--shapes $(SHAPES))

bench-sizing-short: environment images ## The same with one mix and three layouts: does it work?
	@python -m tests.benchmark.sizing --short

bench-sizing-report: environment ## Write docs/sizing-benchmark.md and its picture from all results
	@$(bin)/venv $(PYTHON) .venv tests/requirements-benchmark.txt
	@python -m tests.benchmark.sizing --results $(MEASUREMENTS) --report

bench-profiles: environment images ## What requests and workers of real sites cost
	@python -m tests.benchmark.profiles

# -- Hosts -----------------------------------------------------------------------------------------------------

.PHONY: molecule
molecule: environment machine ## One step of one scenario on the live tree: SCENARIO=default STEP=converge
	molecule -c .config/molecule/config.yml $(STEP) --scenario-name $(SCENARIO)

.PHONY: scenarios $(scenarios:%=scenario-%)
scenarios: $(scenarios:%=scenario-%) ## Every scenario, on the built and installed artifact

$(scenarios:%=scenario-%): scenario-%: $(artifact) images
	$(step) $@ "Scenario $*" $(bin)/scenario $* $(artifact)

# -- What they stand on ----------------------------------------------------------------------------------------

.PHONY: environment
environment: .venv/installed $(live)

.venv/installed: tests/requirements.txt tests/requirements-unit.txt
	@$(bin)/python-check $(PYTHON)
	$(step) venv "Python environment in .venv" $(bin)/venv $(PYTHON) .venv tests/requirements.txt
	@touch $@

# Roles, playbooks and filters of the checkout, by the names that users know them by.
$(live):
	@mkdir -p $(@D)
	@ln -sfn $(CURDIR) $@

.PHONY: $(artifact)
$(artifact): environment
	$(step) artifact "Build and install the collection" $(bin)/artifact $@

.PHONY: machine images
machine:
	@$(bin)/machine

images: machine
	$(step) images "Images of Debian 12 and 13" tests/lab/image/build.sh bookworm trixie

.PHONY: clean
clean: ## Stop the lab and the demo, remove all that was made in the checkout; images stay
	@$(bin)/clean
