// Names of members, asked for in batches and remembered; who is unknown is named by a number.

import { post } from "./api.js";

const GATHER = 150; // ms in which names that are wanted become one request
const MOST_AT_ONCE = 250;
const MOST_KNOWN = 5_000;
// ms until somebody unknown is asked for again: who has just come is known elsewhere a moment earlier.
const ASK_AGAIN = [1_000, 3_000, 10_000, 30_000];

const known = new Map(); // id → user, or {tries, again: when to ask at the earliest}
const numbers = new Map(); // id → the number at Shopify, where a part of the page knew it
const wanted = new Set();
const listeners = new Set();
let timer = 0;

/** `call()` after new names have come. */
export const whenNamed = (call) => listeners.add(call);

export const person = (id) => (known.get(id)?.user_id ? known.get(id) : null);

/** What to call a member: their name, or "Member …1234" by the number the shop knows them by. */
export function nameOf(id, shopifyId = "") {
  if (shopifyId) numbers.set(id, shopifyId);
  const user = person(id);
  const name = user ? `${user.first_name} ${user.last_name}`.trim() : "";
  return name || `Member …${(numbers.get(id) || user?.shopify_customer_id || id).slice(-4)}`;
}

/** See to it that these are named soon. */
export function want(ids) {
  const now = Date.now();
  for (const id of ids) {
    const entry = known.get(id);
    if (!entry || now >= entry.again) wanted.add(id);
  }
  if (wanted.size && !timer) timer = setTimeout(load, GATHER);
}

async function load() {
  const ids = [...wanted].slice(0, MOST_AT_ONCE);
  for (const id of ids) wanted.delete(id);
  let users = [];
  try {
    users = (await post("/v1/api/users/batch", { user_ids: ids })).users;
  } catch {
    // The page works with numbers instead of names meanwhile.
  }
  if (known.size > MOST_KNOWN) known.clear();
  if (numbers.size > MOST_KNOWN) numbers.clear();
  const found = new Map(users.map((user) => [user.user_id, user]));
  for (const id of ids) known.set(id, found.get(id) ?? missing(id));
  timer = wanted.size ? setTimeout(load, GATHER) : 0;
  if (users.length) for (const call of listeners) call();
}

/** Nobody of that id yet: asked for a few times by itself, then only when the page wants them again. */
function missing(id) {
  const tries = (known.get(id)?.tries ?? 0) + 1;
  const wait = ASK_AGAIN[tries - 1] ?? ASK_AGAIN.at(-1);
  if (tries <= ASK_AGAIN.length) setTimeout(() => want([id]), wait);
  return { tries, again: Date.now() + wait - GATHER }; // a timer may be early by a little
}
