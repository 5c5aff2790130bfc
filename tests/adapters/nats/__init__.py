"""What our NATS client does differently from the library's."""
