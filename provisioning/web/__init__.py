"""HTTP, once: what every resource needs of requests and answers."""
