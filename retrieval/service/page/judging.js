// Judging while searching: each hit has the grades of its document, for the query as it stands.

import { announce, element } from "./elements.js";
import { createSetChoice, storeGrade, storedGrades } from "./golden_sets.js";
import { createGrades, gradeOfKey } from "./grades.js";
import { adjust, read } from "./state.js";

/** `results` is what holds the hits. */
export function createJudging({ results, context }) {
  const keys = element("p", { class: "hint", text: "On a hit: 0 to 3 grade its document, the same again takes it back, ↓ and ↑ go on." });
  const choice = createSetChoice({ label: "Judge into", none: "– nothing –", onChosen: chosen, context });
  const made = element("div", { class: "judging" }, choice.element, keys);
  let sheet = null;

  function chosen(judge) {
    adjust({ judge });
    show(read());
    attach(read());
  }

  function show({ collection, judge }) {
    made.hidden = !collection;
    keys.hidden = !judge;
    choice.show(judge);
  }

  /** Gives the hits that are there their grades. */
  async function attach({ collection, query, judge }) {
    for (const grades of results.querySelectorAll(".grades")) grades.remove();
    const mine = (sheet = judge && query ? createSheet({ collection, set: judge, query }, results.querySelectorAll(".hit"), context) : null);
    if (!mine) return;
    try {
      await mine.load();
    } catch (error) {
      if (mine === sheet) context.failed(error);
    }
  }

  results.addEventListener("keydown", (event) => {
    const hit = event.target.closest(".hit");
    if (!sheet || !hit) return;
    const grade = gradeOfKey(event);
    const next = { ArrowDown: hit.nextElementSibling, ArrowUp: hit.previousElementSibling }[event.key];
    if (grade !== null) sheet.press(hit, grade);
    else if (next) sheet.focus(next);
    else return;
    event.preventDefault();
  });

  return { element: made, show, attach };
}

/** The grades of one query's hits; several hits may be of one document. */
function createSheet(place, hits, context) {
  const byHit = new Map();
  const byDocument = new Map();
  let stored = new Map();
  let storing = Promise.resolve();
  for (const hit of hits) {
    const { document: key } = hit.dataset;
    const label = `Grade of ${hit.querySelector(".hit-title").textContent}`;
    const grades = createGrades({ label, onGrade: (grade) => change(key, grade) });
    grades.allow(false);
    hit.append(grades.element);
    byHit.set(hit, grades);
    byDocument.set(key, [...(byDocument.get(key) ?? []), grades]);
  }

  function draw(key, grade) {
    for (const grades of byDocument.get(key) ?? []) grades.show(grade);
  }

  // one after the other, so that the last press is what is stored
  let wanted = new Map();
  function change(key, grade) {
    wanted.set(key, grade);
    draw(key, grade);
    storing = storing.then(async () => {
      try {
        await storeGrade(place, key, grade);
        stored.set(key, grade);
        announce(grade === null ? "Grade taken back" : `Graded ${grade}`);
        context.shown();
      } catch (error) {
        if (wanted.get(key) === grade) draw(key, stored.get(key) ?? null);
        context.failed(error);
      }
    });
  }

  return {
    async load() {
      stored = await storedGrades(place);
      for (const key of byDocument.keys()) draw(key, stored.get(key) ?? null);
      for (const grades of byHit.values()) grades.allow(true);
    },
    press: (hit, grade) => byHit.get(hit)?.press(grade),
    focus: (hit) => byHit.get(hit)?.focus(),
  };
}
