"""Puts the demo shop into a running stack; `up` runs this as a process when the home was empty."""

import asyncio
import os
from collections.abc import Mapping

from infra.demo_shop import seed
from infra.demo_shop.install import install
from infra.demo_shop.settings import target_of
from infra.embedded.demo_admin import PORT_SETTING


async def main(environment: Mapping[str, str]) -> None:
    """The shop gets the app first, where there is an admin to get it from."""
    if environment.get(PORT_SETTING):
        await install(target_of(environment).port)
    await seed(environment)


if __name__ == "__main__":
    asyncio.run(main(dict(os.environ)))
