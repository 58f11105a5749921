#!/bin/sh
# Runs tests under the Vulkan validation layer, whose first message ends the process that caused it.
#
#   sh tests/validate.sh [arguments for cargo test]
#
# Without arguments: a twelfth of the table of cases, after the proof that a message is seen. `sh tests/validate.sh
# --test '*'` runs every test. Needs the layer (Debian: vulkan-validationlayers).
set -eu
cd "$(dirname "$0")/.."
export WGPU_VALIDATION=1 VK_LAYER_SETTINGS_PATH="$PWD/tests/validation" NODEVICE_SELECT=1
# Names of shaders' variables, and a source language that layers of before 2023 refuse, are left out.
export WGPU_DEBUG=0
export HADAMARD_TEST_DEVICES="${HADAMARD_TEST_DEVICES:-vulkan}"
if [ $# -eq 0 ]; then set -- -q --test validation -- --ignored --skip provoke; fi
exec cargo test --features cli "$@"
