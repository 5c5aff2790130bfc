// The program's terms in a merchant's words: segments, ledger entries, events and badges.

import { change, points } from "./format.js";

/** Best customers first (the eleven segments of the RFM map). `mood` picks the colour. */
export const SEGMENTS = [
  ["champions", "Champions", "good", "Buy the most often, and bought just now. Reward them."],
  ["loyal", "Loyal", "good", "Buy again and again. Ask them to bring a friend."],
  ["potential_loyalist", "Potential loyalists", "good", "Bought lately, a few times already. Invite them to a tier."],
  ["new", "New", "fresh", "First order, only days ago. Welcome them."],
  ["promising", "Promising", "fresh", "First order, weeks ago. Give a reason to return."],
  ["needs_attention", "Need attention", "warn", "Regulars who have not been here lately. Remind them."],
  ["about_to_sleep", "About to sleep", "warn", "Bought once or twice, drifting off. Reach them now."],
  ["at_risk", "At risk", "risk", "Used to buy often, not any more. Win them back."],
  ["cannot_lose", "Cannot lose", "risk", "Your most frequent buyers, gone quiet. Call them."],
  ["hibernating", "Hibernating", "gone", "Few orders, long ago. A small offer may wake them."],
  ["lost", "Lost", "gone", "One order, long ago."],
].map(([id, name, mood, meaning]) => ({ id, name, mood, meaning }));

const byId = new Map(SEGMENTS.map((each) => [each.id, each]));

/** A segment by its id, also one that this page does not know yet; null for none. */
export function segment(id) {
  if (!id) return null;
  return byId.get(id) ?? { id, name: humanized(id), mood: "gone", meaning: "" };
}

const BADGES = { first_order: "First order" };
export const badge = (id) => BADGES[id] ?? humanized(id);

function humanized(id) {
  const words = id.replaceAll("_", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}

const tail = (reference) => (reference ? ` …${String(reference).slice(-4)}` : "");

const ENTRIES = {
  order: (entry) => `Order${tail(entry.source_ref)}`,
  edit: (entry) => `Order${tail(entry.source_ref)} was changed`,
  refund: () => "Refund",
  cancel: (entry) => `Order${tail(entry.source_ref)} was cancelled`,
  recount: (entry) => `Refund counted again, order${tail(entry.source_ref)} changed`,
  release: (entry) => `Order${tail(entry.source_ref)}: points can be spent now`,
  signup: () => "Welcome: joined the program",
  referral: () => "Brought a friend",
  adjust: (entry) => `By hand: ${entry.reason}`,
};

/** What a line of the ledger was for. */
export function entry(line) {
  const words = ENTRIES[line.source];
  return words ? words(line) : humanized(line.reason || line.kind);
}

const MOVES = {
  order: (amount) => `earned ${points(amount)} with an order`,
  signup: (amount) => `joined and got ${points(amount)}`,
  referral: (amount) => `got ${points(amount)} for a referral`,
  refund: (amount) => `gave back ${points(-amount)} for a refund`,
  cancel: (amount) => `gave back ${points(-amount)}: order cancelled`,
};

/** An event as a sentence about its member, {icon, mood, text}; null for one not worth telling. */
export function happening(event, data) {
  if (event.startsWith("points.")) return movement(data);
  switch (event) {
    case "vip_tier.assigned":
      return data.tier
        ? { icon: "★", mood: "tier", text: `is now ${data.tier}` }
        : { icon: "☆", mood: "less", text: `is no longer ${data.previous || "in a tier"}` };
    case "badge.awarded":
      return { icon: "✦", mood: "tier", text: `got the badge “${badge(data.badge)}”` };
    case "referral.created":
      return { icon: "↗", mood: "more", text: "invited a friend, who signed up" };
    case "referral.completed":
      return { icon: "↗", mood: "more", text: "invited a friend, who has now bought" };
    case "referral.blocked":
      return { icon: "×", mood: "less", text: "has a referral that does not count" };
    default:
      return null;
  }
}

function movement(data) {
  if (data.source === "release" && data.points <= 0) return null; // its other half is told
  const mood = data.points < 0 ? "less" : "more";
  const icon = data.points < 0 ? "−" : "+";
  if (data.source === "release") return { icon, mood, text: `can now spend ${points(data.points)}` };
  const words = MOVES[data.source];
  if (words && (data.points < 0) === ["refund", "cancel"].includes(data.source)) {
    return { icon, mood, text: words(data.points) };
  }
  return { icon, mood, text: `${change(data.points)} points: ${entry({ ...data, reason: "correction" }).toLowerCase()}` };
}
