"""All benchmarks, one after the other."""

from bench import beside, fixture, scim, server, start, store

server.main()
store.main()
start.main()
fixture.main()
scim.main()
beside.main()
