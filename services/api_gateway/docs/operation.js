// One operation: what it is for, a form to try it, and everything that may come back.

import { asCurl, hasToken, request, send } from "./call.js";
import { make, pretty, words } from "./dom.js";
import { fieldsOf, kindOf, resolve } from "./schema.js";

const JSON_TYPE = "application/json";
const IDEMPOTENCY = {
  safe: "changes nothing",
  natural: "the same again leaves the same",
  key: "needs an Idempotency-Key; a repeat gets the stored answer",
};

export function show({ method, path, entry }) {
  return [
    make("h2", {}, ...words(entry.summary)),
    make("p", { class: "address" }, methodOf(method), make("code", {}, path)),
    make("p", { class: "note" }, entry.operationId),
    entry.description ? make("p", { class: "text" }, ...words(entry.description)) : null,
    facts(entry),
    form(method, path, entry),
    ...answers(entry),
  ].filter((each) => each !== null);
}

export const methodOf = (method) => make("span", { class: "method", "data-method": method }, method);

function facts(entry) {
  const rates = Object.entries(entry["x-rate-limit"] ?? {});
  const told = [
    ["Permission", entry["x-permission"]],
    ["Repeats", IDEMPOTENCY[entry["x-idempotency"]]],
    ["Limit", rates.map(([whose, rate]) => `${rate.requests} in ${rate.seconds} s (${whose})`).join(", ")],
  ];
  return make(
    "dl",
    { class: "facts" },
    ...told.filter(([, value]) => value).map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, value))),
  );
}

function form(method, path, entry) {
  const parameters = entry.parameters ?? [];
  const inputs = new Map(parameters.map((each) => [each.name, input(each)]));
  const content = entry.requestBody?.content[JSON_TYPE];
  const body = content
    ? make("textarea", { rows: 10, spellcheck: "false", "aria-label": "Body as JSON" })
    : null;
  if (body) body.value = pretty(content.example ?? {});
  const outcome = make("div", { class: "outcome", role: "status" });
  const curl = make("pre", { tabindex: 0, "aria-label": "As a command" });
  const asked = () =>
    request(
      method,
      path,
      parameters,
      Object.fromEntries([...inputs].map(([name, each]) => [name, each.value])),
      body ? body.value : null,
    );
  const button = make("button", { class: "button primary", type: "submit" }, "Send");
  const tell = () => (curl.textContent = asCurl(asked()));
  const element = make(
    "form",
    {
      autocomplete: "off",
      oninput: tell,
      onsubmit: async (event) => {
        event.preventDefault();
        tell();
        button.disabled = true;
        outcome.replaceChildren(await send(asked()));
        button.disabled = false;
      },
    },
    make("h3", {}, "Try it"),
    make("div", { class: "fields" }, ...parameters.map((each) => field(each, inputs.get(each.name)))),
    body ? make("div", { class: "fields" }, body) : null,
    body && fieldsOf(content.schema) ? make("details", {}, make("summary", {}, "Fields of the body"), fieldsOf(content.schema)) : null,
    make(
      "div",
      { class: "actions" },
      button,
      entry.security && !hasToken() ? make("span", { class: "note" }, "Needs an access token: see the top of the page.") : null,
    ),
    outcome,
    make("details", {}, make("summary", {}, "As a command"), curl),
  );
  tell();
  return element;
}

function field({ name, in: place, required, schema, description }, control) {
  return make(
    "div",
    { class: "field" },
    make(
      "label",
      { for: control.id },
      make("code", {}, name),
      required ? make("span", { class: "needed", title: "needed" }, " *") : null,
      make("span", { class: "kind" }, `${kindOf(schema)}, in the ${place}`),
      description ? make("span", { class: "kind" }, description) : null,
    ),
    control,
  );
}

function input({ name, schema, required }) {
  const id = `parameter-${name}`;
  const whole = resolve(schema);
  if (whole.enum) {
    const choices = required ? whole.enum : ["", ...whole.enum];
    return make("select", { id }, ...choices.map((each) => make("option", { value: each }, each)));
  }
  const control = make("input", { id, required, spellcheck: "false", placeholder: whole.default ?? "" });
  if (name === "Idempotency-Key") control.value = crypto.randomUUID?.() ?? `docs-${Date.now()}`;
  return control;
}

function answers(entry) {
  return [
    make("h3", {}, "Answers"),
    ...Object.entries(entry.responses).map(([status, reference]) => answer(status, resolve(reference))),
  ];
}

function answer(status, { description, content, headers }) {
  const [[type, shown] = []] = Object.entries(content ?? {});
  const examples = shown?.example !== undefined ? [shown.example] : Object.values(shown?.examples ?? {}).map((each) => each.value);
  return make(
    "details",
    { open: status.startsWith("2") },
    make("summary", {}, `${status} `, make("span", { class: "note" }, ...words(description.replaceAll("\n", " · ")))),
    type ? make("p", { class: "note" }, type) : null,
    headers ? make("p", { class: "note" }, `Headers: ${Object.keys(headers).join(", ")}`) : null,
    shown?.schema?.$ref ? fieldsOf(shown.schema) : null,
    ...examples.map((each) => make("pre", { tabindex: 0, "aria-label": `Example of ${status}` }, pretty(each))),
  );
}
