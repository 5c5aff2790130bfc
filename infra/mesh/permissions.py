"""What a service's user of NATS may publish and subscribe to: what it does, and no more."""

from collections.abc import Iterable
from dataclasses import dataclass

from adapters.nats.streams import DEAD, EVENTS, TASKS, WEBHOOKS
from infra.mesh.parts import Part

STREAMS = (WEBHOOKS, EVENTS, TASKS, DEAD)


@dataclass(frozen=True, slots=True)
class Permissions:
    """Subjects as NATS reads them; one of ``subscribe`` may name a queue after a space."""

    publish: tuple[str, ...]
    subscribe: tuple[str, ...]


def permissions_of(part: Part) -> Permissions:
    """Answers go to the caller's inbox, whose name only they know who were asked. Streams may be
    made, as they are declared, and not changed. Whoever has a consumer may make it another one."""
    name = part.service
    publish = {f"rpc.{name}.>", *(f"rpc.{each}" for each in part.calls), "_INBOX.>"}
    publish |= {f"{topic}.*" for topic in part.says}
    if part.replays:
        publish |= {"shop.>", "evt.>", "task.>"}
    for stream in STREAMS:
        publish |= {f"$JS.API.STREAM.INFO.{stream}", f"$JS.API.STREAM.CREATE.{stream}"}
    for durable, stream in part.consumes.items():
        which = f"{stream}.{durable}"
        publish |= {
            f"$JS.API.CONSUMER.DURABLE.CREATE.{which}",
            f"$JS.API.CONSUMER.INFO.{which}",
            f"$JS.API.CONSUMER.MSG.NEXT.{which}",
            f"$JS.ACK.{which}.>",
        }
    if part.looks_back:
        verbs = ("CREATE", "INFO", "MSG.NEXT", "DELETE")
        publish |= {f"$JS.API.CONSUMER.{verb}.{EVENTS}.*" for verb in verbs}
    subscribe = {f"rpc.{name}.> {name}", f"_INBOX.{name}.>", *part.hears}
    subscribe |= {"$SRV.*", f"$SRV.*.{name}", f"$SRV.*.{name}.*"}
    return Permissions(tuple(sorted(publish)), tuple(sorted(subscribe)))


def together(name: str, all_of: Iterable[Permissions]) -> Permissions:
    """What a process may that runs several services, as the user ``name``."""
    publish: set[str] = set()
    subscribe = {f"_INBOX.{name}.>"}
    for each in all_of:
        publish.update(each.publish)
        subscribe.update(each.subscribe)
    return Permissions(tuple(sorted(publish)), tuple(sorted(subscribe)))
