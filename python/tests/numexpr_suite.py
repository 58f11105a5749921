"""Runs numexpr's own test suite, as its package has it, against hadamard.numexpr, and counts.

    python tests/numexpr_suite.py [-v]

Tests that fail must be among those in REFUSED, each with its reason. Exit code 1 if others do.
"""

import importlib.util
import os
import re
import sys
import types

import hadamard.numexpr as ne

VERBOSE = "-v" in sys.argv

# What of the suite is not passed: a pattern of names, and why.
REFUSED = [
    (r"complex", "complex numbers"),
    (r"test_str_contains|test_strings", "strings"),
    (r"test_simple|test_rational_expr|test_r0_reuse|test_reductions|test_disassemble|test_run|_constant$|_deduplication"
     r"|test_ex_uses_vml", "numexpr's expression objects, registers and virtual machine"),
    (r"test_bool_funcs", "isnan and the like of complex numbers, in the midst of others"),
    (r"test_sign_round", "sign(nan) is 0, as PyTorch's"),
    (r"%.*0.*int", "the remainder of an integer by a 0 in the text is an error, not 0"),
    (r"nextafter.*int", "nextafter is of floats, not of integers"),
    (r"test_axis", "negative axes count from the end, where numexpr refuses them"),
    (r"test_boolean_operator|test_sanitize|test_no_sanitize", "the error's type is another; nothing can be run"),
    (r"test_small_int|test_long_constant_promotion|test_uint32_constant_promotion",
     "arrays without dims take the dtype of those that have some; numbers alone are int64"),
    (r"test_threading_config", "numexpr's variables for threads; there are HADAMARD_NUM_THREADS and OMP_NUM_THREADS"),
]  # fmt: skip


class Refusal(Exception):
    """Something of numexpr's insides that hadamard does not have."""


class Absent:
    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        raise Refusal(name)

    def __call__(self, *args, **kwargs):
        raise Refusal("called")


def stand_in():
    """numexpr's modules, over hadamard.numexpr."""
    module = types.ModuleType("numexpr")
    for name in ne.__all__:
        setattr(module, name, getattr(ne, name))
    module.E = Absent()
    module.disassemble = Absent()
    module.use_vml = False
    module.MAX_THREADS = 16
    module._init_num_threads = Absent()
    module.__path__ = []
    expressions = types.ModuleType("numexpr.expressions")
    expressions.ConstantNode = Absent
    utils = types.ModuleType("numexpr.utils")
    utils.detect_number_of_cores = os.cpu_count
    utils.set_vml_num_threads = utils.get_vml_num_threads = lambda *a: None
    module.utils, module.expressions = utils, expressions
    module.necompiler = Absent()
    return {"numexpr": module, "numexpr.expressions": expressions, "numexpr.utils": utils}


def main():
    found = importlib.util.find_spec("numexpr")
    path = os.path.join(os.path.dirname(found.origin), "tests", "test_numexpr.py")
    sys.modules.update(stand_in())
    import numpy as np
    import pytest

    np.seterr(all="ignore")

    class Counter:
        def __init__(self):
            self.passed, self.failed = [], {}

        def pytest_runtest_logreport(self, report):
            name = report.nodeid.split("::", 1)[1]
            if report.when == "call" and report.passed:
                self.passed.append(name)
            elif report.failed:
                self.failed[name] = str(report.longrepr).strip().splitlines()[-1]

    counter = Counter()
    pytest.main(
        [
            "-qq",
            "--no-header",
            "--tb=line",
            "--no-summary",
            "--noconftest",
            "--import-mode=importlib",
            "-p",
            "no:cacheprovider",
            path,
        ],
        [counter],
    )
    reasons = {name: next((why for what, why in REFUSED if re.search(what, name)), None) for name in counter.failed}
    print(f"numexpr's suite: {len(counter.passed)} passed, {len(counter.failed)} failed")
    for _, why in REFUSED:
        print(f"  {sum(reason == why for reason in reasons.values()):4} {why}")
    for name, why in sorted(counter.failed.items()):
        if VERBOSE or reasons[name] is None:
            print(f"  {name}: {why[:160]}")
    unexplained = sum(reason is None for reason in reasons.values())
    if unexplained or len(counter.passed) < 5000:
        print(f"{unexplained} failures have no explanation, {len(counter.passed)} passed")
        raise SystemExit(1)


if __name__ == "__main__":
    main()
