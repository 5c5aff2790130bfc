"""Referral codes: unguessable, easy to read aloud, forgiving to type."""

from domain.referrals.errors import InvalidReferralCode

ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
"""32 characters (5 bits each) without the look-alikes 0/O and 1/I."""

LENGTH = 10
ENTROPY_BYTES = 7  # 56 random bits fill the 50 a code holds


def code_from(entropy: bytes) -> str:
    """A code of 50 bits made from the given random bytes, at least ENTROPY_BYTES of them.

    Raises ValueError for fewer: a short code could be guessed.
    """
    if len(entropy) < ENTROPY_BYTES:
        raise ValueError(f"{ENTROPY_BYTES} random bytes are needed")
    bits = int.from_bytes(entropy[:ENTROPY_BYTES])
    return "".join(ALPHABET[bits >> 5 * place & 31] for place in range(LENGTH))


def parse_code(typed: str) -> str:
    """The code as it is stored, from what somebody typed: case, spaces and hyphens are forgiven.

    Raises InvalidReferralCode for anything that no code looks like.
    """
    code = typed.strip().upper().replace("-", "").replace(" ", "")
    if len(code) != LENGTH or not all(character in ALPHABET for character in code):
        raise InvalidReferralCode
    return code
