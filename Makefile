# Every target works from a bare checkout in any folder and sets up what it needs; see README.md.
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
.NOTPARALLEL:

BUILD := $(CURDIR)/build
VIEW := $(BUILD)/collections/ansible_collections/netpath/ipmp
SETUP := $(shell command -v python3) tools/setup.py
PYTEST := python -m pytest -v
# Tests on a real kernel wait most of their time, each file in namespaces of its own.
SIDE_BY_SIDE := -n 3 --dist loadfile
# Tests in real time: what has failed beside others is run once more by itself, and that decides. Both runs are shown.
alone = { test $$? = 1 && echo "== once more, alone: what has failed beside others" && $(PYTEST) --lf --lfnf=none $(1); }
SIM := $(if $(wildcard tests/sim/test_*.py),sim)

# The tools come from build/venv. Nothing of the user's own ansible takes part, and nothing is left in the home folder.
export PATH := $(BUILD)/venv/bin:/usr/local/sbin:/usr/sbin:/sbin:$(PATH)
export ANSIBLE_HOME := $(BUILD)/ansible
export ANSIBLE_COLLECTIONS_PATH := $(BUILD)/collections
export ANSIBLE_CONFIG := $(CURDIR)/tools/ansible.cfg
unexport PYTHONHOME
unexport PYTHONPATH
unexport VIRTUAL_ENV

need_root = $(if $(filter 0,$(shell id -u)),,$(error make $@ needs root: $(1); run it as root, for example with sudo))
installs := it installs the Debian packages that it lacks
namespaces := it makes network namespaces
comma := ,
unbuilt = $(error make $@ is not built yet: $(1))

.PHONY: help
help:
	@echo "make demo               three hosts on this machine: a cable is pulled, a NIC taken out and put back"
	@echo "make test               the checks and tests every change has to pass, half an hour to an hour, or:"
	@echo "                        make lint, collection, sanity, cores, unit, kernel, systemd, molecule, vm-short"
	@echo "                        (make sanity CORE=2.16: with one line of ansible-core)"
	@echo "make test-all           these, test-vm and crash-points, an hour or more"
	@echo "make test-vm            cards plugged into and pulled from a virtual machine, ten minutes"
	@echo "make docs               build/docs: the pages and all modules, roles and filters as HTML; man pages"
	@echo "make crash-points       the daemon is killed at every call of a detach, attach, apply or rollback"
	@echo "make oracle             docs/oracle.md, from the tests' marks"
	@echo "make bench              measures, about an hour; docs/performance.md"
	@echo "                        (ROWS=id,id: some rows only; BENCH_DOCS=1: these into docs too;"
	@echo "                        BENCH_QUICK=1: few rounds; COMPARE=\"A.json B.json\": do two results agree?)"
	@echo "make lab-up, lab-down   hosts to play with, and their removal"

.PHONY: venv
venv:
	@$(SETUP) venv view

.PHONY: ready
ready:
	@$(SETUP) packages venv view

.PHONY: demo
demo:
	$(call need_root,$(namespaces))
	@$(SETUP) packages venv view
	@cd tests && python -m demo

SCENARIOS := default hostname_files boot dr lockout fleet

.PHONY: test
test:
	$(call need_root,$(namespaces))
	@for part in lint collection unit $(SIM) vm-short kernel systemd molecule cores sanity; do \
		echo "== make $$part"; $(MAKE) $$part || exit; \
	done

.PHONY: test-all
test-all:
	$(call need_root,$(namespaces))
	@for part in test test-vm crash-points; do \
		echo "== make $$part"; $(MAKE) $$part || exit; \
	done

.PHONY: lint
lint:
	$(call need_root,$(installs))
	@$(SETUP) packages venv view
	ruff check .
	ruff format --check .
	mypy
	yamllint --strict .
	shellcheck .ci/run $$(grep -rlE --include='*.sh' '^#!' tests tools roles 2>/dev/null)
	cd $(VIEW) && ansible-lint --offline
	antsibull-changelog lint

.PHONY: sanity
sanity:
	$(call need_root,$(installs))
	@$(SETUP) packages venv view
	@$(shell command -v python3) tools/sanity.py $(CORE)

.PHONY: cores
cores:
	$(call need_root,$(namespaces))
	@$(SETUP) packages venv view
	@$(shell command -v python3) tools/cores.py
	$(PYTEST) -n 2 --dist loadfile tests/cores

.PHONY: collection
collection:
	$(call need_root,$(installs))
	@$(SETUP) packages venv view
	@$(shell command -v python3) tools/release.py check

.PHONY: docs
docs:
	@$(SETUP) venv view
	@$(shell command -v python3) tools/release.py docs

.PHONY: unit
unit:
	$(call need_root,$(installs))
	@$(SETUP) packages venv view
	$(PYTEST) tests/unit

.PHONY: sim
sim:
	$(call need_root,$(installs))
	$(if $(SIM),,$(call unbuilt,it will run the pure core in a simulated network with faults))
	@$(SETUP) packages venv view
	$(PYTEST) tests/sim

.PHONY: kernel
kernel:
	$(call need_root,$(namespaces))
	@$(SETUP) packages venv view
	$(PYTEST) $(SIDE_BY_SIDE) tests/kernel || $(call alone,tests/kernel)

.PHONY: systemd
systemd:
	$(call need_root,$(namespaces))
	@$(SETUP) packages venv view
	$(PYTEST) -n 3 tests/systemd || $(call alone,tests/systemd)

.PHONY: molecule
molecule:
	$(call need_root,$(namespaces))
	@$(SETUP) packages venv view
	cd $(VIEW) && for scenario in $(SCENARIOS); do \
		MOLECULE_GLOB='molecule/*/molecule.yml' molecule test --scenario-name $$scenario || exit; \
	done

.PHONY: lab-up
lab-up:
	$(call need_root,$(namespaces))
	@$(SETUP) packages venv view
	@cd tests && python -m lab up

.PHONY: lab-down
lab-down:
	$(call need_root,$(namespaces))
	@$(SETUP) packages venv view
	@cd tests && python -m lab down

.PHONY: oracle
oracle:
	@$(shell command -v python3) tools/oracle.py

.PHONY: crash-points
crash-points:
	$(call need_root,$(namespaces))
	@$(SETUP) packages venv view
	$(PYTEST) -n 3 tests/crash

.PHONY: test-vm
test-vm:
	$(call need_root,$(namespaces))
	@$(SETUP) packages packages-vm venv view
	$(PYTEST) tests/vm

.PHONY: vm-short
vm-short:
	$(call need_root,$(namespaces))
	@$(SETUP) packages packages-vm venv view
	$(PYTEST) -m vm_short tests/vm

.PHONY: bench
bench:
	$(call need_root,$(namespaces))
	@$(SETUP) packages packages-vm venv view
	@cd tests && python -m bench $(if $(COMPARE),--compare $(abspath $(COMPARE)),$(subst $(comma), ,$(ROWS)))

.PHONY: clean
clean:
	rm -rf $(BUILD)
