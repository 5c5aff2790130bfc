// Who earned most this month.

import { byId, failure, make } from "./dom.js";
import { number } from "./format.js";
import { nameOf, want } from "./people.js";

export class Leaders {
  constructor(onMember) {
    this.list = byId("leaders");
    this.onMember = onMember;
    this.shown = "";
  }

  show({ ranks }) {
    const now = JSON.stringify(ranks);
    if (now === this.shown || this.list.contains(document.activeElement)) return;
    this.shown = now;
    if (!ranks.length) {
      this.list.replaceChildren(make("li", { class: "note" }, "Nobody has earned points this month yet."));
      return;
    }
    want(ranks.map((each) => each.customer_id));
    this.list.replaceChildren(...ranks.map((each) => this.line(each)));
  }

  line({ rank, customer_id: id, points }) {
    return make(
      "li",
      {},
      make("span", { class: "rank" }, String(rank)),
      make("button", { type: "button", class: "link", "data-person": id, onclick: () => this.onMember(id) }, nameOf(id)),
      make("strong", {}, number(points)),
    );
  }

  fail(error, again) {
    if (!this.shown) this.list.replaceChildren(make("li", {}, failure(`The list could not be loaded. ${error.message}`, again)));
  }
}
