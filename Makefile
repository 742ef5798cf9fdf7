# Everything happens in .venv; set-up runs again only when its inputs change.
.PHONY: setup browser demo test lint check clean

PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --constraint constraints.txt
# The CPU build of PyTorch: from the configured indexes, else from PyTorch's own; on macOS the only build.
TORCH := torch==2.13.0
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu

setup: .venv/ready

.venv/ready: pyproject.toml constraints.txt Makefile
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, this is " + sys.version.split()[0] if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv --clear .venv
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'  # for --group
	$(PIP) "$(TORCH)+cpu" 2>/dev/null \
		|| $(PIP) "$(TORCH)+cpu" --extra-index-url "$(TORCH_INDEX)" 2>/dev/null \
		|| $(PIP) "$(TORCH)"
	$(PIP) --editable ".[files,model]" --group development
	touch $@

# Chromium, in which the page is tested; only where it can be installed without asking anybody.
browser:
	@if command -v chromium || command -v chromium-browser || command -v google-chrome; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get update -qq; DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >/dev/null; \
	else echo "no Chromium: the tests of the page will be skipped"; fi

demo: setup
	$(BIN)/retrieval demo

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# -n 2: one worker for each core that the smallest supported machine has
test: lint
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -q

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache dist build
