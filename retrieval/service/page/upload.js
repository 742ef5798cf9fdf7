// Files go up one by one, each with its progress and what became of it.

import { Problem, address, authorization, collectionPath, newKey, problemOf } from "./api.js";
import { announce, element, field } from "./elements.js";
import { bytes, count } from "./format.js";

export function createUpload({ collection, onStored }) {
  const chooser = element("input", { type: "file", multiple: true, id: "files", class: "visually-hidden", onchange: () => take(chooser.files) });
  const metadata = element("input", { class: "code", placeholder: '{"team": "security"}', autocomplete: "off", spellcheck: "false" });
  const problem = element("p", { class: "field-problem", role: "alert", hidden: true });
  const zone = element(
    "div", { class: "drop-zone" },
    chooser, element("label", { for: "files", class: "button primary", text: "Choose files…" }), element("span", { text: " or drop them here" }),
  );
  const list = element("ul", { class: "uploads", "aria-label": "Uploaded files" });
  const waiting = [];
  let busy = false;

  zone.addEventListener("dragover", (event) => { event.preventDefault(); zone.classList.add("over"); });
  zone.addEventListener("dragleave", () => zone.classList.remove("over"));
  zone.addEventListener("drop", (event) => {
    event.preventDefault();
    zone.classList.remove("over");
    take(event.dataTransfer.files);
  });

  function take(files) {
    const given = metadata.value.trim();
    problem.hidden = true;
    try {
      if (given && !isObject(JSON.parse(given))) throw new SyntaxError("it is not an object");
    } catch (error) {
      problem.textContent = `Metadata must be a JSON object: ${error.message}`;
      problem.hidden = false;
      return;
    }
    for (const file of files) {
      const row = createRow(file);
      list.prepend(row.element);
      waiting.push({ file, row, metadata: given, collection: collection() });
    }
    chooser.value = "";
    work();
  }

  async function work() {
    if (busy) return;
    busy = true;
    let stored = 0;
    for (let next = waiting.shift(); next; next = waiting.shift()) {
      try {
        const results = await send(next, next.row.progress);
        next.row.done(results);
        stored += results.filter(({ status }) => status !== "failed").length;
      } catch (error) {
        next.row.done([{ file: next.file.name, status: "failed", reason: error.message, chunks: 0 }]);
      }
    }
    busy = false;
    announce(`${count(stored, "document")} stored`);
    onStored();
  }

  return { element: element("section", { class: "upload", "aria-label": "Upload" }, zone, field("Metadata of these files (optional)", metadata), problem, list) };
}

function createRow(file) {
  const bar = element("progress", { max: 100, value: 0, "aria-label": `Upload of ${file.name}` });
  const state = element("span", { class: "upload-state", text: "waiting" });
  const made = element("li", {}, element("span", { class: "upload-name", text: file.name }), element("span", { class: "hint", text: bytes(file.size) }), bar, state);
  return {
    element: made,
    progress(part) {
      bar.value = 100 * part;
      state.textContent = part < 1 ? `${Math.round(100 * part)} %` : "is being read and embedded…";
      if (part >= 1) bar.removeAttribute("value");
    },
    done(results) {
      bar.remove();
      made.dataset.status = results.some(({ status }) => status === "failed") ? "failed" : results[0]?.status ?? "added";
      state.textContent = results.map(said).join(" · ") || "nothing to store";
    },
  };
}

function said({ status, chunks, reason }) {
  return status === "failed" ? `failed: ${reason}` : status === "unchanged" ? "unchanged" : `${status}, ${count(chunks, "chunk")}`;
}

/** XMLHttpRequest, because fetch does not tell how much of a body is sent. */
async function send({ file, metadata, collection }, onProgress) {
  const form = new FormData();
  form.append("files", file, file.name);
  if (metadata) form.append("metadata", metadata);
  const answer = await new Promise((resolve, reject) => {
    const sent = new XMLHttpRequest();
    sent.open("POST", address(collectionPath(collection, "/files")));
    for (const [name, value] of Object.entries(authorization())) sent.setRequestHeader(name, value);
    sent.upload.addEventListener("progress", ({ loaded, total }) => onProgress(total ? loaded / total : 1));
    sent.addEventListener("load", () => resolve(sent));
    sent.addEventListener("error", () => reject(new Problem(0, "The service cannot be reached", "")));
    sent.send(form);
  });
  if (answer.status === 401 && (await newKey())) return send({ file, metadata, collection }, onProgress);
  if (answer.status >= 400) throw problemOf(answer.status, answer.responseText, answer.getResponseHeader("retry-after"));
  return JSON.parse(answer.responseText).results;
}

function isObject(value) {
  return value !== null && typeof value === "object" && !Array.isArray(value);
}
