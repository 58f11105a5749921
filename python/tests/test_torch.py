"""The operator inside PyTorch, against PyTorch's own."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from hadamard.torch import fused  # noqa: E402

TEXT = "w * a * sigmoid(k * a) + (1 - w) * b"


def eager(a, b, w, k):
    return w * a * torch.sigmoid(k * a) + (1 - w) * b


def operands(dtype=torch.float64):
    torch.manual_seed(0)
    shapes = {"a": (3, 4), "b": (3, 4), "w": (4,)}
    return {name: torch.randn(*shape, dtype=dtype, requires_grad=True) for name, shape in shapes.items()}


def test_values_and_gradients_are_torchs():
    ours, theirs = operands(), operands()
    out, expected = fused(TEXT)(**ours, k=1.702), eager(**theirs, k=1.702)
    assert torch.allclose(out, expected) and out.requires_grad
    weights = torch.randn(3, 4, dtype=torch.float64)
    out.backward(weights)
    expected.backward(weights)
    for name in ours:
        assert torch.allclose(ours[name].grad, theirs[name].grad)


def test_gradcheck_and_opcheck():
    given = operands()

    def function(a, b, w):
        return fused(TEXT)(a=a, b=b, w=w, k=0.5)

    assert torch.autograd.gradcheck(function, tuple(given.values()))
    from hadamard.torch import _fused

    torch.library.opcheck(_fused, (TEXT.replace("k", "0.5"), " ".join(given), list(given.values())))


def test_only_what_needs_a_gradient_has_one():
    given = operands(torch.float32)
    given["b"] = given["b"].detach()
    fused(TEXT)(**given, k=1.0).sum().backward()
    assert given["a"].grad is not None and given["b"].grad is None
    with torch.no_grad():
        assert not fused(TEXT)(**given, k=1.0).requires_grad


def test_half_types_reductions_and_modules():
    a = torch.randn(8, 16, dtype=torch.bfloat16)
    assert torch.allclose(fused("a * 2")(a=a), a * 2)

    class Norm(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.ones(16))
            self.norm = fused("(x - mean(x, -1, keepdim=True)) * rsqrt(var(x, -1, correction=0, keepdim=True) + eps) * weight")

        def forward(self, x):
            return self.norm(x=x, weight=self.weight, eps=1e-5)

    norm, reference = Norm(), torch.nn.LayerNorm(16, bias=False)
    x = torch.randn(8, 16)
    assert torch.allclose(norm(x), reference(x), atol=1e-5)
    norm(x).square().sum().backward()
    reference(x).square().sum().backward()
    assert torch.allclose(norm.weight.grad, reference.weight.grad, rtol=1e-4, atol=1e-4)


def test_mistakes():
    with pytest.raises(TypeError, match="at least one tensor"):
        fused("a")(a=1.0)
    with pytest.raises(TypeError, match="k: expected a tensor or a number"):
        fused("a * k")(a=torch.ones(2), k="x")
    with pytest.raises(TypeError, match="nothing is given for 'b'"):
        fused("a * b")(a=torch.ones(2))
    assert np.isclose(fused("a * e")(a=torch.ones(1), e=-2.5).item(), -2.5)
