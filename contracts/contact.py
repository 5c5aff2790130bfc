"""How to reach a person: the personal data of a member, in the form it has before it is sealed."""

import msgspec


class Contact(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Who somebody is. An empty field is one the shop does not know.

    Sealed as its JSON, under the purpose ``ports.sealing.CONTACT`` and about the id of whom it is.
    """

    email: str = ""
    phone: str = ""
    first_name: str = ""
    last_name: str = ""

    def __repr__(self) -> str:
        """Says nothing, because a repr ends up in logs and tracebacks."""
        return "Contact(…)"
