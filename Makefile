# Environment, demo, tests and lint. `make test ROS_DISTRO=kilted` uses the other supported ROS 2.
ROS_DISTRO ?= jazzy
PYTHON ?= python3
DATA ?=
TESTS ?=
JOBS ?=
CONSTRAINTS ?=
VIEW ?=

VENV := $(CURDIR)/.venv$(if $(filter-out jazzy,$(ROS_DISTRO)),-$(ROS_DISTRO))
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
DEMO := $(VENV)/.demo
ROS_SETUP := $(wildcard /opt/ros/$(ROS_DISTRO)/setup.sh)
WHEELS := $(filter jazzy kilted,$(ROS_DISTRO))
EXECUTABLES := mppi_controller kinematic_simulator path_planner cmd_vel_watchdog \
    $(addprefix mppi_,dashboard demo evaluate benchmark tune compile import_nav2)
WITH_ROS := .ci/with_ros $(VENV) "$(ROS_SETUP)"
comma := ,

.PHONY: env demo quick test tests test-oldest test-arm64 test-dashboard faults soak docs lint clean

env: $(STAMP)

SOURCES := setup.py setup.cfg pyproject.toml Makefile .ci/install
INSTALL = PYTHON="$(PYTHON)" .ci/install $(VENV)
ROS_WHEELS := $(if $(WHEELS),$(WHEELS)$(comma))

$(STAMP): $(SOURCES)
	UV_COMPILE_BYTECODE=1 $(INSTALL) $(ROS_WHEELS)tools,cluster,dev,docs,physics,tune $(CONSTRAINTS)
	$(LINK_SHARE)
	@touch $@ $(DEMO)

# What the demo needs, and the kernels, whose compilation would delay its start.
$(DEMO): $(SOURCES)
	$(INSTALL) $(ROS_WHEELS)demo
	$(LINK_SHARE)
	-$(WITH_ROS) $(BIN)/mppi_compile
	@touch $@

# An editable install leaves out what ROS 2 looks for under share/ and lib/<package>: link it.
define LINK_SHARE
@mkdir -p $(VENV)/lib/mppi_ros $(VENV)/share/ament_index/resource_index/packages
@ln -sf $(addprefix ../../bin/,$(EXECUTABLES)) $(VENV)/lib/mppi_ros
@ln -sf $(CURDIR)/resource/mppi_ros $(VENV)/share/ament_index/resource_index/packages
@ln -sfn $(CURDIR) $(VENV)/share/mppi_ros
endef

demo: $(DEMO) $(if $(filter web,$(VIEW)),$(VENV)/.dashboard)
	$(WITH_ROS) $(BIN)/mppi_demo $(if $(VIEW),--view $(VIEW))

# The page of the controller, and what its tests in a browser need.
$(VENV)/.dashboard: $(SOURCES)
	$(INSTALL) dashboard
	touch $@

# A fast subset of the tests, for work on the code.
QUICK := $(addprefix test/,mppi parameters driving control/test_controller.py \
    control/test_stopping_check.py nodes/test_config.py ros/test_params_files.py \
    test_structure.py test_launch_files.py)
COMPILES := $(addprefix test/driving/test_,solve.py new_critic.py portable.py)

quick: env
	$(BIN)/ruff check
	$(PYTEST) -q -n $(or $(JOBS),auto) --dist loadfile $(addprefix --ignore ,$(COMPILES)) $(QUICK)

test: lint
	$(MAKE) --no-print-directory tests

# The live page in a browser; needs Chromium.
test-dashboard: env $(VENV)/.dashboard
	$(BIN)/pip install --quiet --disable-pip-version-check playwright
	$(WITH_ROS) $(BIN)/pytest test/dashboard test/system/test_dashboard.py

# Tests that only compute run in JOBS processes at once, by default one for each core; those of
# nodes and processes by default in two, as they wait more than they compute. With TESTS all run in one process
# unless JOBS is given.
PYTEST = $(WITH_ROS) $(BIN)/pytest $(if $(DATA),--data $(DATA))
NODES := $(addprefix test/,dashboard launch nodes ros system test_launch_files.py)

tests: env
ifneq ($(TESTS),)
	$(PYTEST) $(if $(JOBS),-n $(JOBS) --dist loadfile) $(TESTS)
else
	@status=0; \
	    $(PYTEST) -n $(or $(JOBS),auto) --dist loadfile $(addprefix --ignore ,$(NODES)) || status=$$?; \
	    $(PYTEST) -n $(or $(JOBS),2) --dist loadfile $(NODES) && exit $$status
endif

# With the oldest NumPy and Numba that are supported, those of Ubuntu 24.04. Their wheels end with
# Python 3.11: make test-oldest PYTHON=python3.11
test-oldest:
	NUMBA_CACHE_DIR=$(CURDIR)/.venv-oldest/kernels \
	    $(MAKE) --no-print-directory tests VENV=$(CURDIR)/.venv-oldest CONSTRAINTS=.ci/oldest.txt

# On an emulated ARM64 processor, which takes hours; needs root and tools of Debian: see .ci/arm64.
test-arm64: env
	.ci/arm64 $(BIN)/python $(CURDIR)/.venv-arm64 $(if $(DATA),--data $(DATA)) \
	    $(if $(JOBS),-n $(JOBS) --dist loadfile) \
	    $(or $(TESTS),test/mppi test/driving test/control test/simulation)

# Every fault in every state of driving, 10⁶ random inputs: half an hour. Uses atheris if a
# wheel is available.
faults: env
	-$(BIN)/pip install --quiet --disable-pip-version-check --only-binary :all: atheris
	$(WITH_ROS) $(BIN)/pytest --long --timeout 7200 test/faults test/fuzz \
	    test/control/test_guarantees.py test/nodes/test_controller_node.py \
	    test/system/test_faults.py

docs: env
	$(BIN)/python -m sphinx -q -W docs build/docs

# A million ticks of closed loop: memory and time of a tick.
soak: env
	$(WITH_ROS) $(BIN)/mppi_benchmark soak

lint: env
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

clean:
	rm -rf .venv .venv-kilted .venv-oldest .venv-arm64 build install log .mypy_cache .ruff_cache .pytest_cache *.egg-info
