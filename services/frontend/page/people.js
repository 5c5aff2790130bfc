// Names of members, asked for in batches and remembered; who is unknown is named by a number.

import { post } from "./api.js";

const GATHER = 150; // ms in which names that are wanted become one request
const MOST_AT_ONCE = 250;
const MOST_KNOWN = 5_000;
const ASK_AGAIN = 30_000; // ms until somebody unknown is asked for again

const known = new Map(); // id → user, or {missing since}
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
    if (!entry || (entry.missing && now - entry.missing > ASK_AGAIN)) wanted.add(id);
  }
  if (wanted.size && !timer) timer = setTimeout(load, GATHER);
}

async function load() {
  const ids = [...wanted].slice(0, MOST_AT_ONCE);
  for (const id of ids) wanted.delete(id);
  const since = Date.now();
  let users = [];
  try {
    users = (await post("/v1/api/users/batch", { user_ids: ids })).users;
  } catch {
    // The page works with numbers instead of names; they are asked for again later.
  }
  if (known.size > MOST_KNOWN) known.clear();
  if (numbers.size > MOST_KNOWN) numbers.clear();
  for (const id of ids) known.set(id, { missing: since });
  for (const user of users) known.set(user.user_id, user);
  timer = wanted.size ? setTimeout(load, GATHER) : 0;
  if (users.length) for (const call of listeners) call();
}
