// The shop's events over a WebSocket that comes back by itself, for ever, with a fresh token.

import { dropToken, freshToken } from "./api.js";

const PATH = "/api/points/stream";
const FIRST_PAUSE = 500; // ms; doubles with each attempt in a row
const LONGEST_PAUSE = 15_000;
const REFUSED = 4401; // the token is not, or no longer, valid

/**
 * `onState("live" | "reconnecting")`, `onOpen(again)` with whether it was open before, and
 * `onEvent(name, data)`. Events missed while it was closed do not come: `onOpen(true)` is the
 * moment to load anew.
 */
export class Stream {
  constructor({ onState, onOpen, onEvent }) {
    this.onState = onState;
    this.onOpen = onOpen;
    this.onEvent = onEvent;
    this.failures = 0;
    this.opened = false;
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
    address.protocol = location.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(address, ["loyalnest", token]);
    socket.onmessage = ({ data }) => this.receive(JSON.parse(data));
    socket.onclose = ({ code }) => {
      if (code === REFUSED) dropToken(token);
      this.again();
    };
  }

  receive({ event, data }) {
    if (event !== "stream.open") {
      this.onEvent(event, data);
      return;
    }
    this.failures = 0;
    this.onState("live");
    this.onOpen(this.opened);
    this.opened = true;
  }

  again() {
    this.busy = false;
    this.onState("reconnecting");
    const pause = Math.min(FIRST_PAUSE * 2 ** this.failures, LONGEST_PAUSE);
    this.failures += 1;
    this.timer = setTimeout(() => this.start(), pause * (0.5 + Math.random() / 2));
  }
}
