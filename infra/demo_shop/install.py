"""The demo shop's merchant installs the app, as people do: with a browser, by consent."""

from typing import Final

import httpx

from infra.demo_shop.delivery import SHOP_DOMAIN

_PATIENCE: Final = 20.0  # seconds


class NotInstalled(Exception):
    """The app did not get into the shop; the text is one line for a person."""


async def install(port: int, shop: str = SHOP_DOMAIN) -> None:
    """From the app's address to Shopify's consent and back; ``port`` is the gateway's.

    Raises NotInstalled. Installing twice changes nothing but the tokens.
    """
    address = f"http://127.0.0.1:{port}/v1/api/auth/install"
    async with httpx.AsyncClient(follow_redirects=True, timeout=_PATIENCE) as browser:
        try:
            answer = await browser.get(address, params={"shop": shop})
        except httpx.HTTPError as error:
            raise NotInstalled(f"{shop} could not install the app: {error}.") from error
    if answer.status_code != 200:
        what = f"{answer.status_code} of {answer.url.path}"
        raise NotInstalled(f"{shop} could not install the app: {what}.")
