#!/bin/sh
# web/test.sh [WORD ...]: makes the package and tests it in headless Chromium, on its software GPU and without WebGPU; with words
# those tests alone whose names have one. HADAMARD_ALL_ROWS=1 compares all of PyTorch's answers on the GPU, too, and not a fourth. From a fresh clone it needs cargo, npm and chromium, and on Debian makes the rest.
set -eu
cd "$(dirname "$0")"
# The package that is released is made small, which takes minutes more.
HADAMARD_WEB_PROFILE=${HADAMARD_WEB_PROFILE:-quick} sh build.sh
node node_modules/typescript/bin/tsc --noEmit --strict --target es2022 --lib es2022,dom,esnext.disposable --skipLibCheck tests/types.ts
node tests/run.mjs "$@"
