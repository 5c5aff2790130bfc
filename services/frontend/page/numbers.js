// The header and the four numbers at the top.

import { byId, setText } from "./dom.js";
import { change, count, number, percent } from "./format.js";

const moved = { given: 0, taken: 0, missed: 0 };

export function showShop(shop) {
  const name = shop.shop_domain.replace(/\.myshopify\.com$/, "").replace(/[-_]+/g, " ");
  setText(byId("shop"), name.replace(/(^|\s)\S/g, (letter) => letter.toUpperCase()));
  byId("shop").title = shop.shop_domain;
  document.title = `${byId("shop").textContent} · LoyalNest`;
}

export function showUsage(usage) {
  setText(byId("n-members"), number(usage.members));
  setText(byId("n-orders"), number(usage.orders));
  const plan = byId("plan");
  plan.hidden = false;
  setText(plan, `${usage.plan.charAt(0).toUpperCase()}${usage.plan.slice(1)} plan`);
  const bar = byId("n-orders-bar");
  if (usage.limit === null) {
    bar.hidden = true;
    setText(byId("n-orders-note"), "No limit in your plan");
    return;
  }
  const used = usage.orders / Math.max(usage.limit, 1);
  bar.hidden = false;
  bar.value = Math.min(used, 1);
  bar.dataset.level = used >= 1 ? "over" : used >= 0.8 ? "near" : "fine";
  const over = usage.orders - usage.limit;
  setText(
    byId("n-orders-note"),
    over > 0
      ? `${number(over)} more than the ${number(usage.limit)} of your plan`
      : `${percent(used)} of the ${number(usage.limit)} in your plan`,
  );
}

export function showBuyers(members) {
  setText(byId("n-members-note"), `${number(members)} have bought something`);
}

export function showTiers(tiers) {
  setText(byId("n-vip"), number(tiers.reduce((sum, tier) => sum + tier.members, 0)));
  const parts = tiers.map((tier) => `${number(tier.members)} ${tier.name}`);
  setText(byId("n-vip-note"), parts.join(" · ") || "Your program has no tiers");
}

/** Count points that an event moved; what only became spendable is no new point. */
export function countPoints(data) {
  if (data.source === "release") return;
  if (data.points > 0) moved.given += data.points;
  else moved.taken -= data.points;
}

export function countMissed(missed) {
  moved.missed += missed;
}

export function showPoints() {
  if (!moved.given && !moved.taken && !moved.missed) return;
  setText(byId("n-points"), change(moved.given));
  const notes = [moved.taken ? `${change(-moved.taken)} taken back` : "None taken back"];
  if (moved.missed) notes.push(`${count(moved.missed, "event", "events")} too fast to count`);
  setText(byId("n-points-note"), notes.join("; "));
}
