// Talks to the service. An error is a Problem with one message; a missing key is asked for and the request sent again.

const STORED = "retrieval.api-key";
let askForKey = null;

export class Problem extends Error {
  constructor(status, title, detail) {
    super(detail ? `${title}: ${detail}` : title);
    this.status = status;
  }
}

export function apiKey() {
  return sessionStorage.getItem(STORED) ?? "";
}

export function setApiKey(key) {
  if (key) sessionStorage.setItem(STORED, key);
  else sessionStorage.removeItem(STORED);
}

/** `ask(rejected)` promises a key, or null where the reader gives up; rejected: a key was sent and refused. */
export function onKeyNeeded(ask) {
  askForKey = ask;
}

export function address(path) {
  return new URL(`v1/${path}`, document.baseURI.split("#")[0]).href;
}

export function collectionPath(name, rest = "") {
  return `collections/${encodeURIComponent(name)}${rest}`;
}

/** A document's key with its slashes, as it stands in a path. */
export function documentPath(name, key) {
  return collectionPath(name, `/documents/${key.split("/").map(encodeURIComponent).join("/")}`);
}

export async function request(method, path, { body, parameters, signal } = {}) {
  const url = new URL(address(path));
  for (const [name, value] of Object.entries(parameters ?? {})) {
    if (value !== undefined && value !== null) url.searchParams.set(name, value);
  }
  const headers = { Accept: "application/json", ...authorization() };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let response;
  try {
    response = await fetch(url, { method, headers, signal, body: body === undefined ? undefined : JSON.stringify(body) });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(0, "The service cannot be reached", "is it still running?");
  }
  if (response.status === 401 && (await newKey())) return request(method, path, { body, parameters, signal });
  if (!response.ok) throw problemOf(response.status, await response.text(), response.headers.get("retry-after"));
  return response.status === 204 ? null : response.json();
}

export function authorization() {
  return apiKey() ? { Authorization: `Bearer ${apiKey()}` } : {};
}

let asking = null;
/** Asks once, however many requests were refused at the same time. */
export async function newKey() {
  if (!askForKey) return false;
  asking ??= askForKey(Boolean(apiKey())).finally(() => { asking = null; });
  const key = await asking;
  if (key) setApiKey(key);
  return Boolean(key);
}

export function problemOf(status, text, retryAfter) {
  let told = {};
  try {
    told = JSON.parse(text);
  } catch {
    // something between the page and the service answered
  }
  const wait = retryAfter ? ` (again in ${retryAfter} s)` : "";
  return new Problem(status, told.title ?? `The service answered ${status}`, `${told.detail ?? ""}${wait}`);
}

export const get = (path, options) => request("GET", path, options);
export const post = (path, body, options) => request("POST", path, { ...options, body });
export const put = (path, body, options) => request("PUT", path, { ...options, body });
