// Which collection the page is about, and how a new one is made.

import { get, post } from "./api.js";
import { element, empty, field, replaceOptions } from "./elements.js";
import { count } from "./format.js";

const LANGUAGES = ["english", "simple", "german", "french", "spanish", "italian", "portuguese", "dutch", "russian", "swedish", "danish", "norwegian", "finnish", "turkish"];

export function createCollections({ onChosen, context }) {
  const select = document.getElementById("collection");
  let found = [];
  let failure = null;
  let wanted = "";

  select.addEventListener("change", () => onChosen(select.value));
  document.getElementById("new-collection").addEventListener("click", openDialog);

  async function load() {
    try {
      ({ collections: found } = await get("collections"));
      failure = null;
      context.shown();
    } catch (error) {
      failure = error;
      context.failed(error);
    }
    draw();
  }

  function draw() {
    const options = found.map(({ name, documents }) => [name, `${name} (${count(documents, "document")})`]);
    if (wanted && !found.some(({ name }) => name === wanted)) options.unshift([wanted, `${wanted} (not found)`]);
    if (!options.length) options.push(["", "none yet"]);
    replaceOptions(select, options, wanted);
    select.disabled = found.length === 0;
  }

  function openDialog() {
    const name = element("input", { required: true, maxlength: 200, autocomplete: "off", placeholder: "handbook" });
    const language = element("select");
    replaceOptions(language, LANGUAGES.map((each) => [each, each]), "english");
    const model = element("input", { autocomplete: "off", placeholder: "of the service" });
    const problem = element("p", { class: "field-problem", role: "alert", hidden: true });
    const create = element("button", { type: "submit", class: "primary", text: "Create" });
    const form = element(
      "form", {},
      element("h2", { text: "New collection" }),
      field("Name", name), field("Language of its texts", language), field("Embedding model (optional)", model), problem,
      element("div", { class: "actions" }, element("button", { type: "button", text: "Cancel", onclick: () => dialog.close() }), create),
    );
    const dialog = element("dialog", { class: "dialog", "aria-label": "New collection", onclose: () => dialog.remove() }, form);
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      create.disabled = true;
      try {
        const made = { name: name.value.trim(), text_config: language.value, model: model.value.trim() || null };
        await post("collections", made);
        dialog.close();
        await load();
        onChosen(made.name);
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

  return {
    load,
    names: () => found.map(({ name }) => name),
    /** What searches of a collection rank by where they do not say. */
    ranking: (name) => found.find((each) => each.name === name)?.ranking ?? {},
    choose(name) {
      wanted = name;
      draw();
    },
    /** What stands where there is no collection to show. */
    invitation() {
      if (failure) return empty("The collections cannot be listed", element("p", { text: failure.message }));
      return empty(
        "No collection yet",
        element("p", { text: "A collection holds the documents that are searched together. Make one here, or from the command line:" }),
        element("pre", { class: "code", text: "retrieval ingest handbook docs/" }),
        element("button", { type: "button", class: "primary", text: "Create a collection", onclick: openDialog }),
      );
    },
  };
}
