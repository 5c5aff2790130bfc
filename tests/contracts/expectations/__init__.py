"""What each service relies on, by the name of the service that does."""
