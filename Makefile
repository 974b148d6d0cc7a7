# Checks and demo of the collection. `make` lists the targets; docs/testing.md explains how they work.

PYTHON ?= python3
SCENARIO ?= default
STEP ?= test

pythons := 3.11 3.12 3.13
scenarios := $(sort $(patsubst molecule/%/molecule.yml,%,$(wildcard molecule/*/molecule.yml)))
prepared := $(patsubst molecule/%/inventory/hosts.yml,%,$(shell grep -l lab_prepared molecule/*/inventory/hosts.yml))
alone := server_change switch
proven := alerts asgi front_door interrupted one_generation processes refuse
checks := ansible python types shell changelog docs sanity
suites := bookworm trixie
bin := tests/lab/bin
step := @$(bin)/step
live := .ansible/collections/ansible_collections/pitcrew/django
artifact := .ansible/artifact

# Ansible's home is in the checkout, so that neither another checkout nor the user's settings interfere.
export PATH := $(CURDIR)/.venv/bin:$(PATH)
export ANSIBLE_HOME := $(CURDIR)/.ansible
export ANSIBLE_COLLECTIONS_PATH := $(ANSIBLE_HOME)/collections
export MOLECULE_GLOB := molecule/*/molecule.yml
export MOLECULE_COMMAND_BORDERS := false
export HYPOTHESIS_STORAGE_DIRECTORY := $(CURDIR)/.cache/hypothesis
export RUFF_CACHE_DIR := $(CURDIR)/.cache/ruff
export LC_ALL := C.UTF-8
unexport PYTHONPATH $(filter-out ANSIBLE_HOME ANSIBLE_COLLECTIONS_PATH,$(filter ANSIBLE_%,$(.VARIABLES)))

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
demo: environment machine ## Deploy an example site to a host of its own and show its address
	@tests/lab/demo/start.sh

demo-stop: ## Remove everything that the demo created
	@tests/lab/demo/stop.sh

# -- Checks ----------------------------------------------------------------------------------------------------

# Steps that do not measure time run side by side: one more than there are CPUs, since scenarios often wait, and the one that took
# longest in the last run first. They run at a lower priority than the lab hosts, which would otherwise be machines of their own.
# Scenarios that measure how late responses are run one by one. All steps run, even after a failure.
side_by_side = goals=$$(python tests/lab/steps.py order $(1)) && test -n "$$goals" && \
    nice -n 5 $(MAKE) --no-print-directory --keep-going --jobs=$$(($$(nproc) + 1)) --output-sync SIDE_BY_SIDE=1 $$goals || status=1;
one_by_one = $(MAKE) --no-print-directory --keep-going $(1) || status=1;
steps = mkdir -p .cache && : > .cache/results && export RESULTS=$(CURDIR)/.cache/results && status=0 began=$$(date +%s) && \
    { $(1) python tests/lab/steps.py report .cache/results $$began || status=1; exit $$status; }

.PHONY: test check proof
test: environment machine ## All checks; the scenarios install the built artifact
	@echo "Static checks, unit tests and scenarios, side by side; each is reported when it ends"
	@$(call steps,$(call side_by_side,$(checks:%=lint-%) $(pythons:%=unit-%) $(addprefix scenario-,$(filter-out $(alone),$(scenarios)))) \
	    $(call one_by_one,$(alone:%=scenario-%)))

check: export LAB_LIMIT := web12
check: environment machine ## While you work: static checks, unit tests on one Python, the default scenario on one distribution
	@$(call steps,$(call side_by_side,$(checks:%=lint-%) unit-here scenario-default))

proof: export LAB_FORM := long
proof: export LAB_LIMIT := all
proof: environment machine ## The long form: 50,000 requests, every cut-off at every stage, all distributions and kinds
	@$(call steps,$(call side_by_side,unit-here $(proven:%=scenario-%)) $(call one_by_one,scenario-faults $(alone:%=scenario-%)))
	@$(bin)/tables

.PHONY: lint $(checks:%=lint-%)
lint: $(checks:%=lint-%) ## Static checks

lint-ansible: environment
	$(step) $@ "ansible-lint, profile production" ansible-lint --strict

lint-python: environment
	$(step) $@ "ruff" sh -c 'ruff check && ruff format --check'

lint-types: environment
	$(step) $@ "mypy, strict, on plugin_utils" env MYPYPATH=$(ANSIBLE_COLLECTIONS_PATH) \
	    mypy --strict --explicit-package-bases --cache-dir=.cache/mypy \
	    --package ansible_collections.pitcrew.django.plugins.plugin_utils

lint-shell: environment
	$(step) $@ "shellcheck" shellcheck .ci/run $(bin)/* tests/*/*.sh tests/lab/*/*.sh tests/lab/image/test-host-init

lint-changelog: environment
	$(step) $@ "antsibull-changelog lint, and CHANGELOG.md" sh -c 'antsibull-changelog lint && $(bin)/changelog | diff -u CHANGELOG.md -'

lint-docs: environment
	$(step) $@ "antsibull-docs lint-collection-docs" antsibull-docs lint-collection-docs --plugin-docs .

lint-sanity: $(artifact)
	$(step) $@ "ansible-test sanity, on the built collection" $(bin)/sanity $(CURDIR)/$(artifact)/*.tar.gz

.PHONY: unit unit-here $(pythons:%=unit-%)
unit: $(pythons:%=unit-%) ## Unit tests; those of the plugins on each Python of 3.11, 3.12, 3.13 that is installed

unit-here: environment
	@$(bin)/unit $$(python -c 'import sys; print("%d.%d" % sys.version_info[:2])')

$(pythons:%=unit-%): unit-%: environment
	@$(bin)/unit $*

.PHONY: docs changelog
docs: environment ## Write the READMEs of the roles from their specifications, and the dashboards from their description
	@python tests/docs/role_readmes.py && python tests/docs/dashboards.py

changelog: environment ## Render CHANGELOG.md from the fragments
	@$(bin)/changelog > .cache/changelog.md && mv .cache/changelog.md CHANGELOG.md

.PHONY: panels
panels: environment ## Draw the panels of the dashboards from what Prometheus answered in the last run of the scenario alerts
	@$(bin)/venv $(PYTHON) .venv tests/requirements-benchmark.txt
	@python tests/docs/panels.py

.PHONY: messages
messages: export LAB_FORM := long
messages: environment machine ## Write the text of each refusal, for you to read: KIND=untouched for one kind only
	MESSAGES=write PYTEST_ADDOPTS="-k 'test_message$(if $(KIND), and $(KIND))'" \
	    molecule -c .config/molecule/config.yml test --scenario-name front_door
	@git diff --stat -- tests/projects/messages

# -- Benchmarks ------------------------------------------------------------------------------------------------

TURNS ?= 3
MINUTES ?= 240
LINES ?= 10000000
MEASUREMENTS ?= .cache/bench-sizing/results.jsonl

.PHONY: bench-deploy bench-middleware bench-plan bench-report bench-sizing bench-sizing-short bench-sizing-report bench-profiles
bench-deploy: environment images ## Time deploys against a plain script: TURNS=3; SETTING=bare or ready for only one
	@python -m tests.benchmark.deploy --turns $(TURNS) $(if $(SETTING),--setting $(SETTING))

bench-middleware: environment ## What a request costs in the slot's own middleware
	@python -m tests.benchmark.middleware

bench-plan: environment ## Time the plans of 1,000 different hosts
	@python -m tests.benchmark.plan_fleet

bench-report: environment ## Time and memory that the report needs for an access log: LINES=10000000
	@python -m tests.benchmark.report --lines $(LINES)

bench-sizing: environment images ## Real servers: the plan against other layouts, MINUTES=240; results accumulate
	@python -m tests.benchmark.sizing --results $(MEASUREMENTS) --minutes $(MINUTES) $(if $(MIXES),--mixes $(MIXES)) $(if $(SHAPES),--shapes $(SHAPES))

bench-sizing-short: environment images ## The same with one mix and three layouts, to see whether it works
	@python -m tests.benchmark.sizing --short

bench-sizing-report: environment ## Write docs/sizing-benchmark.md and its chart from all results
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
	$(step) $@ "Scenario $*" $(bin)/on-artifact $(artifact) $(bin)/scenario $*

$(prepared:%=scenario-%): prepared-hosts

# -- Prerequisites ---------------------------------------------------------------------------------------------

.PHONY: environment
environment: .venv/installed $(live)

.venv/installed: tests/requirements.txt tests/requirements-unit.txt
	@$(bin)/python-check $(PYTHON)
	$(step) venv "Python environment in .venv" $(bin)/venv $(PYTHON) .venv tests/requirements.txt
	@touch $@

# Makes the roles, playbooks and filters of the checkout available under the names that users know.
$(live):
	@mkdir -p $(@D)
	@ln -sfn $(CURDIR) $@

.PHONY: $(artifact)
$(artifact): environment
	$(step) artifact "Build and install the collection" $(bin)/artifact $@

.PHONY: machine images prepared-hosts
machine:
	@$(bin)/machine

images: machine
	$(step) images "Images of Debian 12 and 13" tests/lab/image/build.sh $(suites)

# With the example site, deployed by the collection under test.
prepared-hosts: $(artifact) images
	$(step) $@ "Images of prepared hosts" $(bin)/on-artifact $(artifact) tests/prepared/build.sh $(suites)

.PHONY: clean
clean: ## Stop the lab and the demo, and remove everything created in the checkout; the two images of Debian stay
	@$(bin)/clean
