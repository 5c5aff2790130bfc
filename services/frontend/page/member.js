// One member in full: points, tier and the way to the next, badges, and every line of the ledger.

import { get } from "./api.js";
import { byId, failure, make, setText, skeleton } from "./dom.js";
import { ago, change, count, date, dateTime, money, number } from "./format.js";
import { nameOf, person, want } from "./people.js";
import { badge, entry, segment } from "./words.js";

const PAGE = 20;

export class MemberDialog {
  constructor() {
    this.dialog = byId("member");
    this.body = byId("member-body");
    this.id = "";
    this.generation = 0;
    this.metric = "spend"; // what the shop's tiers count
    byId("member-close").onclick = () => this.dialog.close();
    this.dialog.onclick = (event) => {
      if (event.target === this.dialog) this.dialog.close(); // beside it
    };
    this.dialog.onclose = () => (this.id = "");
  }

  open(id, shopifyId = "") {
    this.id = id;
    want([id]);
    const title = byId("member-title");
    title.dataset.person = id;
    title.dataset.shopify = shopifyId;
    setText(title, nameOf(id, shopifyId));
    this.named();
    this.body.replaceChildren(...[90, 60, 80, 70, 85].map((wide) => make("p", {}, skeleton(wide))));
    if (!this.dialog.open) this.dialog.showModal();
    this.dialog.scrollTop = 0;
    return this.load();
  }

  /** Its contact, once it is known. */
  named() {
    if (!this.id) return;
    const user = person(this.id);
    const since = user ? `customer since ${date(user.created_at)}` : "";
    setText(byId("member-contact"), [user?.email, since].filter(Boolean).join(" · "));
  }

  /** Asks for everything at once; a part that fails says so and leaves the others alone. */
  async load() {
    const id = this.id;
    const mine = ++this.generation;
    const of = { customer_id: id };
    const [profile, balance, tier, badges, history] = await Promise.allSettled([
      get("/v1/api/core/member", of),
      get("/v1/api/points/balance", of),
      get("/api/campaigns/tier", of),
      get("/api/gamification/badges", of),
      get("/v1/api/points/history", { ...of, limit: PAGE }),
    ]);
    if (mine !== this.generation || id !== this.id) return;
    this.body.replaceChildren(
      this.part("Points", balance, wallet),
      this.part("Tier", tier, (value) => this.standing(value)),
      this.part("Orders", profile, buying),
      this.part("Badges", badges, awards),
      this.part("History of points", history, (value) => this.history(id, value)),
    );
  }

  part(title, { status, value, reason }, draw) {
    const content =
      status === "fulfilled"
        ? draw(value)
        : reason.status === 404
          ? make("p", { class: "note" }, "Nothing yet.")
          : failure(reason.message, () => this.load());
    return make("section", {}, make("h3", {}, title), content);
  }

  standing({ tier, qualifying, next_tier: next, to_next: missing }) {
    const words = { spend: (value) => money(value), points: (value) => `${number(Number(value))} points`, orders: (value) => count(Number(value), "order", "orders") };
    const say = words[this.metric] ?? words.spend;
    const now = make("p", {}, make("span", { class: "chip tier", "data-tier": (tier || "none").toLowerCase() }, tier || "No tier yet"));
    if (!next || missing === null) {
      now.append(tier ? ` The highest there is, with ${say(qualifying)}.` : "");
      return now;
    }
    now.append(` ${say(missing)} more for ${next}.`);
    const bar = make("progress", { max: Number(qualifying) + Number(missing), value: Number(qualifying), "aria-label": `The way to ${next}` });
    return make("div", {}, now, bar);
  }

  history(id, page) {
    const list = make("ol", { class: "history" }, ...page.entries.map(line));
    if (!page.entries.length) return make("p", { class: "note" }, "No points have moved yet.");
    if (!page.next_cursor) return list;
    let cursor = page.next_cursor;
    const more = make("button", { type: "button", class: "button wide" }, "Load earlier ones");
    more.onclick = async () => {
      more.disabled = true;
      try {
        const next = await get("/v1/api/points/history", { customer_id: id, cursor, limit: PAGE });
        const lines = next.entries.map(line);
        list.append(...lines);
        cursor = next.next_cursor;
        if (!cursor) more.remove();
      } catch (error) {
        setText(more, `That did not work. ${error.message} Try again`);
      } finally {
        more.disabled = false;
      }
    };
    return make("div", {}, list, more);
  }
}

function line(each) {
  const signed = change(each.points);
  return make(
    "li",
    {},
    make("span", { class: "history-what" }, `${entry(each)}: `, make("strong", { "data-mood": each.points < 0 ? "less" : "more" }, signed), each.pending ? " pending" : ""),
    make("time", { datetime: each.created_at, title: dateTime(each.created_at) }, ago(each.created_at)),
  );
}

function facts(pairs) {
  return make("dl", { class: "facts" }, ...pairs.map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, value))));
}

function wallet({ spendable, pending, lifetime, spent, expired }) {
  const minus = (value) => number(value).replace("-", "−");
  const pairs = [["To spend", minus(spendable)]];
  if (pending) pairs.push(["Pending", minus(pending)]);
  pairs.push(["Spent", minus(spent)]);
  if (expired) pairs.push(["Expired", minus(expired)]);
  pairs.push(["In all", minus(lifetime)]);
  return facts(pairs);
}

function buying({ segment: id, orders, spent, last_order_at: last }) {
  const known = segment(id);
  const list = facts([
    ["Orders", number(orders)],
    ["Spent", money(spent)],
    ["Last order", last ? make("time", { datetime: last, title: dateTime(last) }, ago(last)) : "never"],
  ]);
  if (!known) return list;
  const what = make("p", {}, make("span", { class: "chip", "data-mood": known.mood }, known.name), ` ${known.meaning}`);
  return make("div", {}, list, what);
}

function awards({ badges }) {
  if (!badges.length) return make("p", { class: "note" }, "No badge yet.");
  return make(
    "ul",
    { class: "badges" },
    ...badges.map((each) => make("li", {}, make("span", { "aria-hidden": "true" }, "✦ "), badge(each.badge), make("span", { class: "note" }, ` ${date(each.awarded_at)}`))),
  );
}
