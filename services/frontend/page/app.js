// The page as a whole: log in, load, listen, and keep what is shown true.

import { freshToken, get, useToken, whenLoggedOut } from "./api.js";
import { batched, byId, failure, setText } from "./dom.js";
import { Feed } from "./feed.js";
import { useCurrency } from "./format.js";
import { Leaders } from "./leaders.js";
import { MemberDialog } from "./member.js";
import { Members } from "./members.js";
import { countMissed, countPoints, showBuyers, showPoints, showShop, showTiers, showUsage } from "./numbers.js";
import { nameOf, whenNamed } from "./people.js";
import { Segments } from "./segments.js";
import { Stream } from "./stream.js";

const BETWEEN = 3_000; // ms at least between two times of asking for what events only hint at
const SETTLED = 1_000; // ms after an event until every service has surely seen it too
const ANYWAY = 30_000; // ms after which is asked even without an event
const STATES = { live: "Live", connecting: "Connecting", reconnecting: "Reconnecting" };

let paused = false;
let lastEvent = 0;
let lastAsked = 0;
let stale = false; // something happened that numbers and rows do not show yet
let asking = false;
const touched = new Set(); // visible members whose points moved

const dialog = new MemberDialog();
const members = new Members({
  onMember: openMember,
  onFilter: ({ segment }) => segments.choose(segment),
});
const segments = new Segments((segment) => members.choose({ segment }));
const feed = new Feed(openMember);
const leaders = new Leaders(openMember);

function openMember(id) {
  dialog.open(id, members.rows.get(id)?.member.shopify_customer_id);
}

// --- what is shown ------------------------------------------------------------------------------

const PARTS = [
  ["/v1/api/core/usage", {}, showUsage],
  ["/v1/api/rfm/segments", {}, (counts) => { segments.show(counts); showBuyers(counts.members); }],
  ["/api/campaigns/tiers", {}, ({ tiers }) => { showTiers(tiers); members.offerTiers(tiers.map((tier) => tier.name)); }],
  ["/api/gamification/leaderboard", { period: "month", limit: 10 }, (found) => leaders.show(found)],
];

/** The numbers; those that fail are told in one line and tried again with the next round. */
async function loadNumbers() {
  const answers = await Promise.allSettled(PARTS.map(([path, query]) => get(path, query)));
  const failed = answers.filter(({ status }) => status === "rejected");
  answers.forEach(({ status, value, reason }, index) => {
    const [path, , show] = PARTS[index];
    if (status === "fulfilled") show(value);
    else if (path.endsWith("leaderboard")) leaders.fail(reason, ask);
  });
  const again = () => ask();
  byId("trouble").replaceChildren(
    ...(failed.length ? [failure(`Some numbers are not up to date. ${failed[0].reason.message}`, again)] : []),
  );
}

async function loadShop() {
  const [shop, program] = await Promise.allSettled([get("/v1/api/frontend/shop"), get("/v1/api/core/settings")]);
  if (shop.status === "fulfilled") showShop(shop.value);
  const settings = program.value?.settings;
  useCurrency(settings?.currency ?? shop.value?.currency);
  dialog.metric = settings?.tiers.metric ?? "spend";
}

/** Ask again for everything that the stream only hints at. */
async function ask() {
  if (asking) return;
  asking = true;
  stale = Date.now() - lastEvent < SETTLED; // too early to be sure: once more after this
  try {
    await Promise.allSettled([loadNumbers(), members.refresh(), dialog.id ? dialog.load() : null]);
  } finally {
    asking = false;
    lastAsked = Date.now();
  }
}

setInterval(() => {
  if (document.hidden || paused || !started) return;
  const since = Date.now() - lastAsked;
  if ((stale && since >= BETWEEN) || since >= ANYWAY) ask();
}, 500);
setInterval(() => document.hidden || members.tick(), 30_000);

whenNamed(() => {
  for (const element of document.querySelectorAll("[data-person]")) {
    setText(element, nameOf(element.dataset.person, element.dataset.shopify));
  }
  dialog.named();
});

// --- what happens -------------------------------------------------------------------------------

const draw = batched(() => {
  if (paused) return;
  showPoints();
  members.showMoved(touched);
  touched.clear();
}, 100);

const stream = new Stream({
  onState(state) {
    const sign = byId("connection");
    sign.dataset.state = state;
    setText(sign, STATES[state]);
  },
  onLost() {
    lastEvent = Date.now();
    ask();
    members.reloadPoints();
  },
  onEvent(event, data) {
    if (event === "stream.gap") {
      countMissed(data.missed);
      stale = true;
      reloadSoon();
      return;
    }
    lastEvent = Date.now();
    stale = true;
    if (event.startsWith("points.")) {
      countPoints(data);
      const id = members.move(data);
      if (id) touched.add(id);
    }
    feed.add(event, data);
    draw();
  },
});

const reloadSoon = batched(() => members.reloadPoints(), BETWEEN);

byId("pause").onclick = () => {
  paused = !paused;
  byId("pause").setAttribute("aria-pressed", paused);
  members.paused = paused;
  feed.pause(paused);
  draw();
};

// --- coming in ----------------------------------------------------------------------------------

let started = false;

function askForToken(error) {
  const refused = error.status === 403 || error.status === 404;
  setText(
    byId("entrance-why"),
    refused ? "This page opens by itself only where the demo shop is on. Here, an access token is needed." : error.message,
  );
  byId("main").inert = true;
  byId("entrance").hidden = false;
  byId("token").focus();
}

byId("entrance-form").onsubmit = (event) => {
  event.preventDefault();
  useToken(byId("token").value.trim());
  byId("token").value = "";
  byId("entrance").hidden = true;
  byId("main").inert = false;
  start();
};

whenLoggedOut(askForToken);

async function start(attempt = 0) {
  try {
    await freshToken();
  } catch (error) {
    if ([401, 403, 404].includes(error.status)) {
      askForToken(error);
      return;
    }
    const text = `${error.message} Trying again by itself.`;
    byId("trouble").replaceChildren(failure(text, () => location.reload()));
    setTimeout(() => start(attempt + 1), Math.min(500 * 2 ** attempt, 10_000));
    return;
  }
  await loadShop(); // the currency, before amounts are shown
  stream.start();
  lastAsked = Date.now();
  await Promise.all([members.load(), loadNumbers()]);
  started = true;
}

start();
