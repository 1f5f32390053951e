# Every target works from a bare checkout in any folder and sets up what it needs; see README.md.
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
.NOTPARALLEL:

BUILD := $(CURDIR)/build
VIEW := $(BUILD)/collections/ansible_collections/netpath/ipmp
PYTHON := $(BUILD)/venv/bin/python
PYTEST := $(PYTHON) -m pytest -v
SETUP := python3 tools/setup.py

# Nothing of the user's own ansible takes part, and nothing is left in the home folder.
export ANSIBLE_HOME := $(BUILD)/ansible
export ANSIBLE_COLLECTIONS_PATH := $(BUILD)/collections
export ANSIBLE_CONFIG := /dev/null
export PATH := $(BUILD)/venv/bin:$(PATH)
unexport PYTHONHOME VIRTUAL_ENV

root = @[ "$$(id -u)" = 0 ] || { echo "make $@ needs root: $(1); run it as root, for example with sudo" >&2; exit 1; }
packages := it installs the Debian packages it lacks
namespaces := it makes network namespaces

.PHONY: help
help:
	@echo "make demo   three hosts, a cable pulled, a NIC taken out and put back, on this machine"
	@echo "make test   every check and test; its parts: lint sanity unit sim kernel molecule"
	@echo "make lab-up, make lab-down   hosts to play with"

.PHONY: venv
venv:
	@$(SETUP) venv view

.PHONY: ready
ready:
	@$(SETUP) packages venv view
