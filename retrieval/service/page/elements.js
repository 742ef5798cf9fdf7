// Builds elements. Text is always text: nothing here or elsewhere in the page reads HTML from a string.

export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name === "text") made.textContent = value;
    else if (name === "class") made.className = value;
    else if (["value", "checked", "disabled", "hidden", "selected", "open"].includes(name)) made[name] = value;
    else made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

export function replaceOptions(select, options, chosen) {
  select.replaceChildren(
    ...options.map(([value, label]) => element("option", { value, text: label, selected: value === chosen })),
  );
}

/** A label above its control. */
export function field(label, control, hint) {
  control.id ||= uniqueId();
  const described = hint && element("small", { id: `${control.id}-hint`, class: "hint", text: hint });
  if (described) control.setAttribute("aria-describedby", described.id);
  return element("div", { class: "field" }, element("label", { for: control.id, text: label }), control, described);
}

let lastId = 0;
export function uniqueId() {
  lastId += 1;
  return `made-${lastId}`;
}

/** For readers who hear the page: said once what has changed. */
export function announce(text) {
  document.getElementById("announcer").textContent = text;
}

export function empty(title, ...more) {
  return element("div", { class: "empty" }, element("p", { class: "empty-title", text: title }), ...more);
}

export function loading(label = "Loading…") {
  return element("p", { class: "loading", text: label });
}

/** Calls after the last of several changes in a row. */
export function delayed(call, milliseconds) {
  let timer;
  return (...values) => {
    clearTimeout(timer);
    timer = setTimeout(() => call(...values), milliseconds);
  };
}
