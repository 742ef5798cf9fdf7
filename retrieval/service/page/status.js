// Spaces and jobs, asked again as long as the view is open.

import { collectionPath, get, post } from "./api.js";
import { element, empty, loading } from "./elements.js";
import { bytes, count, moment } from "./format.js";

const EVERY = 3000;

export function createStatus(context) {
  const made = element("div", { class: "view status-view" });
  let timer = null;
  let shownFor = null;

  async function load(collection) {
    clearTimeout(timer);
    try {
      const [{ spaces }, { jobs }, { failed: failures }] = await Promise.all(
        ["/spaces", "/jobs", "/jobs/failed"].map((rest) => get(collectionPath(collection, rest))),
      );
      if (collection !== shownFor) return;
      made.replaceChildren(drawnSpaces(spaces), drawnJobs(jobs), ...(failures.length ? [drawnFailures(collection, failures)] : []));
      context.shown();
    } catch (error) {
      made.replaceChildren(empty("The state cannot be shown", element("p", { text: error.message })));
      context.failed(error);
    }
    if (collection === shownFor) timer = setTimeout(() => (document.hidden ? wait(collection) : load(collection)), EVERY);
  }

  function wait(collection) {
    timer = setTimeout(() => (document.hidden ? wait(collection) : load(collection)), EVERY);
  }

  async function retry(collection) {
    try {
      await post(collectionPath(collection, "/jobs/retry"), {});
    } catch (error) {
      context.failed(error);
    }
    load(collection);
  }

  function drawnFailures(collection, failures) {
    const again = element("button", { type: "button", text: "Try again", onclick: () => retry(collection) });
    return section("Failed", table(["Document", "Space", "Why", "When"], failures.map((job) => [job.document_key, job.space, job.error, moment(job.created_at)])), again);
  }

  return {
    name: "status",
    label: "Status",
    element: made,
    show({ collection }) {
      shownFor = collection;
      if (!collection) return made.replaceChildren(context.noCollection());
      if (!made.children.length) made.replaceChildren(loading());
      return load(collection);
    },
    hide() {
      shownFor = null;
      clearTimeout(timer);
    },
    forget() {},
  };
}

function drawnSpaces(spaces) {
  if (!spaces.length) return section("Spaces", empty("No spaces", element("p", { text: "Searches go by words alone." })));
  const rows = spaces.map((space) => [
    element("span", {}, element("strong", { text: space.name }), space.name === space.model ? null : element("small", { text: space.model })),
    element("span", { class: `state state-${space.state}`, text: space.state }),
    `${space.kind}, ${space.dimensions}`,
    `${space.index_method}${space.indexed ? "" : " (to be built)"}`,
    completeness(space),
    bytes(space.bytes),
  ]);
  return section("Spaces", table(["Space", "State", "Kind", "Index", "Embedded", "Size"], rows));
}

function completeness({ name, embeddings, missing }) {
  const total = embeddings + missing;
  const bar = element("progress", { max: Math.max(total, 1), value: total ? embeddings : 1, "aria-label": `Embedded in ${name}` });
  return element("span", { class: "completeness" }, bar, missing ? `${embeddings} of ${total}` : count(embeddings, "chunk"));
}

function drawnJobs(jobs) {
  if (!jobs.length) return section("Jobs", element("p", { class: "hint", text: "Nothing waits for a worker." }));
  const rows = jobs.map((job) => [job.space, job.pending, job.running, job.failed, job.per_minute.toFixed(0), moment(job.oldest)]);
  return section("Jobs", table(["Space", "Waiting", "Running", "Failed", "A minute", "Oldest"], rows));
}

function section(title, ...content) {
  return element("section", { "aria-label": title }, element("h2", { text: title }), ...content);
}

function table(names, rows) {
  return element(
    "div", { class: "scrolls", tabindex: 0, role: "region", "aria-label": "Table" },
    element(
      "table", {},
      element("thead", {}, element("tr", {}, names.map((text) => element("th", { scope: "col", text })))),
      element("tbody", {}, rows.map((cells) => element("tr", {}, cells.map((cell) => element("td", {}, cell))))),
    ),
  );
}
