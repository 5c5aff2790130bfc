// The live feed: the latest events in plain words, calm enough to read however many come.

import { batched, byId, make, setText } from "./dom.js";
import { ago, count, dateTime, number } from "./format.js";
import { nameOf, want } from "./people.js";
import { happening } from "./words.js";

const KEPT = 50;
const GAP = 250; // ms between two changes of the list
const BUSY = 15; // events a second from which the rate is told

export class Feed {
  constructor(onMember) {
    this.list = byId("feed");
    this.note = byId("feed-note");
    this.onMember = onMember;
    this.waiting = []; // newest last, never more than KEPT
    this.unseen = 0; // came while paused
    this.recent = []; // [time, events] of the last seconds, for the rate
    this.paused = false;
    this.quiet = this.note.textContent;
    this.flush = batched(() => this.draw(), GAP);
    setInterval(() => this.tick(), 1_000);
  }

  add(event, data) {
    const told = happening(event, data);
    if (!told) return;
    this.waiting.push({ ...told, who: data.customer_id ?? data.advocate_id, at: data.occurred_at, shopifyId: data.shopify_customer_id });
    if (this.waiting.length > KEPT) this.waiting.shift();
    const second = Math.floor(performance.now() / 1000);
    const latest = this.recent.at(-1);
    if (latest?.second === second) latest.events += 1;
    else this.recent.push({ second, events: 1 });
    if (this.paused) this.unseen += 1;
    this.flush();
  }

  pause(paused) {
    this.paused = paused;
    this.unseen = 0;
    this.flush();
  }

  draw() {
    if (this.paused) {
      setText(this.note, this.unseen ? `Paused. ${count(this.unseen, "event", "events")} since.` : "Paused.");
      return;
    }
    const fresh = this.waiting.reverse();
    this.waiting = [];
    if (!fresh.length) {
      this.tick();
      return;
    }
    want(fresh.map(({ who }) => who));
    this.list.prepend(...fresh.map((each) => this.line(each)));
    while (this.list.childElementCount > KEPT) this.list.lastElementChild.remove();
    this.tick();
  }

  line({ icon, mood, text, who, at, shopifyId }) {
    return make(
      "li",
      { "data-mood": mood },
      make("span", { class: "feed-icon", "aria-hidden": "true" }, icon),
      make(
        "span",
        { class: "feed-text" },
        make(
          "button",
          {
            type: "button",
            class: "link",
            "data-person": who,
            "data-shopify": shopifyId || null,
            onclick: () => this.onMember(who),
          },
          nameOf(who, shopifyId),
        ),
        ` ${text}`,
      ),
      make("time", { datetime: at, title: dateTime(at) }, ago(at)),
    );
  }

  /** Keeps times and the rate true while nothing comes. */
  tick() {
    if (document.hidden || this.paused) return;
    const now = Date.now();
    for (const time of this.list.querySelectorAll("time")) setText(time, ago(time.dateTime, now));
    const second = Math.floor(performance.now() / 1000);
    this.recent = this.recent.filter((each) => each.second >= second - 3);
    const done = this.recent.filter((each) => each.second < second);
    const rate = done.reduce((sum, each) => sum + each.events, 0) / 3;
    setText(this.note, rate >= BUSY ? `About ${number(Math.round(rate))} a second; the latest ${KEPT} are here.` : this.quiet);
  }
}
