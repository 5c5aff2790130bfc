"""The metrics of a process, for Prometheus. Labels name operations and services, never people."""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

READY: Final = Gauge("loyalnest_ready", "1 when every service of this process can do its work.")

CALLS: Final = Counter("loyalnest_calls_total", "Calls answered.", ["operation", "outcome"])
CALL_SECONDS: Final = Histogram(
    "loyalnest_call_seconds", "Time to answer a call.", ["operation"], buckets=_SECONDS
)
CALLS_RUNNING: Final = Gauge("loyalnest_calls_running", "Calls being worked on.", ["service"])

HTTP_REQUESTS: Final = Counter(
    "loyalnest_http_requests_total", "Web requests answered.", ["route", "status"]
)
HTTP_SECONDS: Final = Histogram(
    "loyalnest_http_seconds", "Time to answer a web request.", ["route"], buckets=_SECONDS
)
AUTH_SILENCE: Final = Gauge(
    "loyalnest_auth_silence_seconds",
    "Since when this gateway could not ask auth what is revoked; infinite if never yet.",
)
LIMITS_ALONE: Final = Gauge(
    "loyalnest_limits_alone", "1 while Valkey is away and this gateway counts rate limits alone."
)
LIMITED: Final = Counter(
    "loyalnest_limited_total", "Web requests refused by a rate limit.", ["route", "limit"]
)
WEBHOOKS: Final = Counter(
    "loyalnest_webhooks_total", "Webhooks received, by what became of them.", ["topic", "outcome"]
)
STREAM_LISTENERS: Final = Gauge("loyalnest_stream_listeners", "Open WebSockets.")

SHOPIFY_CALLS: Final = Counter(
    "loyalnest_shopify_calls_total",
    "Questions to Shopify's Admin API, each try by itself.",
    ["question", "outcome"],
)
SHOPIFY_SECONDS: Final = Histogram(
    "loyalnest_shopify_seconds",
    "Time of one try to ask Shopify's Admin API.",
    ["question"],
    buckets=_SECONDS,
)
SHOPIFY_CIRCUITS_OPEN: Final = Gauge(
    "loyalnest_shopify_circuits_open",
    "Shops, or all of Shopify, that are not asked because they did not answer.",
    ["scope"],
)
SHOPIFY_LIMIT_ALONE: Final = Gauge(
    "loyalnest_shopify_limit_alone",
    "1 while Valkey is away and only Shopify itself bounds what is asked of it.",
)

COLLECTIONS_LEARNT: Final = Counter(
    "loyalnest_collections_learnt_total",
    "Turns at learning which products are in a shop's collections, by what became of them.",
    ["outcome"],
)

KEYS_SHUT: Final = Gauge(
    "loyalnest_keys_shut",
    "Shops whose keys do not unwrap with the master keys that this process has.",
    ["service"],
)

EVENTS: Final = Counter(
    "loyalnest_events_total", "Events taken from a stream.", ["consumer", "outcome"]
)
BATCH_SECONDS: Final = Histogram(
    "loyalnest_batch_seconds", "Time to apply a batch of events.", ["consumer"], buckets=_SECONDS
)
BATCH_SIZE: Final = Histogram(
    "loyalnest_batch_size",
    "Events in a batch.",
    ["consumer"],
    buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500),
)
CONSUMER_LAG: Final = Gauge(
    "loyalnest_consumer_lag",
    "Messages, each of up to 64 events, that wait for a consumer or are not yet acknowledged.",
    ["consumer"],
)
LEDGER_SEALED: Final = Counter("loyalnest_ledger_sealed_total", "Entries sealed in blocks.")
LEDGER_SEALING: Final = Gauge(
    "loyalnest_ledger_sealing_timestamp_seconds",
    "When this process last sealed what was there, if anything; 0 where it never did.",
)
LEDGER_BROKEN: Final = Counter(
    "loyalnest_ledger_broken_total",
    "Last blocks of shops that were other than their hashes say when the next was to follow.",
)
OUTBOX_AGE: Final = Gauge(
    "loyalnest_outbox_age_seconds", "Age of the oldest unpublished event.", ["service"]
)
OUTBOX_TOO_LARGE: Final = Gauge(
    "loyalnest_outbox_too_large",
    "Events that no message can hold as NATS is set; they stay in the outbox.",
    ["service"],
)
OUTBOX_PUBLISHED: Final = Counter(
    "loyalnest_outbox_published_total", "Events published from an outbox.", ["service", "by"]
)

POINTS_MOVED: Final = Counter(
    "loyalnest_points_moved_total",
    "Points brought to the store where they were spent from others that share the balance.",
)
REDEMPTIONS_IN_DOUBT: Final = Gauge(
    "loyalnest_redemptions_in_doubt",
    "Redemptions of which nobody knows whether Shopify issued them; staff has to look.",
)
