"""Whole processes driven from outside: the router, the strict local endpoint, and peers that write forward frames.

For scripts: `tests/chaos`, `benches/memory` and `benches/loss`. Python 3 alone is needed.
"""
