"""The container image: how it is built, and how it says that it is well."""
