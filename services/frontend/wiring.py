"""How the frontend service is put together: files read at start, no database."""

from adapters.files import PackageFiles
from adapters.runtime.service import Service, answers
from adapters.runtime.world import World
from contracts import frontend
from services.frontend.pages import Pages


def service(world: World) -> Service:
    pages = Pages(PackageFiles("services.frontend", "page"), world.mesh)
    return Service(
        name="frontend",
        endpoints=(
            answers(frontend.GET_PAGE, pages.page),
            answers(frontend.GET_ASSET, pages.asset),
            answers(frontend.GET_SHOP, pages.shop),
        ),
    )
