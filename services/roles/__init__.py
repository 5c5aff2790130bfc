"""Roles: named sets of permissions, per shop."""
