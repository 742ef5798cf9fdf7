// Judging blind: what several settings find, one document after the other, without who found it and where.

import { collectionPath, documentPath, get, post } from "./api.js";
import { announce, element, empty, loading } from "./elements.js";
import { count } from "./format.js";
import { setPath, storeGrade } from "./golden_sets.js";
import { createGrades, gradeOfKey } from "./grades.js";
import { createPoolForm } from "./pool.js";
import { adjust, navigate, read } from "./state.js";

export function createJudge(context) {
  const form = createPoolForm({ onSet: (judge) => { adjust({ judge }); view.show(read()); }, onStart: started, context });
  const desk = element("section", { "aria-label": "What is to be judged" });
  const panel = element("details", { class: "panel", open: true }, element("summary", { text: "What is pooled" }), form.element);
  const columns = element("div", { class: "columns" }, element("aside", { class: "side", "aria-label": "Pool" }, panel), desk);
  const nothing = element("div", { class: "notice" });
  const made = element("div", { class: "view judge-view" }, nothing, columns);
  let session = null;

  async function started(chosen) {
    navigate(chosen);
    const { collection } = read();
    const mine = (session = createSession({ collection, set: chosen.judge, ...chosen.pool }, context));
    desk.replaceChildren(mine.element);
    panel.open = matchMedia("(min-width: 60rem)").matches;
    if (!panel.open) desk.scrollIntoView();
    try {
      await mine.start(chosen.query);
      context.shown();
    } catch (error) {
      if (mine !== session) return;
      panel.open = true;
      desk.replaceChildren(empty("Nothing can be judged", element("p", { text: error.message })));
      context.failed(error);
    }
  }

  const onKey = (event) => {
    if (event.target.closest("input, select, textarea, dialog")) return;
    if (session?.key(event)) event.preventDefault();
  };

  function invite() {
    session = null;
    desk.replaceChildren(empty(
      "Judge without knowing who found it",
      element("p", { text: "What the settings find is put together and shuffled. You see one document after the other, without its rank, its score or the setting that found it, and grade how well it answers the query. What is judged already is left out." }),
    ));
  }

  const view = {
    name: "judge",
    label: "Judge",
    element: made,
    show(state) {
      columns.hidden = !state.collection;
      nothing.replaceChildren(...(state.collection ? [] : [context.noCollection()]));
      form.show(state);
      if (!session?.isOf(state)) invite();
      document.addEventListener("keydown", onKey);
    },
    hide() {
      document.removeEventListener("keydown", onKey);
    },
    forget: invite,
  };
  return view;
}

/** One run through queries; what was done last can be taken back, be it in the query before. */
function createSession({ collection, set, settings, depth }, context) {
  const desk = element("div", { class: "desk" }, loading("Searching with every setting…"));
  const title = element("h3");
  const name = element("p", { class: "hint" });
  const text = element("p", { class: "chunk-text" });
  const whole = element("details", { class: "whole-document", ontoggle: () => whole.open && readWhole() });
  const grades = createGrades({ label: "Grade", onGrade: (grade) => act({ grade }) });
  const skip = element("button", { type: "button", onclick: () => act({ grade: null }) }, "Skip ", key("s"));
  const undo = element("button", { type: "button", onclick: takeBack }, "Undo ", key("u"));
  const paper = element("article", { class: "paper", tabindex: -1 }, title, name, text, whole);
  const place = element("p", { class: "hint" });
  const asked = element("h2", { class: "asked" });
  const bar = element("progress", { "aria-label": "Judged of this query" });
  const progress = element("span", { class: "number" });
  const head = element("div", { class: "desk-head" }, place, asked, element("p", { class: "desk-progress" }, bar, progress));
  const tools = element("div", { class: "desk-tools" }, grades.element, skip, undo);
  const done = [];
  let queries = [];
  let at = 0;
  let busy = false;

  async function start(query) {
    queries = query ? [query] : (await get(setPath(collection, set, "/queries"))).queries.map(({ query_text: each }) => each);
    if (!queries.length) {
      desk.replaceChildren(empty("The set has no query yet", element("p", { text: "Type one, or judge hits while searching: that puts the query into the set." })));
      return;
    }
    queries = queries.map((each) => ({ query: each, waiting: null, judged: 0, total: 0 }));
    await next();
  }

  /** The next document that waits, in this query or one after it. */
  async function next() {
    for (; at < queries.length; at += 1) {
      const current = queries[at];
      if (!current.waiting) await fill(current);
      if (current.waiting.length) return draw(current);
    }
    at = queries.length - 1;
    finish();
  }

  async function fill(current) {
    const found = await post(setPath(collection, set, "/pool"), { query_text: current.query, settings, depth });
    Object.assign(current, { waiting: found.documents, judged: found.judged, total: found.total });
  }

  function draw(current) {
    const [{ document_key, title: called, content }] = current.waiting;
    if (!desk.contains(tools)) desk.replaceChildren(head, paper, tools);
    place.textContent = queries.length > 1 ? `Query ${at + 1} of ${queries.length}` : "";
    asked.textContent = current.query;
    title.textContent = called || document_key;
    name.textContent = called && called !== document_key ? document_key : "";
    text.textContent = content;
    whole.open = false;
    whole.replaceChildren(element("summary", { text: "The whole document" }));
    grades.show(null);
    drawProgress(current);
    undo.disabled = done.length === 0;
    announce(`${progress.textContent}. Next: ${title.textContent}`);
    paper.focus({ preventScroll: true });
    paper.scrollTop = 0;
  }

  function drawProgress({ judged, total }) {
    bar.max = Math.max(total, 1);
    bar.value = total ? judged : 1;
    progress.textContent = `${judged} of ${total} judged`;
  }

  function finish() {
    const judged = done.filter(({ grade }) => grade !== null).length;
    const skipped = done.length - judged;
    const again = done.length ? [undo] : [];
    undo.disabled = false;
    const said = `${count(judged, "document")} judged${skipped ? `, ${skipped} skipped` : ""}.`;
    desk.replaceChildren(empty("Nothing is left to judge", element("p", { text: said }), ...again));
    announce(`Nothing is left to judge. ${said}`);
  }

  /** Grades or, with null, skips what is shown. */
  const act = ({ grade }) => alone(async () => {
    const current = queries[at];
    if (!current.waiting) return next(); // what was to be pooled failed before
    const [document] = current.waiting;
    if (grade !== null) await store(current, document, grade);
    current.waiting.shift();
    done.push({ at, document, grade });
    await next();
  });

  function takeBack() {
    return done.length ? alone(async () => {
      const last = done.at(-1);
      if (last.grade !== null) await store(queries[last.at], last.document, null);
      done.pop();
      at = last.at;
      queries[at].waiting.unshift(last.document);
      draw(queries[at]);
    }) : undefined;
  }

  async function store(current, { document_key }, grade) {
    await storeGrade({ collection, set, query: current.query }, document_key, grade);
    current.judged += grade === null ? -1 : 1;
  }

  async function alone(work) {
    if (busy) return;
    busy = true;
    desk.setAttribute("aria-busy", "true");
    try {
      await work();
      context.shown();
    } catch (error) {
      context.failed(error);
    } finally {
      busy = false;
      desk.removeAttribute("aria-busy");
    }
  }

  async function readWhole() {
    const key = queries[at].waiting[0].document_key;
    if (whole.children.length > 1) return;
    const body = element("pre", { class: "whole", tabindex: 0 });
    whole.append(body);
    try {
      body.textContent = (await get(documentPath(collection, key))).content;
    } catch (error) {
      body.replaceWith(element("p", { class: "field-problem", text: error.message }));
    }
  }

  return {
    element: desk,
    start,
    isOf: (state) => state.collection === collection && state.judge === set,
    /** Whether the key did something. */
    key(event) {
      const grade = gradeOfKey(event);
      const isPlain = !event.ctrlKey && !event.metaKey && !event.altKey;
      if (desk.contains(tools) && grade !== null) grades.press(grade);
      else if (desk.contains(tools) && isPlain && event.key === "s") skip.click();
      else if (isPlain && event.key === "u") takeBack();
      else return false;
      return true;
    },
  };
}

function key(text) {
  return element("kbd", { text });
}
