"""All benchmarks, one after the other."""

from bench import fixture, scim, server, store

server.main()
store.main()
fixture.main()
scim.main()
