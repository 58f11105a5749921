"""Signals in a long evaluation: Ctrl-C ends it soon, and what comes after is right."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import hadamard

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals are sent as POSIX has them")

PROGRAM = """
import sys
import numpy as np
import hadamard

a = np.linspace(-1, 1, 60000, dtype="f4")
out = np.zeros((60000, 700), "f4")
waves = "a[:, None] * a[:700]"
for _ in range(20):
    waves = f"sin(exp({waves}))"
begin = {
    "evaluate": lambda: hadamard.evaluate("sum(sin(sin(a[:, None]) * exp(a)))", a=a),
    "few operands": lambda: hadamard.evaluate("sum(sin(arange(0, 2000000000)))"),
    "out": lambda: hadamard.evaluate(waves, a=a, out=out),
    "assign": lambda: hadamard.assign({"out": waves}, a=a, out=out),
    "expression": lambda: hadamard.Expression(["sum(sin(sin(a[:, None]) * exp(a)))", "a + 1"]).grad("a")(a),
}[sys.argv[1]]
print("begins", flush=True)
try:
    begin()
    print("has ended by itself", flush=True)
except KeyboardInterrupt:
    print("interrupted", flush=True)
    assert hadamard.evaluate("sum(a * 0 + 1)", a=a) == 60000
    out[:10] = 2
    hadamard.evaluate("x * x", x=out, out=out)
    assert hadamard.evaluate("sum(x[:10])", x=out) == 28000
    print("right", flush=True)
"""


@pytest.mark.parametrize("threads", ["1", "2"])
@pytest.mark.parametrize("what", ["evaluate", "few operands", "out", "assign", "expression"])
def test_ctrl_c(what, threads):
    environment = {**os.environ, "HADAMARD_NUM_THREADS": threads}
    command = [sys.executable, "-c", PROGRAM, what]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as child:
        try:
            assert child.stdout.readline() == "begins\n"
            time.sleep(0.3)
            start = time.monotonic()
            child.send_signal(signal.SIGINT)
            assert child.stdout.readline() == "interrupted\n"
            assert time.monotonic() - start < 1
            assert child.stdout.readline() == "right\n"
            assert child.wait(60) == 0
        finally:
            child.kill()


class Late(Exception):
    pass


@pytest.fixture
def alarm():
    """Has the process get a signal some time from now, and call a function then."""

    def set_alarm(seconds, f):
        signal.signal(signal.SIGALRM, lambda *_: f())
        signal.setitimer(signal.ITIMER_REAL, seconds)

    before = signal.getsignal(signal.SIGALRM)
    yield set_alarm
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


def test_what_a_handler_raises_is_raised(alarm):
    a = np.linspace(-1, 1, 60000, dtype="f4")

    def late():
        raise Late

    alarm(0.3, late)
    start = time.monotonic()
    with pytest.raises(Late):
        hadamard.evaluate("sum(sin(sin(a[:, None]) * exp(a)))", a=a)
    assert time.monotonic() - start < 1.3


def test_a_handler_that_raises_nothing_ends_nothing(alarm):
    seen = []
    a = np.linspace(0, 1, 12000, dtype="f4")
    # It evaluates, too, while the other evaluation waits.
    alarm(0.1, lambda: seen.append(hadamard.evaluate("sum(a * 0 + 1)", a=a)))
    total = hadamard.evaluate("sum(sin(a[:, None]) * 0 + cos(a) * 0 + 1)", a=a)
    assert total == 12000**2
    while not seen:
        time.sleep(0.01)
    assert seen == [12000]
