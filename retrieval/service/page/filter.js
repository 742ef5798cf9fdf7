// The filter builder: rows of key, operator and value, and beneath them the same filter as JSON.

import { element, field, replaceOptions, uniqueId } from "./elements.js";
import { OPERATORS, filterOf, rowsOf } from "./filter_json.js";

export function createFilter({ onChange }) {
  let model = { joiner: "$and", rows: [] };
  let rowsFit = true;
  const keyList = element("datalist", { id: uniqueId() });
  const joiner = element("select", { "aria-label": "How the conditions are joined", onchange: () => edited((model.joiner = joiner.value)) });
  replaceOptions(joiner, [["$and", "all of these"], ["$or", "any of these"]], "$and");
  const rows = element("div", { class: "filter-rows" });
  const note = element("p", { class: "hint", text: "This filter says more than rows can; edit it as JSON.", hidden: true });
  const add = element("button", { type: "button", class: "quiet", text: "Add a condition", onclick: () => addRow() });
  const json = element("textarea", { rows: 3, spellcheck: "false", class: "code", oninput: () => jsonEdited() });
  const jsonProblem = element("p", { class: "field-problem", role: "alert", hidden: true });
  const shown = element("details", {}, element("summary", { text: "as JSON" }), field("Filter as JSON", json), jsonProblem);
  const made = element("div", { class: "filter" }, joiner, rows, note, add, shown, keyList);

  function addRow(row = { key: "", operator: "$eq", text: "" }) {
    model.rows.push(row);
    draw();
    rows.lastElementChild.querySelector("input").focus();
  }

  function edited() {
    const filter = filterOf(model);
    json.value = filter ? JSON.stringify(filter) : "";
    showJsonProblem("");
    onChange(filter);
  }

  function jsonEdited() {
    let filter = null;
    try {
      filter = json.value.trim() ? JSON.parse(json.value) : null;
    } catch (error) {
      return showJsonProblem(`Not JSON yet: ${error.message}`);
    }
    if (filter !== null && (typeof filter !== "object" || Array.isArray(filter))) return showJsonProblem("A filter is an object.");
    showJsonProblem("");
    take(filter);
    draw();
    onChange(filter);
  }

  function showJsonProblem(text) {
    jsonProblem.textContent = text;
    jsonProblem.hidden = !text;
  }

  function take(filter) {
    const fitting = rowsOf(filter);
    rowsFit = fitting !== null;
    model = fitting ?? { joiner: "$and", rows: [] };
  }

  function draw() {
    joiner.value = model.joiner;
    joiner.hidden = model.rows.length < 2;
    note.hidden = rowsFit;
    add.hidden = !rowsFit;
    if (!rowsFit) shown.open = true;
    rows.replaceChildren(...model.rows.map(drawnRow));
  }

  function drawnRow(row, place) {
    const number = place + 1;
    const key = element("input", {
      value: row.key, list: keyList.id, placeholder: "key", autocomplete: "off", "aria-label": `Key of condition ${number}`,
      oninput: () => edited((row.key = key.value)),
    });
    const operator = element("select", {
      "aria-label": `Operator of condition ${number}`,
      onchange: () => { row.operator = operator.value; draw(); edited(); },
    });
    replaceOptions(operator, Object.entries(OPERATORS), row.operator);
    const remove = element("button", {
      type: "button", class: "icon", "aria-label": `Remove condition ${number}`, text: "×",
      onclick: () => { model.rows.splice(place, 1); draw(); edited(); add.focus(); },
    });
    return element("div", { class: "filter-row" }, key, operator, valueInput(row, number, edited), remove);
  }

  return {
    element: made,
    show(filter) {
      take(filter);
      json.value = filter ? JSON.stringify(filter) : "";
      showJsonProblem("");
      draw();
    },
    suggest(keys) {
      replaceOptions(keyList, keys.map((key) => [key, key]));
    },
  };
}

function valueInput(row, number, edited) {
  const label = `Value of condition ${number}`;
  if (row.operator === "$exists") {
    const choice = element("select", { "aria-label": label, onchange: () => edited((row.text = choice.value)) });
    replaceOptions(choice, [["true", "yes"], ["false", "no"]], row.text === "false" ? "false" : "true");
    return choice;
  }
  const several = row.operator === "$in" || row.operator === "$nin";
  const input = element("input", {
    value: row.text, "aria-label": label, autocomplete: "off", placeholder: several ? "one, another" : "value",
    oninput: () => edited((row.text = input.value)),
  });
  return input;
}
