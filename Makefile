# make demo    install what is missing, build, run the main job end to end
# make test    install, build, every test that needs no TensorFlow, and the unit tests again under ASan and UBSan
# make oracle  live comparisons with TensorFlow, SciPy, PyArrow and others, in a virtual environment of its own
# make bench   ratios against the named peers
# make check   format, layers, lint, docs
# make build | install | fuzz | tsan | format | clean
.DELETE_ON_ERROR:
.PHONY: demo test oracle bench check build install fuzz tsan asan format clean deps
MAKEFLAGS += --no-print-directory

BUILD := build
VENV := $(BUILD)/venv
ORACLE := $(BUILD)/venv-oracle
PREFIX ?= /usr/local
FUZZ_SECONDS ?= 300
CTEST := ctest --output-on-failure --no-tests=error
export CCACHE_BASEDIR ?= $(CURDIR)
export CCACHE_NOHASHDIR := 1
PIP := -m pip install --quiet --disable-pip-version-check

deps:
	@tools/deps

# The virtual environments are made once for each state of their requirements.
$(VENV)/.ready: python/requirements-build.txt | deps
	@python=$$(tools/find_python) && "$$python" -m venv $(VENV)
	@$(VENV)/bin/python $(PIP) -r $<
	@touch $@

$(ORACLE)/.ready: tests/requirements-oracle.txt tests/requirements-oracle-alone.txt python/requirements-build.txt | deps
	@python=$$(tools/find_python) && "$$python" -m venv $(ORACLE)
	@$(ORACLE)/bin/python $(PIP) -r python/requirements-build.txt -r tests/requirements-oracle.txt
	@$(ORACLE)/bin/python $(PIP) --no-deps -r tests/requirements-oracle-alone.txt
	@touch $@

build: $(VENV)/.ready
	@cmake --preset release -DFERRY_PYTHON=ON -DPython_EXECUTABLE=$(CURDIR)/$(VENV)/bin/python $(CMAKE_FLAGS) >$(BUILD)/configure.log || { cat $(BUILD)/configure.log; exit 1; }
	@cmake --build $(BUILD)

demo: build
	@examples/demo $(BUILD)

test: build asan
	$(CTEST) --test-dir $(BUILD) -j2
	PYTHONPATH=$(BUILD)/python $(VENV)/bin/python -m pytest -q python/tests --ignore=python/tests/oracle

asan: deps
	@cmake --preset asan >/dev/null && cmake --build build/asan
	$(CTEST) --test-dir build/asan -L 'unit|golden' -j2

tsan: deps
	@cmake --preset tsan >/dev/null && cmake --build build/tsan
	$(CTEST) --test-dir build/tsan -L unit -j2

oracle: build $(ORACLE)/.ready
	TF_CPP_MIN_LOG_LEVEL=3 CUDA_VISIBLE_DEVICES=-1 PYTHONPATH=$(BUILD)/python $(ORACLE)/bin/python -m pytest -q python/tests/oracle tests/oracle

bench: $(ORACLE)/.ready
	@$(MAKE) build CMAKE_FLAGS=-DFERRY_BENCH=ON
	TF_CPP_MIN_LOG_LEVEL=3 CUDA_VISIBLE_DEVICES=-1 PYTHONPATH=$(BUILD)/python $(ORACLE)/bin/python bench/run.py $(BENCH_FLAGS)

check: build
	@tools/check

fuzz: deps
	@tools/deps --fuzz
	@cmake --preset fuzz >/dev/null && cmake --build build/fuzz
	@fuzz/run build/fuzz $(FUZZ_SECONDS)

install: build
	cmake --install $(BUILD) --prefix $(PREFIX)

format:
	@git ls-files '*.h' '*.cc' | xargs clang-format-14 -i

clean:
	rm -rf $(BUILD)
