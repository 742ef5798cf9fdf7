// Golden sets: which there are, what is judged in them, and the control that chooses one or makes it.

import { collectionPath, get, post, put } from "./api.js";
import { element, field, replaceOptions } from "./elements.js";
import { read } from "./state.js";

export function setPath(collection, set, rest = "") {
  return collectionPath(collection, `/golden-sets/${encodeURIComponent(set)}${rest}`);
}

/** Stores a grade of a document, or with null takes it back; the query joins the set with its first grade. */
export function storeGrade({ collection, set, query }, document_key, grade) {
  return put(setPath(collection, set, "/judgements"), { judgements: [{ query_text: query, document_key, grade }] });
}

/** The stored grades of a query, by document. */
export async function storedGrades({ collection, set, query }) {
  const { judgements } = await get(setPath(collection, set, "/judgements"), { parameters: { query_text: query } });
  return new Map(judgements.map(({ document_key, grade }) => [document_key, grade]));
}

/** A choice of the collection's sets with a button for another; `none` is what no set is called. */
export function createSetChoice({ label, none, onChosen, context }) {
  const select = element("select", { onchange: () => onChosen(select.value) });
  const another = element("button", { type: "button", class: "quiet", text: "New…", title: "Create a golden set", onclick: () => openDialog(created) });
  const made = element("div", { class: "set-choice" }, field(label, select), another);

  async function created(name) {
    await context.learnSets();
    onChosen(name);
  }

  return {
    element: made,
    show(chosen) {
      const names = context.goldenSets();
      const unknown = chosen && !names.includes(chosen) ? [[chosen, `${chosen} (not found)`]] : [];
      replaceOptions(select, [["", none], ...unknown, ...names.map((name) => [name, name])], chosen);
    },
  };
}

function openDialog(onCreated) {
  const name = element("input", { required: true, maxlength: 200, autocomplete: "off", placeholder: "default" });
  const description = element("input", { autocomplete: "off", placeholder: "what its queries are" });
  const problem = element("p", { class: "field-problem", role: "alert", hidden: true });
  const create = element("button", { type: "submit", class: "primary", text: "Create" });
  const form = element(
    "form", {},
    element("h2", { text: "New golden set" }), field("Name", name), field("Description (optional)", description), problem,
    element("div", { class: "actions" }, element("button", { type: "button", text: "Cancel", onclick: () => dialog.close() }), create),
  );
  const dialog = element("dialog", { class: "dialog", "aria-label": "New golden set", onclose: () => dialog.remove() }, form);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    create.disabled = true;
    try {
      const made = { name: name.value.trim(), description: description.value.trim() || null };
      await post(collectionPath(read().collection, "/golden-sets"), made);
      dialog.close();
      await onCreated(made.name);
    } catch (error) {
      problem.textContent = error.message;
      problem.hidden = false;
    } finally {
      create.disabled = false;
    }
  });
  document.body.append(dialog);
  dialog.showModal();
}
