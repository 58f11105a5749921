"""Optimizers over arrays in place."""

import numpy as np
import pytest

import hadamard
from hadamard import optim


@pytest.mark.parametrize(
    "rule, options",
    [
        ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True}),
        ("Adam", {"lr": 0.05, "betas": (0.8, 0.99)}),
        ("AdamW", {"lr": 0.05, "weight_decay": 0.1}),
        ("RMSprop", {"lr": 0.02}),
        ("Adagrad", {"lr": 0.3}),
        ("NAdam", {"lr": 0.05}),
        ("RAdam", {"lr": 0.2}),
        ("Adamax", {"lr": 0.1}),
        ("Adadelta", {"lr": 1.0}),
    ],
)
def test_trajectories_are_torchs(rule, options):
    torch = pytest.importorskip("torch")
    random = np.random.default_rng(0)
    x, y = random.normal(size=(64, 5)).astype("f4"), random.normal(size=64).astype("f4")
    w, b = np.zeros(5, "f4"), np.zeros((), "f4")
    ours = getattr(optim, rule)({"w": w, "b": b}, **options)
    tw, tb = torch.zeros(5, requires_grad=True), torch.zeros((), requires_grad=True)
    theirs = getattr(torch.optim, rule)([tw, tb], **options)
    for _ in range(30):
        loss = ours.minimize("mean((sum(w * x, 1) + b - y) ** 2)", x=x, y=y)
        theirs.zero_grad()
        expected = ((torch.from_numpy(x) @ tw + tb - torch.from_numpy(y)) ** 2).mean()
        expected.backward()
        theirs.step()
        assert np.isclose(loss, expected.item(), rtol=2e-5)
    assert np.allclose(w, tw.detach(), rtol=2e-4, atol=2e-6) and np.allclose(b, tb.detach(), rtol=2e-4, atol=2e-6)


def test_steps_state_and_errors():
    w = np.ones(3, "f8")
    adam = optim.Adam({"w": w}, lr=0.1)
    adam.step({"w": np.ones(3)})
    assert np.allclose(w, 0.9)
    state, kept = adam.state_dict(), w.copy()
    adam.lr = 0.5
    assert adam.lr == 0.5
    adam.step({"w": np.ones(3)})
    after = w.copy()
    w[:] = kept
    again = optim.Adam({"w": w}, lr=0.1)
    again.load_state_dict(state)
    again.lr = 0.5
    again.step({"w": np.ones(3)})
    assert np.array_equal(w, after)
    assert adam.params["w"] is w
    with pytest.raises(TypeError, match="nothing is given for 'w'"):
        adam.step({})
    with pytest.raises(ValueError, match="depends on no parameter|w"):
        adam.minimize("sum(x)", x=np.ones(3))
    with pytest.raises(TypeError, match="has no option 'momentum'"):
        optim.Adam({"w": w}, momentum=0.5)
    w.flags.writeable = False
    with pytest.raises(ValueError, match="'w' is read-only"):
        optim.SGD({"w": w})
    with pytest.raises(ValueError, match="expected arrays to be trained"):
        optim.SGD({})


def test_params():
    params = optim.Params(w=np.zeros((2, 3)), b=np.zeros(2))
    assert params.size == 8
    optim.SGD(params, lr=1.0).step({"w": np.ones((2, 3)), "b": np.ones(2)})
    assert (params["w"] == -1).all() and (params["b"] == -1).all()
    assert hadamard.evaluate("sum(w) + sum(b)", params) == -8
