"""The contracts as documents: OpenAPI, AsyncAPI and JSON Schemas, and whether they still hold."""
