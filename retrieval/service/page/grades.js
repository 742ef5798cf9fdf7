// The grades of a document: one button each; pressed again, a grade is taken back.

import { element } from "./elements.js";

const MEANINGS = ["not relevant", "related", "relevant", "answers it"];

/** The grade that a key stands for, or null; with a modifier it is the browser's. */
export function gradeOfKey({ key, ctrlKey, metaKey, altKey }) {
  return !ctrlKey && !metaKey && !altKey && /^[0-3]$/.test(key) ? Number(key) : null;
}

/** `onGrade` is called with a grade, or with null where it is taken back; one Tab leads to all of them. */
export function createGrades({ label, onGrade }) {
  let stored = null;
  const buttons = MEANINGS.map((meaning, grade) =>
    element(
      "button", { type: "button", class: "grade", "aria-pressed": "false", title: meaning, onclick: () => press(grade) },
      element("span", { class: "grade-number", text: grade }), element("span", { class: "grade-meaning", text: meaning }),
    ),
  );
  const other = element("span", { class: "hint" });
  const made = element("div", { class: "grades", role: "group", "aria-label": label }, buttons, other);
  made.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const place = buttons.indexOf(event.target.closest("button"));
    buttons[(place + step + buttons.length) % buttons.length].focus();
  });
  made.addEventListener("focusin", ({ target }) => reachable(target.closest("button")));

  function press(grade) {
    if (buttons[grade].disabled) return;
    onGrade(grade === stored ? null : grade);
  }

  function reachable(button) {
    for (const each of buttons) each.tabIndex = each === button ? 0 : -1;
  }

  function show(grade) {
    stored = grade;
    buttons.forEach((button, value) => button.setAttribute("aria-pressed", String(value === grade)));
    other.textContent = grade !== null && !buttons[grade] ? `graded ${grade}` : "";
    if (!made.contains(document.activeElement)) reachable(buttons[grade] ?? buttons[0]);
  }

  show(null);
  return {
    element: made,
    press,
    show,
    focus: () => (buttons[stored] ?? buttons[0]).focus(),
    allow(isAllowed) {
      for (const button of buttons) button.disabled = !isAllowed;
    },
  };
}
