"""All benchmarks, one after the other."""

from bench import fixture, server, store

server.main()
store.main()
fixture.main()
