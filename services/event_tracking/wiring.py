"""How the event tracking service is put together."""

from functools import partial

from adapters.nats.consumer import Consumes
from adapters.postgres.tasks import PostgresTasks
from adapters.runtime.service import Loop, Service, answers, commands
from adapters.runtime.world import World
from contracts import auth, event_tracking
from ports.tasks import Tasks
from ports.unit import Units
from services.event_tracking.handlers import HANDLERS
from services.event_tracking.queue import Queue
from services.event_tracking.shops import heed
from services.event_tracking.work import Workers, put_due_in_line


def service(world: World) -> Service:
    units: Units[Tasks] = world.units("event_tracking", PostgresTasks)
    across: Units[Tasks] = world.units_across_shops("event_tracking", PostgresTasks)
    queue = Queue(units, HANDLERS)
    return Service(
        name="event_tracking",
        endpoints=(
            commands(event_tracking.CREATE_TASK, units, queue.create),
            commands(event_tracking.CREATE_TASKS, units, queue.create_many),
            commands(event_tracking.TRACK_EVENT, units, queue.track),
            answers(event_tracking.GET_TASK, queue.get),
            answers(event_tracking.LIST_TASKS, queue.find),
        ),
        consumes=(
            Consumes(
                tuple(event_tracking.queue_of(kind) for kind in HANDLERS),
                units,
                Workers(HANDLERS).work,
                batch=100,  # messages, each of up to 25 tasks
                inbox=False,  # the state of a task tells whether it is done
            ),
            Consumes((auth.MERCHANT_CHANGED,), units, heed, inbox=False),
        ),
        loops=(Loop("postponed tasks", 1.0, partial(put_due_in_line, across)),),
    )
