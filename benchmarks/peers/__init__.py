"""preftune against its peers on equal work: ``python -m benchmarks.peers --help``.

Each side of a row is a process of its own: a job in, one JSON object of measurements out. What a
peer's process imports from here needs nothing but the standard library and what the peer brings.
"""
