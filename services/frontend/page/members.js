// The list of members: pages, filters, points, and rows that change in place as things happen.

import { get, post } from "./api.js";
import { byId, failure, flash, make, setText, skeleton } from "./dom.js";
import { ago, dateTime, money, number } from "./format.js";
import { nameOf, want } from "./people.js";
import { SEGMENTS, segment } from "./words.js";

const PAGE = 25;
const WIDTHS = [70, 40, 60, 50, 30, 50, 60]; // percent, of the grey bars in each column

export class Members {
  /** `onMember(id)` when somebody wants to see one; `onFilter({segment, tier})` after a change. */
  constructor({ onMember, onFilter }) {
    this.onMember = onMember;
    this.onFilter = onFilter;
    this.body = byId("rows");
    this.state = byId("members-state");
    this.more = byId("more");
    this.newer = byId("members-newer");
    this.filter = { segment: "", tier: "" };
    this.rows = new Map(); // id → row, in the order shown
    this.moved = new Map(); // id → {version, spendable, pending, at}: what the stream said last
    this.cursor = null;
    this.pages = 0;
    this.generation = 0; // answers to an earlier question are thrown away
    this.paused = false;
    this.wire();
    this.body.replaceChildren(...Array.from({ length: 10 }, () => blankRow()));
  }

  wire() {
    for (const { id, name } of SEGMENTS) byId("filter-segment").append(make("option", { value: id }, name));
    byId("filter-segment").onchange = (event) => this.choose({ segment: event.target.value });
    byId("filter-tier").onchange = (event) => this.choose({ tier: event.target.value });
    byId("filter-clear").onclick = () => {
      this.choose({ segment: "", tier: "" });
      byId("members").focus({ preventScroll: true }); // the button is gone now
    };
    this.newer.onclick = () => {
      this.load();
      byId("members").focus({ preventScroll: true });
    };
    this.more.onclick = () => this.loadMore();
    this.body.onclick = (event) => {
      const row = event.target.closest("tr[data-member]");
      if (row && !getSelection().toString()) this.onMember(row.dataset.member);
    };
  }

  offerTiers(names) {
    const select = byId("filter-tier");
    const offered = [...select.options].slice(1).map((option) => option.value);
    if (offered.join() === names.join()) return;
    select.replaceChildren(select.options[0], ...names.map((name) => make("option", { value: name }, name)));
    select.value = this.filter.tier;
  }

  choose(change) {
    this.filter = { ...this.filter, ...change };
    byId("filter-segment").value = this.filter.segment;
    byId("filter-tier").value = this.filter.tier;
    byId("filter-clear").hidden = !this.filter.segment && !this.filter.tier;
    this.onFilter(this.filter);
    return this.load();
  }

  /** The first page, from scratch. */
  async load() {
    const mine = ++this.generation;
    this.body.setAttribute("aria-busy", "true");
    this.newer.hidden = true;
    try {
      const page = await this.ask(null);
      if (mine !== this.generation) return;
      this.rows = new Map(page.members.map((each) => [each.customer_id, this.row(each)]));
      this.pages = 1;
      this.settle(page);
      this.loadPoints(page.members);
    } catch (error) {
      if (mine !== this.generation) return;
      this.body.replaceChildren();
      this.more.hidden = true;
      this.state.replaceChildren(failure(`The members could not be loaded. ${error.message}`, () => this.load()));
    } finally {
      if (mine === this.generation) this.body.removeAttribute("aria-busy");
    }
  }

  async loadMore() {
    const mine = this.generation;
    this.more.disabled = true;
    try {
      const page = await this.ask(this.cursor);
      if (mine !== this.generation) return;
      const fresh = page.members.filter((each) => !this.rows.has(each.customer_id));
      for (const each of fresh) this.rows.set(each.customer_id, this.row(each));
      this.pages += 1;
      this.settle(page);
      this.loadPoints(page.members);
      if (fresh.length) this.rows.get(fresh[0].customer_id).name.focus({ preventScroll: true });
    } catch (error) {
      this.state.replaceChildren(failure(`No more could be loaded. ${error.message}`, () => this.loadMore()));
    } finally {
      this.more.disabled = false;
    }
  }

  /** What changed on the first page since it was loaded. Rows move only while nobody is at them. */
  async refresh() {
    const mine = this.generation;
    if (!this.pages) return;
    const page = await this.ask(null);
    if (mine !== this.generation || this.paused) return;
    for (const each of page.members) this.rows.get(each.customer_id)?.show(each);
    const ids = page.members.map((each) => each.customer_id);
    const shown = [...this.rows.keys()].slice(0, ids.length);
    if (ids.join() === shown.join()) return;
    if (this.pages > 1 || this.inUse()) {
      this.newer.hidden = false;
      return;
    }
    const before = this.rows;
    this.rows = new Map(page.members.map((each) => [each.customer_id, before.get(each.customer_id) ?? this.row(each)]));
    this.newer.hidden = true;
    this.settle(page);
    this.loadPoints(page.members.filter((each) => !before.has(each.customer_id)));
  }

  /** The points of everybody shown, after events were missed. */
  async reloadPoints() {
    const all = [...this.rows.values()].map((row) => row.member);
    for (let from = 0; from < all.length; from += 250) await this.loadPoints(all.slice(from, from + 250));
  }

  /** A wallet moved: remember it, and show it where its member is in view. */
  move({ customer_id: id, version, spendable, pending }) {
    const known = this.moved.get(id);
    if (known && known.version >= version) return null;
    if (this.moved.size > 20_000) this.moved.clear();
    this.moved.set(id, { version, spendable, pending, at: performance.now() });
    return this.rows.has(id) ? id : null;
  }

  /** Shows what `move` remembered of these members. */
  showMoved(ids) {
    for (const id of ids) {
      const row = this.rows.get(id);
      if (row?.showPoints(this.moved.get(id))) flash(row.element);
    }
  }

  tick() {
    for (const row of this.rows.values()) row.tick();
  }

  ask(cursor) {
    return get("/v1/api/core/members", { ...this.filter, cursor, limit: PAGE });
  }

  async loadPoints(members) {
    if (!members.length) return;
    const asked = performance.now();
    want(members.map((each) => each.customer_id));
    const ids = members.map((each) => each.customer_id);
    let balances;
    try {
      ({ balances } = await post("/v1/api/points/balances", { customer_ids: ids }));
    } catch {
      for (const id of ids) this.rows.get(id)?.showNoPoints();
      return;
    }
    const found = new Map(balances.map((each) => [each.customer_id, each]));
    for (const id of ids) {
      const moved = this.moved.get(id);
      const newer = moved && moved.at > asked ? moved : null; // told while we were asking
      this.rows.get(id)?.showPoints(newer ?? found.get(id) ?? { spendable: 0, pending: 0 });
    }
  }

  settle({ next_cursor: cursor }) {
    this.cursor = cursor ?? null;
    this.more.hidden = !this.cursor;
    this.body.replaceChildren(...[...this.rows.values()].map((row) => row.element));
    this.state.replaceChildren(...(this.rows.size ? [] : [this.nobody()]));
  }

  nobody() {
    if (this.filter.segment || this.filter.tier) return make("p", {}, "No member is in this segment and tier right now.");
    return make("p", {}, "No orders yet: run ", make("code", {}, "./dev.sh loyalnest demo"), " to see some come in.");
  }

  inUse() {
    return this.body.contains(document.activeElement) || this.body.matches(":hover");
  }

  row(member) {
    return new Row(member, (id) => this.onMember(id));
  }
}

class Row {
  constructor(member, onMember) {
    const cell = (label, kind, ...content) => make("td", { role: "cell", "data-label": label, class: kind }, ...content);
    const id = member.customer_id;
    const shopifyId = member.shopify_customer_id;
    this.name = make(
      "button",
      {
        type: "button",
        class: "link name",
        "data-person": id,
        "data-shopify": shopifyId,
        "aria-haspopup": "dialog",
        onclick: (event) => {
          event.stopPropagation(); // the row around it opens the member too
          onMember(id);
        },
      },
      nameOf(id, shopifyId),
    );
    this.points = make("span", { class: "points" }, skeleton(60));
    this.pending = make("span", { class: "note" });
    this.segment = make("span", { class: "chip" });
    this.tier = make("span", { class: "chip tier" });
    this.orders = make("span");
    this.spent = make("span");
    this.last = make("time");
    this.element = make(
      "tr",
      { role: "row", "data-member": id },
      cell("Member", "who", this.name),
      cell("Points", "numeric sum", this.points, " ", this.pending),
      cell("Segment", "", this.segment),
      cell("Tier", "", this.tier),
      cell("Orders", "numeric", this.orders),
      cell("Spent", "numeric", this.spent),
      cell("Last order", "numeric", this.last),
    );
    this.show(member);
  }

  show(member) {
    this.member = member;
    const known = segment(member.segment);
    setText(this.segment, known ? known.name : "No order yet");
    this.segment.dataset.mood = known ? known.mood : "none";
    setText(this.tier, member.tier || "–");
    this.tier.dataset.tier = member.tier.toLowerCase() || "none";
    setText(this.orders, number(member.orders));
    setText(this.spent, money(member.spent));
    this.tick();
  }

  tick() {
    const at = this.member.last_order_at;
    setText(this.last, at ? ago(at) : "never");
    if (!at || this.last.dateTime === at) return;
    this.last.dateTime = at;
    this.last.title = dateTime(at);
  }

  /** Whether there was something else before. */
  showPoints({ spendable, pending }) {
    const before = this.points.textContent;
    setText(this.points, number(spendable).replace("-", "−"));
    setText(this.pending, pending ? `+${number(pending)} pending` : "");
    return before !== "" && before !== this.points.textContent;
  }

  showNoPoints() {
    if (!this.points.textContent) setText(this.points, "unknown");
  }
}

function blankRow() {
  return make(
    "tr",
    { role: "row", class: "blank" },
    ...WIDTHS.map((wide) => make("td", { role: "cell" }, skeleton(wide))),
  );
}
