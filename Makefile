# The front door.  The build itself is CMakeLists.txt; PRESET picks a preset of CMakePresets.json.
PRESET ?= release
BUILD = build/$(PRESET)
JOBS ?= $(shell nproc)
FUZZ_SECONDS ?= 60
SEED ?= 1
SEEDS ?= 2000
SOAK_SECONDS ?= 600
SOAK_SEED ?= $(shell date +%s | tail -c 7)

.PHONY: all build setup demo test check fuzz seeds sim faults soak model install clean help

all: build

help:
	@echo "make            build (PRESET=release: build/release/nprocreg)"
	@echo "make demo       install what is missing, build, and show a cluster of three nodes"
	@echo "make test       install what is missing, build, and run every test (PRESET=asan, tsan, ...)"
	@echo "make check      format, lint, layers, clang-tidy"
	@echo "make fuzz       run each fuzzer for FUZZ_SECONDS"
	@echo "make soak       real nodes killed, stopped, parted and healed for SOAK_SECONDS (600)"
	@echo "make model      check the model of the protocol, and that it catches what breaks it (minutes)"
	@echo "make seeds      run the runtime in the orders of SEEDS seeds, from SEED on"
	@echo "make sim        run the simulator over SEEDS seeds, from SEED on"
	@echo "make faults     plant each mistake into the core, and see that the simulator finds it"
	@echo "make install    PREFIX=/usr/local DESTDIR="

setup:
	@tools/setup

$(BUILD)/build.ninja:
	@cmake --preset $(PRESET) $(if $(PREFIX),-DCMAKE_INSTALL_PREFIX=$(PREFIX)) >/dev/null || \
		{ echo "'make setup' installs what may be missing" >&2; exit 1; }

build: $(BUILD)/build.ninja
	@cmake --build --preset $(PRESET) --parallel $(JOBS)

demo: setup
	@$(MAKE) --no-print-directory build
	@tools/demo $(BUILD)

test: setup
	@$(MAKE) --no-print-directory build
	@ctest --test-dir $(BUILD) --output-on-failure --parallel $(JOBS) --output-junit tests.xml

check: setup
	@$(MAKE) --no-print-directory build
	@bad=0; \
	tools/format --check || bad=1; \
	tools/lint || bad=1; \
	tools/layers $(BUILD) || bad=1; \
	tools/tidy $(BUILD) || bad=1; \
	[ $$bad -eq 0 ] && echo "check: clean"

fuzz: setup
	@$(MAKE) --no-print-directory build PRESET=fuzz
	@tools/fuzz build/fuzz $(FUZZ_SECONDS)

model: setup
	@model/run

seeds: build
	@$(BUILD)/systematic --seed $(SEED) --count $(SEEDS) | tail -n 4

soak: setup
	@$(MAKE) --no-print-directory build
	@tools/soak $(BUILD) $(SOAK_SECONDS) $(SOAK_SEED)

sim: build
	@$(BUILD)/nprocreg-sim --first $(SEED) --seeds $(SEEDS)

faults: build
	@tests/sim/faults.sh $(BUILD)/nprocreg-sim

install: build
	@DESTDIR=$(DESTDIR) cmake --install $(BUILD) $(if $(PREFIX),--prefix $(PREFIX))

clean:
	rm -rf build
