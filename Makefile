# Building, the demo and the tests need Go and a C compiler; `make proto` needs protoc besides.
.DEFAULT_GOAL := help
.PHONY: help cxx-runtime build demo test lint test-long fuzz bench proto

tool := go tool -modfile=tools/go.mod
FUZZ_TIME ?= 30s

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' Makefile

# DuckDB is linked in as a C++ library. Its runtime is on every machine, the link that linkers look for only where a C++
# compiler is; with a C compiler alone, such a link is made here.
ifeq ($(shell $(or $(CC),cc) -print-file-name=libstdc++.so),libstdc++.so)
export CGO_LDFLAGS := -O2 -g -L$(CURDIR)/bin/lib
cxx-runtime:
	@mkdir -p bin/lib && ln -sf "$$($(or $(CC),cc) -print-file-name=libstdc++.so.6)" bin/lib/libstdc++.so
else
cxx-runtime:
endif

build: cxx-runtime ## build bin/sotto
	@go build -o bin/sotto ./cmd/sotto

demo: build ## three companies and four questions on this machine
	@bin/sotto demo

test: cxx-runtime lint ## lint, then all tests
	go test ./...

lint: ## go vet, staticcheck, gofumpt
	go vet ./...
	$(tool) staticcheck ./...
	@unformatted=$$($(tool) gofumpt -l .) && test -z "$$unformatted" || { echo "not formatted by gofumpt:" $$unformatted; exit 1; }

test-long: lint fuzz ## all tests in their long variants, and every fuzz test for FUZZ_TIME (30s)
	SOTTO_LONG=1 RAPID_CHECKS=2000 go test -count=1 -timeout 60m ./...

fuzz: ## every fuzz test for FUZZ_TIME (30s)
	@grep -rl --include='*_test.go' '^func Fuzz' . | while read -r file; do \
		for name in $$(sed -n 's/^func \(Fuzz[A-Za-z0-9]*\).*/\1/p' $$file); do \
			go test -run '^$$' -fuzz "^$$name\$$" -fuzztime $(FUZZ_TIME) $$(dirname $$file) || exit 1; \
		done; \
	done

bench: build ## Go benchmarks, then whole deployments with 100 000 customers each, also by groups, with a million, and matched
	go test -run '^$$' -bench . ./...
	bin/sotto bench overlap --n 100000
	bin/sotto bench overlap --n 100000 --by both
	bin/sotto bench overlap --n 1000000
	bin/sotto bench match --n 100000
	bin/sotto bench overlap --n 1000000 --layout matched

proto: ## generate the Go of proto/ anew, with the plugins that tools/go.mod pins
	go build -modfile=tools/go.mod -o bin/ google.golang.org/protobuf/cmd/protoc-gen-go google.golang.org/grpc/cmd/protoc-gen-go-grpc
	PATH="$(CURDIR)/bin:$$PATH" protoc --go_out=. --go_opt=paths=source_relative \
		--go-grpc_out=. --go-grpc_opt=paths=source_relative proto/sotto/v1/sotto.proto
