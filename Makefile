# `make` alone lists the targets. What they do is in scripts/.
.DEFAULT_GOAL := help
.PHONY: help demo up down status logs clean build test lint servers install bench-ingest bench-model bench-serving bench-similar bench-training profile check-api check-hostile

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s  %s\n", $$1, $$2}'

demo: up ## everything: install, build, start, drop the bundled data, wait for a price
	@python3 scripts/demo.py

up: install servers build ## start the servers and the three services, with all their data
	@scripts/services.sh up

down: ## stop exactly what was started here
	@scripts/services.sh down

status: ## what runs, where, and which model serves
	@scripts/services.sh status

logs: ## follow the services' logs
	@scripts/services.sh logs

clean: ## forget the data, after asking (CLEAN=yes does not ask)
	@scripts/clean.sh

build: install ## build the services
	@cargo build --release --locked --workspace --bins

test: install ## run every test
	@scripts/test.sh

lint: ## format, lints, docs, dependency directions, scripts, alerts
	@scripts/install.sh lint
	@scripts/lint.sh

servers: install ## start only RabbitMQ and PostgreSQL
	@scripts/servers.sh start

bench-ingest: install ## measure intake: a 1 GB CSV beside polars, and the way to the event
	@scripts/bench.sh ingest

bench-training: install ## measure the search for boosted trees beside the notebook's Optuna loop
	@scripts/bench.sh training

bench-serving: ## measure durable predictions: beside an echo and FastAPI, then open loop with swaps
	@scripts/install.sh bench
	@scripts/bench.sh serving

bench-similar: install ## measure similar samples in process, of 10 million
	@cargo run --release --locked --workspace --example similar -- 10000000

bench-model: install ## measure a prediction of boosted trees beside XGBoost's own library
	@cargo run --release --locked -p model --features learners --example predictor | tee bench/results/model.md

profile: ## make the profile that the project's own crates are compiled with anew (bench/profile/README.md)
	@scripts/install.sh bench
	@scripts/profile.sh

check-api: build ## let schemathesis attack the API of a system of its own, with a key and without
	@scripts/check-api.sh

check-hostile: build ## attack a system of its own with everything at once, while an honest client measures
	@scripts/check-hostile.sh

install:
	@scripts/install.sh
