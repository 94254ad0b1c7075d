# make run PORT=9000 · make PYTHON=python3.13 test · make test ARGS="-k paging"
PYTHON ?= python3
PORT ?= 8000
ARGS ?=
BIN = .venv/bin

# Workers and servers that tests start load compiled modules, whatever the environment says: to
# compile them each time takes longer than most tests.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: reference run test test-slow test-stores test-all coverage lint lint-openapi openapi-tools format bench screenshots vendor clean

run: .venv/installed
	$(BIN)/provisioning serve --demo --port $(PORT) $(ARGS)

# Its requests are made up while tests are looked for, which takes seconds, and all of it is slow.
QUICK = --ignore=tests/test_schemathesis.py -p no:schemathesis -p no:anyio

# What is worth running after every change: a minute on two cores, silent about what passes.
test: .venv/installed-dev
	$(BIN)/pytest -q -n auto --dist worksteal -m "not slow" $(QUICK) $(ARGS)

# What test leaves out: processes, sockets, crashes, and whatever else takes seconds.
test-slow: .venv/installed-dev
	$(BIN)/pytest -q -n auto --dist worksteal -m slow $(ARGS)

# The API's tests once more over each database, apart from those of rules that are decided before a
# store is asked: bodies, values, verbs, addresses of clients.
test-stores: .venv/installed-dev
	for store in sqlite postgresql; do \
	  $(BIN)/pytest -q -n auto --dist worksteal -m "not slow and not storeless" -p no:schemathesis \
	    --store=$$store tests/contract tests/control tests/scim $(ARGS) || exit 1; \
	done

test-all: test test-slow test-stores

# coverage starts pytest, not the other way round: pytest loads our own plugin before any other
# plugin could begin to measure. Servers and workers that the tests start are measured too.
coverage: .venv/installed-dev
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -n auto --dist worksteal $(ARGS)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

lint: .venv/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# What spectral and redocly say of the OpenAPI documents, and whether clients that generators make
# of them compile and work. test-slow does the same where openapi-tools has been run before.
lint-openapi: .venv/installed-dev openapi-tools
	$(BIN)/pytest -q -n auto tests/openapi $(ARGS)

openapi-tools: tests/openapi/node_modules/.package-lock.json

tests/openapi/node_modules/.package-lock.json: tests/openapi/package-lock.json
	cd tests/openapi && npm ci --silent --no-audit --no-fund --ignore-scripts
	touch $@

format: .venv/installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: .venv/installed-bench
	$(BIN)/python -m bench $(ARGS)

# The tables of settings, commands, routes and metrics, which a test compares with the code.
reference: .venv/installed-dev
	$(BIN)/provisioning reference > docs/reference.md

# Pictures of every page of the console, in screenshots/; three of them are kept in docs/img/.
screenshots: .venv/installed-dev
	$(BIN)/python -m tests.console.screenshots $(ARGS)

# The one library of the console, from npm; SHA256SUMS says what has to come out.
VENDOR = provisioning/console/page/vendor
vendor:
	rm -rf build/vendor && mkdir -p build/vendor
	cd build/vendor && npm pack --silent preact@11.2.0 htm@3.1.1
	cd build/vendor && for each in *.tgz; do mkdir $${each%.tgz} && tar xzf $$each -C $${each%.tgz}; done
	sed '/^\/\/# sourceMappingURL/d' build/vendor/preact-11.2.0/package/dist/preact.mjs > $(VENDOR)/preact.js
	sed -e '/^\/\/# sourceMappingURL/d' -e 's|from"preact"|from"./preact.js"|' \
	  build/vendor/preact-11.2.0/package/hooks/dist/hooks.mjs > $(VENDOR)/hooks.js
	cp build/vendor/htm-3.1.1/package/dist/htm.module.js $(VENDOR)/htm.js
	cp build/vendor/preact-11.2.0/package/LICENSE LICENSES/preact.txt
	cp build/vendor/htm-3.1.1/package/LICENSE LICENSES/htm.txt
	cd $(VENDOR)/../.. && sha256sum --check SHA256SUMS

clean:
	rm -rf .venv tests/openapi/node_modules build dist *.egg-info .coverage .coverage.* .mypy_cache .pytest_cache .ruff_cache

.venv/installed: requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Python 3.11 or later is needed, and $(PYTHON) is older or not there: make PYTHON=python3.13 $(MAKECMDGOALS)" >&2; exit 1; }
	$(PYTHON) -m venv $$([ -e $@ ] || echo --clear) .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --requirement requirements.txt --editable .
	touch $@

.venv/installed-bench: .venv/installed-dev requirements-bench.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --requirement requirements-bench.txt
	touch $@

.venv/installed-dev: .venv/installed requirements-extras.txt requirements-dev.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --requirement requirements-dev.txt
	touch $@
