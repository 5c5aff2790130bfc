// The shop's events over a WebSocket that comes back by itself, for ever, with a fresh token.

import { dropToken, freshToken } from "./api.js";

const PATH = "/api/points/stream";
const FIRST_PAUSE = 500; // ms; doubles with each attempt in a row
const LONGEST_PAUSE = 15_000;
const REFUSED = 4401; // the token is not, or no longer, valid
const REMEMBERED = 1_000; // ids of events: around a reconnect some come twice

/**
 * `onState("live" | "reconnecting")`, `onEvent(name, data)`, each event once, also those that passed
 * while it was closed; `onLost()` when those do not come, which is the moment to load anew.
 */
export class Stream {
  constructor({ onState, onLost, onEvent }) {
    this.onState = onState;
    this.onLost = onLost;
    this.onEvent = onEvent;
    this.failures = 0;
    this.opened = false;
    this.seen = new Set();
    this.last = "";
    this.timer = 0;
    this.busy = false;
    addEventListener("online", () => this.start());
  }

  /** Connect now, unless that is happening or done. */
  async start() {
    if (this.busy) return;
    clearTimeout(this.timer);
    this.busy = true;
    let token;
    try {
      token = await freshToken();
    } catch {
      this.again();
      return;
    }
    const address = new URL(PATH, location.href);
    if (this.last) address.searchParams.set("after", this.last);
    address.protocol = location.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(address, ["loyalnest", token]);
    socket.onmessage = ({ data }) => this.receive(JSON.parse(data));
    socket.onclose = ({ code }) => {
      if (code === REFUSED) dropToken(token);
      this.again();
    };
  }

  receive({ event, data, id }) {
    if (event !== "stream.open") {
      if (this.isNew(id)) this.onEvent(event, data);
      return;
    }
    this.failures = 0;
    this.onState("live");
    if (this.opened && !data.resumed) this.onLost();
    this.opened = true;
  }

  isNew(id) {
    if (!id) return true;
    if (this.seen.has(id)) return false;
    this.seen.add(id);
    if (this.seen.size > REMEMBERED) this.seen.delete(this.seen.values().next().value);
    this.last = id;
    return true;
  }

  again() {
    this.busy = false;
    this.onState("reconnecting");
    const pause = Math.min(FIRST_PAUSE * 2 ** this.failures, LONGEST_PAUSE);
    this.failures += 1;
    this.timer = setTimeout(() => this.start(), pause * (0.5 + Math.random() / 2));
  }
}
