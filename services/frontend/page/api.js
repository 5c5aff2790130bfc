// Talking to the gateway: logging in, keeping the token fresh, asking, and saying what went wrong.

const DEMO = "/v1/api/auth/demo";
const EARLY = 60_000; // a token is replaced this long before it ends (ms)

/** A refusal or a failure; `status` is 0 when there was no answer at all. */
export class ApiError extends Error {
  constructor(status, text) {
    super(text);
    this.status = status;
  }
}

let token = ""; // in memory only
let endsAt = 0;
let pasted = false;
let renewal = null;
let onLoggedOut = () => {};

/** `call(error)` is told when there is no way to go on without a person. */
export function whenLoggedOut(call) {
  onLoggedOut = call;
}

/** Go on with a token that somebody pasted; it cannot be renewed from here. */
export function useToken(text) {
  token = text;
  endsAt = Infinity;
  pasted = true;
}

/** A token that holds for at least a minute. Raises ApiError. */
export async function freshToken() {
  if (token && endsAt - Date.now() > EARLY) return token;
  if (pasted) throw new ApiError(401, "The access token has expired.");
  renewal ??= renew().finally(() => (renewal = null));
  await renewal;
  return token;
}

/** The next `freshToken` asks for a new one: the gateway refused this one. */
export function dropToken(refused) {
  if (refused && refused !== token) return; // it has been replaced in the meantime
  token = "";
  if (pasted) {
    pasted = false;
    onLoggedOut(new ApiError(401, "The access token has expired or is not valid."));
  }
}

async function renew() {
  const answer = await send("POST", DEMO, {}, "");
  token = answer.token;
  endsAt = Date.parse(answer.expires_at);
}

export const get = (path, query = {}) => {
  const set = Object.entries(query).filter(([, value]) => value !== "" && value != null);
  return ask("GET", set.length ? `${path}?${new URLSearchParams(set)}` : path);
};

export const post = (path, body) => ask("POST", path, body);

async function ask(method, path, body) {
  const mine = await freshToken();
  try {
    return await send(method, path, body, mine);
  } catch (error) {
    if (error.status !== 401) throw error;
    dropToken(mine);
    return await send(method, path, body, await freshToken());
  }
}

async function send(method, path, body, bearer) {
  const headers = { Accept: "application/json" };
  if (bearer) headers.Authorization = `Bearer ${bearer}`;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let response;
  try {
    response = await fetch(path, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: AbortSignal.timeout(15_000),
    });
  } catch {
    throw new ApiError(0, "LoyalNest does not answer.");
  }
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new ApiError(response.status, answer.detail || answer.title || "That did not work.");
  return answer;
}
