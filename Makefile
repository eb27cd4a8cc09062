# make demo | make demo-multi-view | make test | make test-slow | make test-stack | make setup | make clean,
# each with STACK=onedl (default) or openmmlab;
# make benchmark-env: .venv-compiled, the onedl stack with mmcv's compiled ops (a C++ compiler, ten minutes).
PYTHON ?= python3
STACK ?= onedl
ifeq ($(STACK),onedl)
VENV := .venv
else ifeq ($(STACK),openmmlab)
VENV := .venv-openmmlab
else
$(error STACK must be onedl or openmmlab, got $(STACK))
endif
PIP := $(VENV)/bin/python -m pip
STAMP := $(VENV)/.installed
# A process of one thread per core; neighbouring tests, which share what they train, stay together.
PYTEST := OMP_NUM_THREADS=1 $(VENV)/bin/python -m pytest -q -n auto --maxprocesses 8 --dist worksteal

# mmcv installs as pure Python; mmdefect brings the ops it needs.
export MMCV_WITH_OPS = 0
export PIP_DISABLE_PIP_VERSION_CHECK = 1
export PIP_CONSTRAINT =

.PHONY: demo demo-multi-view test test-slow test-stack lint setup benchmark-env clean

demo: setup
	$(VENV)/bin/mmdefect demo

demo-multi-view: setup
	$(VENV)/bin/mmdefect demo-multi-view

test: setup lint
	$(PYTEST) -m 'not slow and not gpu' --durations=5

# Trainings, the browser, the commands of the documentation.
test-slow: setup
	$(PYTEST) -m 'slow and not gpu' --durations=10 tests

# What the choice of the stack can break, fast and slow.
test-stack: setup
	$(PYTEST) -m 'not gpu' --durations=5 tests/compat tests/engine tests/upstream

lint: setup
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy

setup: $(STAMP)

$(STAMP): constraints.txt pyproject.toml setup.py Makefile
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(None if (3, 10) <= v <= (3, 12) else "make: Python 3.10 to 3.12 is needed, got %d.%d; set PYTHON=python3.11" % v)'
	test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	$(PIP) install -q -c constraints.txt torch==2.13.0
	$(PIP) install -q -c constraints.txt -e '.[$(STACK),dev]'
	@# imaug and the stacks bring two OpenCV builds that overwrite each other; keep the one
	@# that needs no display libraries.
	$(PIP) uninstall -q -y opencv-python opencv-python-headless
	$(PIP) install -q -c constraints.txt --no-deps opencv-python-headless
	touch $@

benchmark-env: .venv-compiled/.compiled

.venv-compiled/.compiled: constraints.txt pyproject.toml setup.py Makefile
	$(MAKE) VENV=.venv-compiled STACK=onedl setup
	@# mmcv's setup.py imports torch and pkg_resources, so it builds in this environment; without
	@# the cache, which may hold the wheel without ops.
	.venv-compiled/bin/python -m pip install -q 'setuptools<81' wheel ninja
	MMCV_WITH_OPS=1 .venv-compiled/bin/python -m pip install -q -c constraints.txt --no-deps --force-reinstall --no-build-isolation --no-cache-dir --no-binary onedl-mmcv onedl-mmcv
	.venv-compiled/bin/python -c 'import torch, mmcv._ext'
	touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info
