"""What is said about a webhook that cannot be understood."""

from domain.errors import InvalidRequest, Problem


class MalformedPayload(InvalidRequest):
    """A webhook body that is not what its topic promises. Says where, never what stood there."""

    code = "MALFORMED_PAYLOAD"
    title = "The webhook's body is not what its topic promises."

    def __init__(self, pointer: str, detail: str) -> None:
        super().__init__(problems=(Problem(pointer, detail),))
