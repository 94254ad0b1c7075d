"""All benchmarks, one after the other."""

from bench import server

server.main()
