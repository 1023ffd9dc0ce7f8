# Every target sets up what it needs: a virtual environment in .venv from the lock files, nothing outside this folder.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --require-virtualenv
UV_COMPILE := $(BIN)/uv pip compile pyproject.toml --generate-hashes --universal --python-version 3.11 --no-header --no-annotate --quiet

.PHONY: demo test check bench translations pictures lock clean help

help:
	@echo "make demo    a whole simulated night, end to end, into ./demo"
	@echo "make test    the test suite"
	@echo "make check   ruff, types, import table, documented commands"
	@echo "make bench   speed and accuracy figures (BENCH=name for one of them)"
	@echo "make translations  sentences of the code into reports/locale, and the catalogues compiled"
	@echo "make pictures      the pages and the mail of docs/reports.md, drawn anew (needs Chromium)"
	@echo "make lock    write the lock files anew"

.stamp/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Nightstack needs Python 3.11 or newer; $(PYTHON) is older. Name one: make PYTHON=python3.12 demo"; exit 2; }
	@mkdir -p .stamp
	$(PYTHON) -m venv $(VENV)
	@touch $@

.stamp/run: .stamp/python requirements.lock pyproject.toml
	$(PIP) install --quiet --require-hashes -r requirements.lock
	$(PIP) install --quiet --no-deps --no-build-isolation -e .
	@touch $@

.stamp/dev: .stamp/run requirements-dev.lock
	$(PIP) install --quiet --require-hashes -r requirements-dev.lock
	@touch $@

demo: .stamp/run
	$(BIN)/nightstack demo --out demo

test: .stamp/dev
	$(BIN)/python -m pytest -n auto --dist loadfile $(PYTEST)

check: .stamp/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/basedpyright
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q tests/nightstack/test_commands_documented.py

bench: .stamp/dev
	$(BIN)/python -m benchmarks $(BENCH)

LOCALE := reports/locale
PYBABEL := $(BIN)/pybabel --quiet

translations: .stamp/dev
	$(PYBABEL) extract --mapping babel.cfg --no-default-keywords --keywords say:1 --keywords say_n:1,2 --keywords _:1 \
	  --add-location file --sort-by-file --project nightstack --copyright-holder Nightstack --output $(LOCALE)/nightstack.pot .
	$(PYBABEL) update --domain nightstack --input-file $(LOCALE)/nightstack.pot --output-dir $(LOCALE) \
	  --no-fuzzy-matching --ignore-obsolete --ignore-pot-creation-date --width 110
	$(PYBABEL) compile --domain nightstack --directory $(LOCALE) --statistics

pictures: .stamp/dev
	$(BIN)/python docs/pictures.py

lock: .stamp/python
	$(PIP) install --quiet uv
	$(UV_COMPILE) --extra build -o requirements.lock
	$(UV_COMPILE) --extra build --extra test --extra check -c requirements.lock -o requirements-dev.lock

clean:
	rm -rf $(VENV) .stamp .pytest_cache .ruff_cache .import_linter_cache demo
