"""`make generate` and `make lock`: everything in the tree that has its source elsewhere."""

from __future__ import annotations

import sys

from generate import lock, proto

if sys.argv[1:] == ["lock"]:
    lock.main()
else:
    proto.main()
