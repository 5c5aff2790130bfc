"""Puts the demo shop into a running stack; `up` runs this as a process when the home was empty."""

import asyncio
import os

from infra.demo_shop import seed

if __name__ == "__main__":
    asyncio.run(seed(dict(os.environ)))
