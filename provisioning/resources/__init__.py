"""The resources that we serve: one module each, with its schema and its routes."""
