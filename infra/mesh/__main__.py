"""``python -m infra.mesh``: write anew what services may do over NATS, or check that it holds."""

import sys
from pathlib import Path

import msgspec

from infra.mesh import parts, users
from infra.mesh.reading import read_parts


def documents() -> dict[Path, str]:
    """What is to be in which file, by what the code says now."""
    found = msgspec.json.format(msgspec.json.encode(read_parts()), indent=1).decode() + "\n"
    return {parts.PLACE: found}


def main() -> int:
    """0 when all is well, 1 with one line on standard error for each finding."""
    written = documents()
    drifted = [each for each, text in written.items() if each.read_text() != text]
    if "--check" not in sys.argv[1:]:
        for place in drifted:
            place.write_text(written[place])
        parts.parts.cache_clear()
        users.COMPOSE.write_text(users.for_compose())
        return 0
    if users.COMPOSE.read_text() != users.for_compose():
        drifted.append(users.COMPOSE)
    for place in drifted:
        sys.stderr.write(f"{place.name} differs from the code; ./dev.sh contracts writes it anew\n")
    return 1 if drifted else 0


if __name__ == "__main__":
    sys.exit(main())
