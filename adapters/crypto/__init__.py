"""Sealing of personal data with AES-256-GCM, and the files its keys come from."""
