"""What tests of one process must have loaded in order."""

import os

# Mesa's layer that asks a desktop which GPU it prefers prints errors where there is none.
os.environ.setdefault("NODEVICE_SELECT", "1")

try:
    # It brings an LLVM of its own, which must be there before Mesa's software drivers load another: else both crash.
    import torch._dynamo  # noqa: F401
except ImportError:
    pass
