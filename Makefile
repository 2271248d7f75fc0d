# All tasks of developers and users, from a fresh clone.
#
#   make demo    see it work; VIDEO=file, CAMERA=0 or TOPIC=/name for your own images;
#                VIEW=1 opens a live page in the browser instead of recording
#   make test    linters, unit tests, tests of real processes, then both ways of installing;
#                JOBS=1 one test after the other; FULL_MATRIX=1 with every Python and ROS that has
#                wheels, each in an environment of its own
#   make lint    the linters alone
#   make docs    build the site of the manual into site/; warnings such as dead links are errors
#   make venv    create the environment .venv, which the others use
#   make peers   compare our pipeline with others, in about ten minutes; YUNET=file for one more
#                detector, ROUNDS=20 for fewer turns
#   make licenses  list the licenses of all dependencies; fails unless they are permissive
#   make release-check  walk the check-list of a release; QUICK=1 only what takes a second
#   make clean   remove all of that
#
# ROS_DISTRO=kilted does any of these with the wheels of Kilted, in an environment of its own.

PYTHON ?= python3
# Of the command line alone, not of a sourced setup file.
ROS_DISTRO := jazzy
ifeq ($(filter jazzy kilted,$(ROS_DISTRO)),)
$(error ROS_DISTRO is $(ROS_DISTRO); PyPI has wheels of jazzy and kilted)
endif
OTHER_DISTRO := $(filter-out jazzy,$(ROS_DISTRO))
VENV := .venv$(OTHER_DISTRO:%=-%)
SOURCES := $(if $(OTHER_DISTRO),$(VENV)/sources,.)
PACKAGE := face_classification_ros

# .venv has its own ROS, so ignore the variables of a sourced setup file.
unexport AMENT_PREFIX_PATH CMAKE_PREFIX_PATH LD_LIBRARY_PATH PYTHONPATH ROS_DISTRO
unexport _ROS_WHEELS_BOOTSTRAP_COMPLETE

BUILD_INPUTS := setup.py pyproject.toml package.xml CMakeLists.txt \
  $(shell find action cmake msg scripts srv wheel -type f)
SHARED_FOLDERS := config examples foxglove launch resource rqt rviz
INSTALLED_FOLDERS := $(PACKAGE) $(SHARED_FOLDERS)
INSTALLED_FILES := $(shell find $(INSTALLED_FOLDERS) -type f -not -path '*/__pycache__/*')

.PHONY: demo test lint docs venv peers licenses release-check clean

demo: $(VENV)/demo
	$(VENV)/bin/face_classification demo $(if $(VIDEO),--video '$(VIDEO)') \
	  $(if $(CAMERA),--camera '$(CAMERA)') $(if $(TOPIC),--topic '$(TOPIC)') \
	  $(if $(filter-out 0,$(VIEW)),--view)

# Most tests wait for processes and for DDS discovery, so three run in parallel even on two cores.
# Those of a file run in one process, since some share slow fixtures. Builds do not wait, so they
# run last.
JOBS ?= 3

ifneq ($(filter-out 0,$(FULL_MATRIX)),)
test:
	$(PYTHON) .github/scripts/test_matrix.py \
	  $(if $(findstring command,$(origin ROS_DISTRO)),--ros $(ROS_DISTRO))
else
test: $(VENV)/test
	$(VENV)/bin/pytest -m 'not install' --numprocesses $(JOBS) --dist loadfile \
	  --junitxml $(VENV)/tests.xml
	$(VENV)/bin/pytest -m install --numprocesses $(JOBS) --dist loadfile \
	  --junitxml $(VENV)/install.xml
endif

lint: $(VENV)/test
	$(VENV)/bin/pytest test/test_linters.py

# The variable silences a notice about the successor of the theme.
docs: $(VENV)/docs
	NO_MKDOCS_2_WARNING=1 $(VENV)/bin/mkdocs build --strict

venv: $(VENV)/test

peers: $(VENV)/test $(VENV)-peers/ready
	$(VENV)/bin/python benchmarks/peers.py $(if $(YUNET),--yunet '$(YUNET)') \
	  $(if $(ROUNDS),--rounds '$(ROUNDS)')

licenses: $(VENV)/test
	$(VENV)/bin/pip-licenses

$(VENV)/wheel: $(BUILD_INPUTS)
	@echo 'Building the package, this takes a minute or two.'
	test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	rm -rf $@ $@.new
	$(if $(OTHER_DISTRO),$(VENV)/bin/python wheel/sources_for.py $(ROS_DISTRO) $(SOURCES))
	$(VENV)/bin/python -m pip wheel --quiet --no-deps --wheel-dir $@.new $(SOURCES)
# The version does not change during development, and pip keeps an installed version.
	$(VENV)/bin/python -m pip uninstall --quiet --yes $(PACKAGE)
	mv $@.new $@

# One environment; packages that only tests need, such as TensorFlow, are installed for them alone.
$(VENV)/demo: EXTRAS := demo,view
$(VENV)/docs: EXTRAS := docs
$(VENV)/test: EXTRAS := demo,test,train,view

# Symbolic links, as with --symlink-install of colcon: an edit takes effect without a build.
$(VENV)/demo $(VENV)/docs $(VENV)/test: $(VENV)/wheel $(INSTALLED_FILES)
	@echo 'Installing into $(VENV), this takes a minute or two the first time.'
	$(VENV)/bin/python -m pip install --quiet "$$(ls $(VENV)/wheel/*.whl)[$(EXTRAS)]"
	cp --recursive --symbolic-link --force '$(CURDIR)/$(PACKAGE)' $(VENV)/lib/python3.*/site-packages
	cp --recursive --symbolic-link --force $(addprefix $(CURDIR)/,$(SHARED_FOLDERS)) \
	  $(VENV)/share/$(PACKAGE)
	touch $@

release-check:
	$(PYTHON) .github/scripts/check_release.py $(if $(filter-out 0,$(QUICK)),--quick)

# The requirements of the others conflict with ours.
$(VENV)-peers/ready: benchmarks/requirements-peers.txt
	@echo 'Installing into $(VENV)-peers, this takes a minute or two.'
	test -x $(VENV)-peers/bin/python || $(PYTHON) -m venv $(VENV)-peers
	$(VENV)-peers/bin/python -m pip install --quiet --requirement $<
	$(VENV)-peers/bin/python -m pip install --quiet --no-deps fer==25.10.3
	touch $@

clean:
	rm -rf .venv .venv-* build demo install log site .mypy_cache .pytest_cache .ruff_cache
