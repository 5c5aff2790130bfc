"""The whole product as processes under load, for benchmarks and crash tests."""
