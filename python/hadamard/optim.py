"""Optimizers over arrays in place, with PyTorch's names, options and trajectories.

>>> import numpy as np
>>> from hadamard.optim import SGD
>>> w = np.zeros(2, "f4")
>>> sgd = SGD({"w": w}, lr=0.1)
>>> x, y = np.float32([[1, 0], [0, 2]]), np.float32([1, 2])
>>> for step in range(50):
...     loss = sgd.minimize("sum((sum(w * x, 1) - y) ** 2)", x=x, y=y)
>>> w.round(3)
array([1., 1.], dtype=float32)

A step is one pass over each parameter: the gradient is fused with the update. ``minimize`` takes the loss as text;
``step`` takes gradients that were computed elsewhere.
"""

from ._hadamard import Optimizer as _Optimizer

__all__ = ["SGD", "Adadelta", "Adagrad", "Adam", "AdamW", "Adamax", "Lion", "NAdam", "Params", "RAdam", "RMSprop"]


class Params(dict):
    """Arrays to be trained, by name: a dict that checks that each can be updated in place.

    >>> import numpy as np
    >>> params = Params(w=np.zeros((2, 3), "f4"), b=np.zeros(2, "f4"))
    >>> params.size
    8
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        for name, array in self.items():
            if not isinstance(name, str) or not name.isidentifier():
                raise ValueError(f"Params: expected names, found {name!r}")
            flags = getattr(array, "flags", None)
            if flags is not None and not flags.writeable:
                raise ValueError(f"Params: '{name}' is read-only")

    @property
    def size(self):
        """Number of elements of all arrays."""
        size = 0
        for array in self.values():
            count = 1
            for n in array.shape:
                count *= n
            size += count
        return size


def _optimizer(rule, options):
    def __new__(cls, params, **given):
        return _Optimizer(rule, Params(params), given)

    doc = f"""{rule} over ``params``, a dict of arrays, as ``torch.optim.{rule}``.

    Options: lr, maximize, {options}. Returns an optimizer with ``minimize(text, **operands)``, ``step(grads)``, ``lr``,
    ``params``, ``state_dict()`` and ``load_state_dict(state)``.
    """
    return type(rule, (), {"__new__": __new__, "__doc__": doc, "__module__": __name__})


SGD = _optimizer("SGD", "momentum, dampening, weight_decay, nesterov")
Adam = _optimizer("Adam", "betas, eps, weight_decay, amsgrad")
AdamW = _optimizer("AdamW", "betas, eps, weight_decay, amsgrad")
NAdam = _optimizer("NAdam", "betas, eps, weight_decay, momentum_decay, decoupled_weight_decay")
RAdam = _optimizer("RAdam", "betas, eps, weight_decay, decoupled_weight_decay")
Adamax = _optimizer("Adamax", "betas, eps, weight_decay")
RMSprop = _optimizer("RMSprop", "alpha, eps, weight_decay, momentum, centered")
Adagrad = _optimizer("Adagrad", "lr_decay, weight_decay, initial_accumulator_value, eps")
Adadelta = _optimizer("Adadelta", "rho, eps, weight_decay")
Lion = _optimizer("Lion", "betas, weight_decay")
