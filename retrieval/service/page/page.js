// Puts the page together: one view at a time, chosen by the address, over one collection.

import { collectionPath, get, onKeyNeeded } from "./api.js";
import { createCollections } from "./collections.js";
import { createCompare } from "./compare.js";
import { createDocument } from "./document.js";
import { createDocuments } from "./documents.js";
import { element } from "./elements.js";
import { askForKey, showKeyButton } from "./key.js";
import { createJudge } from "./judge.js";
import { createMap } from "./map.js";
import { createSearch } from "./search.js";
import { adjust, href, navigate, onChange, read } from "./state.js";
import { createStatus } from "./status.js";
import { forgetWeights } from "./weights.js";

const main = document.getElementById("main");
const problem = document.getElementById("problem");
const navigation = document.getElementById("views");
const known = { collection: null, spaces: [], metadata: [], sets: [] };
let current = null;

const context = {
  spaces: () => known.spaces,
  ranking: () => collections.ranking(known.collection),
  /** Metadata of some documents, by which keys are suggested. */
  metadata: () => known.metadata,
  learnKeys(found) {
    known.metadata = [...found, ...known.metadata].slice(0, 300);
  },
  /** The names of the collection's golden sets. */
  goldenSets: () => known.sets,
  async learnSets() {
    known.sets = setNames(await get(collectionPath(known.collection, "/golden-sets")));
  },
  noCollection: () => collections.invitation(),
  documentsChanged() {
    collections.load();
    forgetWeights();
    for (const view of views) view.forget();
  },
  failed(error) {
    problem.textContent = error.message;
    problem.hidden = false;
  },
  shown() {
    problem.hidden = true;
    showKeyButton();
  },
};

const collections = createCollections({ onChosen: (name) => navigate({ ...fresh, collection: name, view: viewOf(read()).name }), context });
const fresh = { query: "", filter: null, settings: {}, page: 1, a: null, b: null, document: "", chunk: null, color: "", judge: "", pool: null };
const views = [createSearch, createCompare, createJudge, createMap, createDocuments, createStatus, createDocument].map((create) => create(context));
for (const view of views) {
  view.element.hidden = true;
  main.append(view.element);
}
const links = views.filter((view) => view.label).map((view) => [view, element("a", { text: view.label })]);
navigation.append(...links.map(([, link]) => link));

function viewOf(state) {
  return views.find((view) => view.name === state.view) ?? views[0];
}

async function show(state) {
  const view = viewOf(state);
  collections.choose(state.collection);
  if (known.collection !== state.collection) {
    await learn(state.collection);
    if (href(read()) !== href(state)) return; // the reader went on meanwhile
  }
  if (current !== view) change(view);
  for (const [each, link] of links) {
    link.href = href({ view: each.name, document: "", chunk: null }, state);
    if (each === view) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.title = [state.query, view.label ?? state.document, state.collection, "retrieval"].filter(Boolean).join(" · ");
  view.show(state);
}

function change(view) {
  const leftFocus = main.contains(document.activeElement);
  if (current) current.scrolled = scrollY;
  current?.hide?.();
  for (const each of views) each.element.hidden = each !== view;
  problem.hidden = true;
  current = view;
  // back where one was; a document is always read from its hit on
  scrollTo(0, view.label ? view.scrolled ?? 0 : 0);
  if (leftFocus) main.focus({ preventScroll: true });
}

/** What the controls offer depends on the collection: its spaces, its golden sets, and the keys of its metadata. */
async function learn(collection) {
  known.collection = collection;
  known.spaces = [];
  known.metadata = [];
  known.sets = [];
  if (!collection) return;
  const [spaces, documents, sets] = await Promise.allSettled([
    get(collectionPath(collection, "/spaces")), get(collectionPath(collection, "/documents"), { parameters: { limit: 50 } }),
    get(collectionPath(collection, "/golden-sets")),
  ]);
  if (known.collection !== collection) return;
  if (spaces.status === "fulfilled") known.spaces = spaces.value.spaces;
  if (sets.status === "fulfilled") known.sets = setNames(sets.value);
  if (documents.status === "fulfilled") context.learnKeys(documents.value.documents.map(({ metadata }) => metadata));
}

function setNames({ golden_sets: found }) {
  return found.map(({ name }) => name);
}

document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
});
// links with # change the address without popstate in older browsers
addEventListener("hashchange", () => show(read()));
onKeyNeeded(askForKey);
onChange(show);

await collections.load();
const first = read();
if (!first.collection && collections.names().length) adjust({ collection: collections.names()[0] });
show(read());
