"""What can become of a question, for whoever has to decide what to do next."""

from collections.abc import Sequence

from domain.errors import Unavailable
from ports.issuing import NotReached


class NotAsked(NotReached):
    """Shopify was not reached, or has not taken it on: nothing was done there."""


class AnswerLost(Unavailable):
    """Asked, and no answer that can be read: it may have been done, or may yet be."""

    title = "Shopify has not answered as it should; please try again."


class AccessDenied(Exception):
    """The shop has not granted the app what this needs. Nothing was done."""


class Misunderstood(Exception):
    """Shopify does not take the question for a valid one: a fault of ours. Nothing was done."""


class Declined(Exception):
    """A mutation's ``userErrors``: understood, not done, and it would not be if asked again.

    ``codes`` are Shopify's, such as ``TAKEN``; ``fields`` name the inputs that were in the way.
    """

    def __init__(self, codes: Sequence[str], fields: Sequence[str]) -> None:
        super().__init__(", ".join(codes))
        self.codes = tuple(codes)
        self.fields = tuple(fields)
