#!/usr/bin/env bash
# Builds the wheel and runs its tests in a virtual environment of their own, in target/python.
#
#   bash python/test.sh
#
# The build is that of the library's tests, which takes less time than a release and has the checks of one for tests. What
# PyTorch would be needed for (the operator of hadamard.torch, trajectories of optimizers) is left out where it is missing.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=target/python
export CARGO_TARGET_DIR="$PWD/target" NODEVICE_SELECT=1
[[ -x $venv/bin/python ]] || python3 -m venv "$venv"
"$venv/bin/pip" install -q "maturin>=1.9,<2" pytest ml_dtypes "dask[array,distributed]" numexpr
rm -rf target/wheels
"$venv/bin/maturin" build -q --profile dev --manifest-path python/Cargo.toml --out target/wheels
"$venv/bin/pip" install -q --force-reinstall --no-deps target/wheels/hadamard-*.whl
# From elsewhere, so that the package is the wheel's and not the sources beside it.
tests="$PWD/python"
cd target/wheels
run="$OLDPWD/$venv/bin/python"
package="$("$run" -c 'import hadamard, os; print(os.path.dirname(hadamard.__file__))')"
"$run" -m pytest -q -p no:cacheprovider --rootdir="$tests" "$tests/tests"
"$run" -m doctest "$tests/README.md"
"$run" - <<'PYTHON'
import doctest, importlib, inspect, sys

wrong = 0
for name in ["hadamard", "hadamard.optim", "hadamard.numexpr", "hadamard.dask"]:
    found = doctest.testmod(importlib.import_module(name))
    print(name, found)
    wrong += found.failed
import hadamard

# Of the compiled part doctest finds no functions by itself.
finder, runner = doctest.DocTestFinder(), doctest.DocTestRunner()
for name in hadamard.__all__:
    if inspect.ismodule(getattr(hadamard, name)):
        continue
    for test in finder.find(getattr(hadamard, name), name, globs={}):
        runner.run(test)
print(runner.summarize())
sys.exit(wrong + runner.failures)
PYTHON
"$run" "$tests/tests/numexpr_suite.py" | tail -15
"$run" "$tests/examples/larger_than_memory.py"
"$run" -m hadamard
