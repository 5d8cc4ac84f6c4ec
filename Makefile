# Needs only make and Python 3.11 or newer; everything else is installed into .venv.
# Absolute, so that it can be seen what runs from there.
PY := $(CURDIR)/.venv/bin/python
# Where it is set, as in many images, each process compiles all that it imports: three times the work of a start.
unexport PYTHONDONTWRITEBYTECODE
LOCK := .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --custom-compile-command "make lock"

.PHONY: help run demo test faults recipes soak mutants check format bench scaling compare screenshots site fuzz secrets audit sbom wheel chart lock clean
.DEFAULT_GOAL := help

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "make %-11s %s\n", $$1, $$2}' Makefile

run: .venv/embedded ## run the whole system; Ctrl-C stops it
	@$(PY) -m tally run

demo: .venv/embedded ## send a few seconds of traffic and follow it to Kafka
	@$(PY) -m tally demo

test: .venv/dev ## run the tests, four at a time, then those that take times: make test WORKERS=2 ARGS="-k valkey"
	@$(PY) -m embedded.class_cache
	@$(PY) -m pytest --numprocesses $(or $(WORKERS),4) --dist loadfile --no-loadscope-reorder --durations 10 \
		-m "not slow and not timed" $(ARGS) || [ $$? -eq 5 ] # 5: none is selected
	@$(PY) -m pytest -m "not slow and timed" $(ARGS) || [ $$? -eq 5 ]

faults: .venv/dev ## inject every fault, and run what else is slow, like the upgrade from the first release
	@$(PY) -m pytest tests/faults -m "" $(ARGS)
	@$(PY) -m pytest tests --ignore tests/faults --ignore tests/recipes -m slow $(ARGS) || [ $$? -eq 5 ]

recipes: .venv/dev ## run what docs/recipes shows, killed in the middle, against real records
	@$(PY) -m pytest tests/recipes tests/clients -m "" $(ARGS)

soak: .venv/dev ## load and random faults, then a verdict: make soak SECONDS=600 SEED=1 CLUSTER=1 SINK=kafka
	@$(if $(SINK),ACCEPT_SINK=$(SINK)) $(PY) -m tests.soak --seconds $(or $(SECONDS),60) $(if $(SEED),--seed $(SEED)) $(if $(CLUSTER),--cluster)

mutants: .venv/dev ## remove each guard in turn, and show that a test fails
	@$(PY) -m tests.mutants

check: .venv/dev ## format, lint, types, import rules, migrations
	@$(PY) -m ruff format --check .
	@$(PY) -m ruff check .
	@$(PY) -m mypy .
	@.venv/bin/lint-imports
	@$(PY) manage.py makemigrations --check --dry-run --skip-checks

format: .venv/dev ## format, sort imports, mend what the linter can mend
	@$(PY) -m ruff check --quiet --fix-only .
	@$(PY) -m ruff format .

bench: .venv/dev ## measure
	@$(PY) -m bench

scaling: .venv/dev ## measure what a call costs over buckets, nodes and web processes, and what more of them need
	@$(PY) -m bench.scaling

compare: .venv/dev ## count the same events with Tally and with other engines: make compare EVENTS=10000000
	@$(PY) -m bench.compare $(EVENTS)

screenshots: .venv/dev ## take the pictures in docs/images again, with the system's Chromium
	@$(PY) -m pytest tests/browser/screenshots.py

site: .venv/dev ## build the documentation as a site, in .site
	@NO_MKDOCS_2_WARNING=1 $(PY) -m mkdocs build --quiet --config-file website/mkdocs.yml

fuzz: .venv/dev ## send any bytes to every entrance: make fuzz EXAMPLES=10000
	@EXAMPLES=$(or $(EXAMPLES),10000) $(PY) -m pytest tests/fuzz $(ARGS)

secrets: ## make the passwords and the certificate of docker-compose.yml, once
	@ops/make-secrets

audit: .venv/dev ## ask PyPI for known weaknesses of what production needs; fails where it does not know a package
	@.venv/bin/pip-audit --strict --require-hashes --disable-pip --requirement requirements.txt

sbom: .venv/dev ## list what production needs, as CycloneDX, in sbom.json
	@.venv/bin/cyclonedx-py requirements --output-reproducible --output-file sbom.json requirements.txt

wheel: .venv/dev ## build what one installs, in dist/
	@.venv/bin/uv build --quiet --wheel --out-dir dist

chart: .venv/dev ## pack the chart for Kubernetes, in dist/
	@.venv/bin/helm package --destination dist ops/helm/tally

lock: .venv/dev ## pin what pyproject.toml and Apache Kafka need to versions and hashes
	@$(LOCK) pyproject.toml -o requirements.txt
	@$(LOCK) pyproject.toml --extra embedded --constraints requirements.txt -o requirements-embedded.txt
	@$(LOCK) pyproject.toml --extra embedded --group dev --constraints requirements-embedded.txt -o requirements-dev.txt
	@$(PY) -m embedded.lock

clean: ## remove the virtual environment and caches; the data in .tally stays
	@rm -rf .venv .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache .site dist

.venv/embedded: requirements-embedded.txt
	@ops/make-venv embedded

.venv/dev: requirements-dev.txt
	@ops/make-venv dev
