"""How the gamification service is put together."""

from adapters.nats.consumer import Consumes
from adapters.postgres.badges import PostgresStandings
from adapters.runtime.service import Service, answers, commands
from adapters.runtime.world import World
from adapters.valkey.leaderboard import ValkeyLeaderboards
from contracts import auth, core, gamification, points, shop
from ports.badges import Standings
from ports.unit import Units
from services.gamification.badges import BuyersOrder, Shelf, apply_orders, award_badge
from services.gamification.ranking import Rankings, apply_mesh_events


def service(world: World) -> Service:
    units: Units[Standings] = world.units("gamification", PostgresStandings)
    rankings = Rankings(units, ValkeyLeaderboards(world.valkey))
    return Service(
        name="gamification",
        endpoints=(
            answers(gamification.LIST_BADGES, Shelf(units).list),
            commands(gamification.AWARD_BADGE, units, award_badge),
            answers(gamification.GET_LEADERBOARD, rankings.leaderboard),
        ),
        consumes=(
            Consumes(
                shop.ORDER_EVENTS,
                units,
                apply_orders,
                inbox=False,  # a badge is given once
                views={shop.Order: BuyersOrder},
            ),
            Consumes(
                (points.EARNED, auth.MERCHANT_CREATED, core.SETTINGS_UPDATED),
                rankings.counting,
                apply_mesh_events,
            ),
        ),
    )
