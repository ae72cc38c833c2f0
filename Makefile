# What a developer does with this tree. `make test` is what CI runs.

VERSION ?= 0.1.0
# As it is shipped, and tested; the reasons are in the file.
FLAGS := $(shell grep '^-' shipped/flags)
LINK = $(patsubst -ldflags=%,%,$(filter -ldflags=%,$(FLAGS))) -X ota/internal/cli.linked=$(VERSION)
BUILD = CGO_ENABLED=0 go build $(filter-out -ldflags=%,$(FLAGS)) -ldflags="$(LINK)"

.PHONY: build cross packages man site test lint race bench clean

build:
	$(BUILD) -o ota ./cmd/ota

# One static binary for each device.
cross:
	GOOS=linux GOARCH=amd64 $(BUILD) -o dist/ota-linux-amd64 ./cmd/ota
	GOOS=linux GOARCH=arm64 $(BUILD) -o dist/ota-linux-arm64 ./cmd/ota
	GOOS=linux GOARCH=arm GOARM=7 $(BUILD) -o dist/ota-linux-armv7 ./cmd/ota
	GOOS=linux GOARCH=arm GOARM=6 $(BUILD) -o dist/ota-linux-armv6 ./cmd/ota
	GOOS=linux GOARCH=arm GOARM=5 $(BUILD) -o dist/ota-linux-armv5 ./cmd/ota
	GOOS=linux GOARCH=riscv64 $(BUILD) -o dist/ota-linux-riscv64 ./cmd/ota
	GOOS=darwin GOARCH=arm64 $(BUILD) -o dist/ota-darwin-arm64 ./cmd/ota
	GOOS=windows GOARCH=amd64 $(BUILD) -o dist/ota-windows-amd64.exe ./cmd/ota

# What is handed out, in dist/packages: a .deb for Debian, Raspberry Pi OS and
# Ubuntu, a .tar.gz for each target, and their sums. The same bytes each time.
packages: cross
	go run ./cmd/packages -from dist -to dist/packages -version $(VERSION)

# A page for each command, and one for ota.toml.
man:
	go run ./cmd/man dist/man $(VERSION)

# The docs as a site, in dist/site: no script in it, and nothing from elsewhere.
site:
	go run ./cmd/site dist/site

# Everything. The rooms with the race detector, then the real binary with real
# programs, three packages at a time of those that mostly wait, for a system to
# boot, a trial to end or a page to be drawn, and one at a time of those that keep
# all processors busy; never from the cache: go does not know that they test a binary.
WAITING = ./test/service ./test/setup ./test/packages ./test/push ./test/find ./test/home ./test/source ./test/clock ./test/docs ./test/messages ./test/shells ./test/device ./test/life ./test/page
test: lint race
	go test -count=1 -p 3 -timeout 30m $(WAITING)
	go test -count=1 -p 1 -timeout 30m $$(go list ./test/... | grep -vxF "$$(go list $(WAITING))")

race:
	go test -race -timeout 15m ./internal/... ./cmd/... ./bench/... ./shipped/...
	go test -count=1 -run TestADeviceNeeds24MB ./internal/transfer # whose memory is not that of the race detector

lint:
	@test -z "$$(gofmt -l .)" || { echo "not formatted:"; gofmt -l .; exit 1; }
	@! git grep -nE '^(<<<<<<<|>>>>>>>) ' || { echo "not merged"; exit 1; }
	go vet ./...
	GOOS=darwin go vet ./...
	GOOS=windows go vet ./...
	GOARCH=arm go vet ./...

# The figures of docs/benchmarks.md, on this machine; half an hour, and root for
# the bytes that reach a device. `go run ./bench -quick -parts disk` is a part.
bench:
	go run ./bench >docs/benchmarks.md

clean:
	rm -rf ota dist
