# All tasks of developers and users, from a fresh clone.
#
#   make demo    see it work; VIDEO=file, CAMERA=0 or TOPIC=/name for your own images;
#                VIEW=1 opens a live page in the browser instead of recording;
#                LOCKED=1 in a fresh clone installs the versions of requirements-demo.lock
#   make test    linters, unit tests, tests of real processes, then both ways of installing;
#                JOBS=1 one test after the other
#   make lint    the linters alone
#   make venv    create the environment .venv, which the others use
#   make peers   compare our pipeline with others, in about ten minutes; YUNET=file for one more
#                detector, ROUNDS=20 for fewer turns
#   make lock    update the versions in requirements-demo.lock; needs uv
#   make licenses  list the licenses of all dependencies; fails unless they are permissive
#   make clean   remove all of that

PYTHON ?= python3
VENV := .venv
PACKAGE := face_classification_ros

# .venv has its own ROS, so ignore the variables of a sourced setup file.
unexport AMENT_PREFIX_PATH CMAKE_PREFIX_PATH LD_LIBRARY_PATH PYTHONPATH
unexport _ROS_WHEELS_BOOTSTRAP_COMPLETE

BUILD_INPUTS := setup.py pyproject.toml package.xml CMakeLists.txt \
  $(shell find action cmake msg scripts srv wheel -type f)
INSTALLED_FOLDERS := $(PACKAGE) config examples launch resource
INSTALLED_FILES := $(shell find $(INSTALLED_FOLDERS) -type f -not -path '*/__pycache__/*')

.PHONY: demo test lint venv peers lock licenses clean

demo: $(VENV)/demo
	$(VENV)/bin/face_classification demo --output demo $(if $(VIDEO),--video '$(VIDEO)') \
	  $(if $(CAMERA),--camera '$(CAMERA)') $(if $(TOPIC),--topic '$(TOPIC)') $(if $(VIEW),--view)

# Most tests wait for processes and for DDS discovery, so three run in parallel even on two cores.
# Those of a file run in one process, since some share slow fixtures. Builds do not wait, so they
# run last.
JOBS ?= 3

test: $(VENV)/test
	$(VENV)/bin/pytest -m 'not install' --numprocesses $(JOBS) --dist loadfile
	$(VENV)/bin/pytest -m install --numprocesses $(JOBS) --dist loadfile

lint: $(VENV)/test
	$(VENV)/bin/pytest test/test_linters.py

venv: $(VENV)/test

peers: $(VENV)/test $(VENV)-peers/ready
	$(VENV)/bin/python benchmarks/peers.py $(if $(YUNET),--yunet '$(YUNET)') \
	  $(if $(ROUNDS),--rounds '$(ROUNDS)')

licenses: $(VENV)/test
	$(VENV)/bin/pip-licenses

# Includes the build requirements, which pip would otherwise choose itself. Universal: one file for
# every supported Python.
lock:
	$(PYTHON) -c 'import tomllib; file = tomllib.load(open("pyproject.toml", "rb")); \
	  needs = file["project"]; extras = needs["optional-dependencies"]; \
	  print(*needs["dependencies"], *extras["demo"], *extras["view"], \
	  *file["build-system"]["requires"], sep="\n")' | \
	  uv pip compile --quiet --universal --python-version 3.10 --generate-hashes \
	  --custom-compile-command 'make lock' --upgrade --output-file requirements-demo.lock -

ISOLATION := $(if $(LOCKED),--no-build-isolation)

$(VENV)/locked: requirements-demo.lock
	test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --require-hashes --requirement $<
	touch $@

$(VENV)/wheel: $(BUILD_INPUTS) $(if $(LOCKED),$(VENV)/locked)
	@echo 'Building the package, this takes a minute or two.'
	test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	rm -rf $@ $@.new
	PATH="$(CURDIR)/$(VENV)/bin:$$PATH" \
	  $(VENV)/bin/python -m pip wheel --quiet --no-deps $(ISOLATION) --wheel-dir $@.new .
# The version does not change during development, and pip keeps an installed version.
	$(VENV)/bin/python -m pip uninstall --quiet --yes $(PACKAGE)
	mv $@.new $@

# One environment; packages that only tests need, such as TensorFlow, are installed for them alone.
$(VENV)/demo: EXTRAS := demo,view
$(VENV)/demo: DEPENDENCIES := $(if $(LOCKED),--no-deps)
$(VENV)/test: EXTRAS := demo,test,train,view

# Symbolic links, as with --symlink-install of colcon: an edit takes effect without a build.
$(VENV)/demo $(VENV)/test: $(VENV)/wheel $(INSTALLED_FILES)
	@echo 'Installing into $(VENV), this takes a minute or two the first time.'
	$(VENV)/bin/python -m pip install --quiet $(DEPENDENCIES) "$$(ls $(VENV)/wheel/*.whl)[$(EXTRAS)]"
	cp --recursive --symbolic-link --force '$(CURDIR)/$(PACKAGE)' $(VENV)/lib/python3.*/site-packages
	cp --recursive --symbolic-link --force $(addprefix $(CURDIR)/,config examples launch resource) \
	  $(VENV)/share/$(PACKAGE)
	touch $@

# The requirements of the others conflict with ours.
$(VENV)-peers/ready: benchmarks/requirements-peers.txt
	@echo 'Installing into $(VENV)-peers, this takes a minute or two.'
	test -x $(VENV)-peers/bin/python || $(PYTHON) -m venv $(VENV)-peers
	$(VENV)-peers/bin/python -m pip install --quiet --requirement $<
	$(VENV)-peers/bin/python -m pip install --quiet --no-deps fer==25.10.3
	touch $@

clean:
	rm -rf $(VENV) $(VENV)-peers build demo install log .mypy_cache .pytest_cache .ruff_cache
