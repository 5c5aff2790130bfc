// The description of the API: a list of all operations, and the one that the address names.

import { demoToken, useToken } from "./call.js";
import { byId, make } from "./dom.js";
import { methodOf, show } from "./operation.js";
import { readIn } from "./schema.js";

const METHODS = ["get", "put", "post", "delete", "patch"];

let operations = [];

async function start() {
  const main = byId("operation");
  try {
    const answer = await fetch("/schema/openapi.json");
    if (!answer.ok) throw new Error(String(answer.status));
    const document = await answer.json();
    readIn(document);
    operations = allOf(document);
  } catch {
    main.replaceChildren(make("p", { class: "failure" }, "The document could not be loaded. Reload the page to try again."));
    return;
  }
  byId("filter").addEventListener("input", list);
  addEventListener("hashchange", open);
  list();
  open();
}

function allOf({ paths }) {
  return Object.entries(paths).flatMap(([path, methods]) =>
    METHODS.filter((method) => methods[method]).map((method) => ({
      method: method.toUpperCase(),
      path,
      entry: methods[method],
    })),
  );
}

const addressOf = ({ entry }) => `#${entry.operationId}`;

function current() {
  return operations.find((each) => addressOf(each) === decodeURIComponent(location.hash)) ?? operations[0];
}

function list() {
  const words = byId("filter").value.toLowerCase().split(/\s+/);
  const found = operations.filter(({ method, path, entry }) => {
    const text = `${method} ${path} ${entry.operationId} ${entry.summary} ${entry.tags.join(" ")}`.toLowerCase();
    return words.every((word) => text.includes(word));
  });
  byId("count").textContent = `${found.length} of ${operations.length} operations`;
  const tags = [...new Set(found.map(({ entry }) => entry.tags[0]))].sort();
  byId("list").replaceChildren(
    ...tags.flatMap((tag) => [
      make("h2", {}, tag),
      make("ul", {}, ...found.filter(({ entry }) => entry.tags[0] === tag).map(item)),
    ]),
  );
}

function item(operation) {
  const { method, entry } = operation;
  const link = make("a", { href: addressOf(operation) }, methodOf(method), make("span", { class: "what" }, nameOf(entry)));
  if (operation === current()) link.setAttribute("aria-current", "page");
  return make("li", {}, link);
}

/** `AdjustPoints` of `points.v1.AdjustPoints`, with a space before each word. */
function nameOf({ operationId }) {
  return operationId.split(".").pop().replaceAll(/([a-z])([A-Z])/g, "$1 $2");
}

function open() {
  const operation = current();
  byId("operation").replaceChildren(...show(operation));
  document.title = `${nameOf(operation.entry)} · LoyalNest API`;
  list();
  scrollTo(0, 0);
}

function logIn() {
  const field = byId("token");
  const tell = (text) => (byId("bearer").textContent = text);
  field.addEventListener("input", () => {
    useToken(field.value);
    tell(field.value ? "in use" : "");
    if (operations.length) open();
  });
  byId("log-in").addEventListener("submit", (event) => event.preventDefault());
  byId("demo").addEventListener("click", async () => {
    try {
      field.value = await demoToken();
      field.dispatchEvent(new Event("input"));
    } catch (error) {
      tell(error.message);
    }
  });
}

logIn();
start();
