# Everything a newcomer types. Each target does all it needs; a second call starts at once.

BIN := .venv/bin

.PHONY: help demo test guarantee check site kafka lock clean

help: ## List these targets
	@sed -n 's/^\([a-z]*\):[^#]*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 16

demo: ## Watch a model of winter flights meet spring and summer; needs only Python 3.11 to 3.13
	@scripts/venv requirements.lock
	@$(BIN)/driftline demo

test: ## Run all tests; those that need Kafka take Docker, or Java 17 and Maven
	@scripts/venv requirements-dev.lock
	@$(BIN)/python scripts/run_tests.py

guarantee: ## Run what docs/guarantees.md promises at full length, some hours; its output is kept
	@scripts/venv requirements-dev.lock
	@$(BIN)/python scripts/guarantees.py

check: ## Run ruff, mypy (strict), import-linter and the limits of files and functions
	@scripts/venv requirements-dev.lock
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	cd client && ../$(BIN)/lint-imports
	$(BIN)/python scripts/limits.py

site: ## Build the documents as a site in build/site; a dead link fails
	@scripts/venv requirements-dev.lock
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

kafka: ## Run a real Kafka on localhost:9092 until Ctrl-C; needs Java 17 and, once, Maven
	@scripts/venv requirements-dev.lock
	@$(BIN)/python -m tests.integration.broker --port 9092

lock: ## Make both lock files again, with the newest versions that fit; needs uv
	@scripts/lock

clean: ## Remove the virtual environment and the tools' caches
	rm -rf .venv build dist .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
