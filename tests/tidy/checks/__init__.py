"""The rules of tests/tidy."""
