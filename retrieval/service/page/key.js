// Asks for an API key where the service wants one; the tab keeps it until it is closed.

import { apiKey, setApiKey } from "./api.js";
import { element, field } from "./elements.js";

const button = document.getElementById("key");
button.addEventListener("click", async () => {
  const key = await askForKey(false);
  if (key !== null) {
    setApiKey(key);
    location.reload();
  }
});

export function showKeyButton() {
  button.hidden = !apiKey();
}

/** Promises the key that was typed, or null. */
export function askForKey(rejected) {
  button.hidden = false;
  const input = element("input", { type: "password", autocomplete: "off", required: true, value: "" });
  const dialog = element(
    "dialog", { class: "dialog", "aria-label": "API key" },
    element(
      "form", { method: "dialog" },
      element("h2", { text: "API key" }),
      element("p", { text: rejected ? "The service did not take that key." : "This service answers only with a key." }),
      field("Key", input, "Kept in this tab alone, until it is closed."),
      element(
        "div", { class: "actions" },
        element("button", { type: "button", text: "Cancel", onclick: () => dialog.close("") }), element("button", { type: "submit", class: "primary", value: "use", text: "Use this key" }),
      ),
    ),
  );
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "use" ? input.value.trim() : null);
    });
  });
}
