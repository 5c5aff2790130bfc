"""Fakes that keep the same promises in memory; they pass the same suites as the real adapters."""
