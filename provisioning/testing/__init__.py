"""Servers for test-suites."""
