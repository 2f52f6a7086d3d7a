# The commands a person types. `make` alone prints them.
PYTHON ?= python3
UV := .uv/bin/uv
COMPONENTS := $(wildcard components/*/src components/*/tests)
CHECKED := components pipelines examples tests benchmarks

export UV_PYTHON_PREFERENCE ?= only-system
export UV_PYTHON_DOWNLOADS ?= never

.DEFAULT_GOAL := help
.PHONY: help install run check format images push test test-browser test-docker test-kind bench bench-scale docs kind-up kind-run kind-down kfp-up clean

help: ## print these lines
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

install: .venv/.installed ## install everything into this checkout (.uv and .venv, nothing outside)

.uv/bin/uv:
	$(PYTHON) -m venv .uv
	.uv/bin/pip install --quiet uv==0.13.9

.venv/.installed: .uv/bin/uv uv.lock pyproject.toml $(wildcard */pyproject.toml */*/pyproject.toml)
	$(UV) sync --locked
	@touch $@

run: install ## the demo: crawl, curate, crop, train, convert, compile and publish on this machine
	.venv/bin/coralline demo

check: install ## types (mypy strict), style (ruff) and imports (import-linter)
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports

format: install ## let ruff put imports and layout in order
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .

BAKE := docker buildx bake --file images/docker-bake.hcl

images: install ## build an image a step; prints their sizes, and what is largest in each
	$(BAKE)
	.venv/bin/python images/built.py

push: install ## build them and push them to the registry CORALLINE_REGISTRY
	@test -n "$(CORALLINE_REGISTRY)" || { echo "say where: make push CORALLINE_REGISTRY=registry.example.org/coralline"; exit 2; }
	$(BAKE) --push --metadata-file images/pushed.json
	.venv/bin/python images/built.py images/pushed.json

test: check ## the checks, then every test
	.venv/bin/pytest

test-browser: install ## the tests of the review page, in Chromium (Debian: apt-get install chromium)
	.venv/bin/pytest -m browser

test-docker: images ## the tests that need Docker and the images
	.venv/bin/pytest -m docker

test-kind: images ## the tests that need a cluster of kind, which is made if it is not there
	.venv/bin/pytest tests/kind -m kind

bench: install ## measure against peers; prints ratios (about 4 minutes, longer the first time)
	.venv/bin/python -m benchmarks

bench-scale: install ## measure stores of up to 1,000,000 images; fails where a bound is missed (about 6 minutes)
	.venv/bin/python -m benchmarks.scale

docs: install ## write docs/project-file.md from the steps' settings
	.venv/bin/python -m coralline.reference > docs/project-file.md

# A cluster of kind, with a store and the demo's image site in it: see docs/kubernetes.md.
KIND_CLUSTER ?= coralline
KIND_NODE_IMAGE ?=
KUBECTL := kubectl --context kind-$(KIND_CLUSTER) --namespace coralline
SEAWEEDFS := chrislusf/seaweedfs:4.48
export CORALLINE_IMAGES ?= images/built.json
built = $(shell .venv/bin/python -c "import json; built = json.load(open('$(CORALLINE_IMAGES)')); print($(1))")

kind-up: install $(CORALLINE_IMAGES) k8s/overlays/kind/store.env ## make a cluster with kind, with the images of `make images` in it
	kind get clusters | grep -qx $(KIND_CLUSTER) || kind create cluster --name $(KIND_CLUSTER) \
		--config k8s/overlays/kind/cluster.yaml $(KIND_NODE_IMAGE:%=--image %) --wait 3m
	docker image inspect --format '{{.Id}}' $(SEAWEEDFS) || docker pull $(SEAWEEDFS)
	kind load docker-image --name $(KIND_CLUSTER) $(call built,*built.values()) $(SEAWEEDFS)
	$(KUBECTL) apply --kustomize k8s/overlays/kind
	$(KUBECTL) set image deployment/demo-site site=$(call built,built['demo'])
	$(KUBECTL) rollout status deployment/seaweedfs deployment/demo-site --timeout 3m

images/built.json:
	$(MAKE) images

k8s/overlays/kind/store.env:
	(umask 077 && $(PYTHON) -c "from secrets import token_hex; print('AWS_ACCESS_KEY_ID=' + token_hex(10), \
		'AWS_SECRET_ACCESS_KEY=' + token_hex(20), sep='\n')" > $@)

kind-run: install ## run the demo's pipeline on that cluster, and bring its report and model to runs/
	.venv/bin/coralline manifests examples/glasses-kind.yaml | $(KUBECTL) apply -f -
	set -a && . ./k8s/overlays/kind/store.env && AWS_ENDPOINT_URL_S3=http://localhost:30333 \
		.venv/bin/coralline follow examples/glasses-kind.yaml --context kind-$(KIND_CLUSTER)

kind-down: ## remove that cluster, and all that is in it
	kind delete cluster --name $(KIND_CLUSTER)
	rm -f k8s/overlays/kind/store.env

# From its own manifests on GitHub, or a checkout's: KFP_MANIFESTS=…/pipelines/manifests/kustomize.
kfp-up: ## install Kubeflow Pipelines 2.17 in the current cluster: see docs/kubeflow.md
	k8s/kfp/render cluster | kubectl apply --server-side --force-conflicts --filename -
	kubectl wait crd --all --for condition=established --timeout 1m
	k8s/kfp/render env | kubectl apply --server-side --force-conflicts --filename -
	kubectl wait deployment --all --namespace kubeflow --for condition=available --timeout 15m \
		|| { kubectl get pods --namespace kubeflow; exit 1; }

clean: ## remove what `make install` and the checks wrote; runs and stores stay
	rm -rf .uv .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
