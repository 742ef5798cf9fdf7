// What a collection holds, and how more gets in.

import { collectionPath, get } from "./api.js";
import { element, empty, loading } from "./elements.js";
import { count, moment } from "./format.js";
import { href, read } from "./state.js";
import { createUpload } from "./upload.js";

const LIMIT = 50;

export function createDocuments(context) {
  const upload = createUpload({ collection: () => read().collection, onStored: () => { context.documentsChanged(); load(read().collection); } });
  const list = element("section", { "aria-label": "Documents" });
  const nothing = element("div", { class: "notice" });
  const made = element("div", { class: "view documents-view" }, nothing, upload.element, list);
  let shownFor = null;

  async function load(collection, after = null) {
    shownFor = collection;
    if (after === null && !list.children.length) list.replaceChildren(loading());
    try {
      const { documents, next } = await get(collectionPath(collection, "/documents"), { parameters: { limit: LIMIT, after } });
      context.learnKeys(documents.map((document) => document.metadata));
      if (after === null) list.replaceChildren(documents.length ? table() : empty("No documents yet", element("p", { text: "Upload some files above, or send them with the API." })));
      list.querySelector("tbody")?.append(...documents.map(row));
      list.querySelector(".more")?.remove();
      if (next !== null) list.append(element("button", { type: "button", class: "more", text: "Show more", onclick: () => load(collection, next) }));
      context.shown();
    } catch (error) {
      list.replaceChildren(empty("The documents cannot be listed", element("p", { text: error.message })));
      context.failed(error);
    }
  }

  return {
    name: "documents",
    label: "Documents",
    element: made,
    show({ collection }) {
      upload.element.hidden = list.hidden = !collection;
      nothing.replaceChildren(...(collection ? [] : [context.noCollection()]));
      if (collection && collection !== shownFor) {
        list.replaceChildren();
        load(collection);
      }
    },
    forget() {
      shownFor = null;
    },
  };
}

function table() {
  const names = ["Document", "Chunks", "Source", "Changed"];
  return element(
    "div", { class: "scrolls", tabindex: 0, role: "region", "aria-label": "Table of documents" },
    element("table", {}, element("thead", {}, element("tr", {}, names.map((text) => element("th", { scope: "col", text })))), element("tbody")),
  );
}

function row({ document_key, title, source, chunks, updated_at }) {
  const link = element("a", { href: href({ view: "document", document: document_key, chunk: null }), text: title || document_key });
  return element(
    "tr", {},
    element("th", { scope: "row" }, link, title && title !== document_key ? element("small", { text: document_key }) : null),
    element("td", { class: "number", text: chunks }), element("td", { class: "source", title: source, text: source ?? "–" }), element("td", { text: moment(updated_at) }),
  );
}
