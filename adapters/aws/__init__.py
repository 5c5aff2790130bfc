"""Amazon's services, each behind a port."""
