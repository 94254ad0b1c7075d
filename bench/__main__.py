"""All benchmarks, one after the other."""

from bench import server, store

server.main()
store.main()
