# Building and the demo need Go and a C++ compiler (DuckDB is C++); `make proto` needs protoc besides.
.DEFAULT_GOAL := help
.PHONY: help build demo test lint test-long fuzz bench proto

tool := go tool -modfile=tools/go.mod
FUZZ_TIME ?= 30s

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' Makefile

build: ## build bin/sotto
	@go build -o bin/sotto ./cmd/sotto

demo: build ## three companies and three questions on this machine
	@bin/sotto demo

test: lint ## lint, then all tests
	go test ./...

lint: ## go vet, staticcheck, gofumpt
	go vet ./...
	$(tool) staticcheck ./...
	@unformatted=$$($(tool) gofumpt -l .) && test -z "$$unformatted" || { echo "not formatted by gofumpt:" $$unformatted; exit 1; }

test-long: lint fuzz ## all tests in their long variants, and every fuzz test for FUZZ_TIME (30s)
	SOTTO_LONG=1 RAPID_CHECKS=2000 go test -timeout 60m ./...

fuzz: ## every fuzz test for FUZZ_TIME (30s)
	@grep -rl --include='*_test.go' '^func Fuzz' . | while read -r file; do \
		for name in $$(sed -n 's/^func \(Fuzz[A-Za-z0-9]*\).*/\1/p' $$file); do \
			go test -run '^$$' -fuzz "^$$name\$$" -fuzztime $(FUZZ_TIME) $$(dirname $$file) || exit 1; \
		done; \
	done

bench: build ## Go benchmarks, then whole deployments with 100 000 and a million customers each
	go test -run '^$$' -bench . ./...
	bin/sotto bench overlap --n 100000
	bin/sotto bench overlap --n 1000000

proto: ## generate the Go of proto/ anew, with the plugins that tools/go.mod pins
	go build -modfile=tools/go.mod -o bin/ google.golang.org/protobuf/cmd/protoc-gen-go google.golang.org/grpc/cmd/protoc-gen-go-grpc
	PATH="$(CURDIR)/bin:$$PATH" protoc --go_out=. --go_opt=paths=source_relative \
		--go-grpc_out=. --go-grpc_opt=paths=source_relative proto/sotto/v1/sotto.proto
