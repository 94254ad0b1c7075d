"""What we serve: one module per resource, its schema and its routes together."""
