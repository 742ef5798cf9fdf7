// What is shown is in the address after #, so that a search can be shared and the browser's back button works.

const DEFAULTS = {
  view: "search", collection: "", query: "", filter: null, settings: {}, page: 1,
  a: null, b: null, document: "", chunk: null, color: "", judge: "", pool: null,
};
const JSON_FIELDS = ["filter", "settings", "a", "b", "pool"];
const NUMBERS = ["page", "chunk"];
let listener = () => {};

export function read() {
  const [view, search = ""] = location.hash.replace(/^#/, "").split("?");
  const state = { ...DEFAULTS, view: view || DEFAULTS.view };
  for (const [name, text] of new URLSearchParams(search)) {
    if (!(name in DEFAULTS) || name === "view") continue;
    if (NUMBERS.includes(name)) state[name] = Number(text) || DEFAULTS[name];
    else state[name] = JSON_FIELDS.includes(name) ? parsed(text, DEFAULTS[name]) : text;
  }
  return state;
}

/** An address of the page with some things changed; only what is not as by default stands in it. */
export function href(changes, state = read()) {
  const next = { ...state, ...changes };
  const search = new URLSearchParams();
  for (const [name, byDefault] of Object.entries(DEFAULTS)) {
    const value = next[name];
    if (name === "view" || JSON.stringify(value) === JSON.stringify(byDefault)) continue;
    search.set(name, JSON_FIELDS.includes(name) ? JSON.stringify(value) : value);
  }
  return `#${next.view}${search.size ? `?${search}` : ""}`;
}

/** A step that the back button undoes. */
export function navigate(changes) {
  const next = href(changes);
  if (next !== location.hash) history.pushState(null, "", next);
  listener(read());
}

/** A change that is not a step, such as a slider that moves. */
export function adjust(changes) {
  history.replaceState(null, "", href(changes));
}

export function onChange(call) {
  listener = call;
  addEventListener("popstate", () => listener(read()));
}

function parsed(text, otherwise) {
  try {
    const value = JSON.parse(text);
    return value !== null && typeof value === "object" && !Array.isArray(value) ? value : otherwise;
  } catch {
    return otherwise;
  }
}
