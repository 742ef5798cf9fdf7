// A scatter plot on a canvas: zoom, move, hover, open; and the same by keyboard.

import { element } from "./elements.js";
import { count } from "./format.js";
import { drawQuery, drawRing, drawDot } from "./marks.js";

const MARGIN = 28;
const REACH = 14;
const MOST_ZOOM = 60;
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export function createPlot({ onOpen, onFocus }) {
  const canvas = element("canvas", { tabindex: 0, role: "application", "aria-roledescription": "scatter plot", "aria-label": "Map of chunks" });
  const tooltip = element("div", { class: "tooltip", hidden: true });
  const said = element("div", { class: "visually-hidden", role: "status", "aria-live": "polite" });
  const tool = (text, label, call) => element("button", { type: "button", text, "aria-label": label, title: label, onclick: call });
  const tools = element("div", { class: "plot-tools" }, tool("+", "Zoom in", () => zoom(1.5)), tool("−", "Zoom out", () => zoom(1 / 1.5)), tool("⤢", "Show all", () => { reset(); draw(); }));
  const made = element("div", { class: "plot" }, canvas, tools, tooltip, said);
  const view = { zoom: 1, x: 0, y: 0 };
  const pointers = new Map();
  let map = { points: [], hits: [], query: null };
  let bounds = { left: 0, bottom: 0, width: 1, height: 1 };
  let hitIds = new Set();
  let paint = () => "#3f7fbf";
  let focused = null;
  let dragged = false;

  // where things are, in CSS pixels

  function place(x, y) {
    const { clientWidth: width, clientHeight: height } = canvas;
    const scale = Math.min((width - 2 * MARGIN) / bounds.width, (height - 2 * MARGIN) / bounds.height);
    const [centerX, centerY] = [bounds.left + bounds.width / 2, bounds.bottom + bounds.height / 2];
    return [width / 2 + ((x - centerX) * scale * view.zoom) + view.x, height / 2 - ((y - centerY) * scale * view.zoom) + view.y];
  }

  const isShown = (point) => hitIds.has(point.chunk_id) || paint(point.value) !== null;

  function nearest(x, y, reach) {
    let best = null;
    let least = reach * reach;
    for (const point of map.points) {
      const [px, py] = place(point.x, point.y);
      // a hit lies on top, so it is met first
      const distance = ((px - x) ** 2 + (py - y) ** 2) * (hitIds.has(point.chunk_id) ? 0.5 : 1);
      if (distance < least && isShown(point)) [best, least] = [point, distance];
    }
    return best;
  }

  // drawing

  let requested = false;
  function draw() {
    if (requested) return;
    requested = true;
    requestAnimationFrame(() => { requested = false; paintAll(); });
  }

  function paintAll() {
    const ratio = devicePixelRatio || 1;
    const { clientWidth: width, clientHeight: height } = canvas;
    if (!width || !height) return;
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
    }
    const drawing = canvas.getContext("2d");
    drawing.setTransform(ratio, 0, 0, ratio, 0, 0);
    drawing.clearRect(0, 0, width, height);
    const style = getComputedStyle(made);
    const ink = { text: style.getPropertyValue("--text"), surface: style.getPropertyValue("--surface"), accent: style.getPropertyValue("--accent") };
    const size = map.points.length > 1000 ? 3 : map.points.length > 200 ? 4 : 5;
    // where hits are lit, the others step back
    drawing.globalAlpha = hitIds.size ? 0.5 : 0.8;
    for (const point of map.points) {
      const color = hitIds.has(point.chunk_id) ? null : paint(point.value);
      if (color) drawDot(drawing, place(point.x, point.y), size, color);
    }
    drawing.globalAlpha = 1;
    const lit = map.points.filter((point) => hitIds.has(point.chunk_id));
    for (const point of lit) drawRing(drawing, place(point.x, point.y), size + 3, paint(point.value) ?? "#8a93a0", ink);
    if (map.query) drawQuery(drawing, place(...map.query), ink);
    if (focused) drawFocus(drawing, place(focused.x, focused.y), ink.accent);
  }

  function drawFocus(drawing, [x, y], color) {
    drawing.beginPath();
    drawing.arc(x, y, 13, 0, 2 * Math.PI);
    drawing.strokeStyle = color;
    drawing.lineWidth = 3;
    drawing.stroke();
  }

  // looking around

  function reset() {
    Object.assign(view, { zoom: 1, x: 0, y: 0 });
  }

  function zoom(factor, [x, y] = [canvas.clientWidth / 2, canvas.clientHeight / 2]) {
    const next = Math.min(Math.max(view.zoom * factor, 0.5), MOST_ZOOM);
    const by = next / view.zoom;
    const [fromX, fromY] = [x - canvas.clientWidth / 2, y - canvas.clientHeight / 2];
    view.x = fromX - (fromX - view.x) * by;
    view.y = fromY - (fromY - view.y) * by;
    view.zoom = next;
    showTooltip();
    draw();
  }

  function focus(point, aloud = false) {
    focused = point;
    showTooltip();
    onFocus(point);
    if (point && aloud) said.textContent = described(point);
    draw();
  }

  function described(point) {
    const rank = map.hits.indexOf(point.chunk_id) + 1;
    const value = point.value === null || !map.color ? "" : `, ${map.color.key} ${point.value}`;
    return `${rank ? `Hit ${rank}: ` : ""}${point.title || point.document_key}, chunk ${point.position + 1}${value}`;
  }

  function showTooltip() {
    tooltip.hidden = focused === null;
    if (!focused) return;
    tooltip.replaceChildren(element("strong", { text: described(focused) }), focused.beginning);
    const [x, y] = place(focused.x, focused.y);
    const left = Math.min(Math.max(8, x + 16), canvas.clientWidth - tooltip.offsetWidth - 8);
    const top = y + 18 + tooltip.offsetHeight > canvas.clientHeight ? y - tooltip.offsetHeight - 18 : y + 18;
    tooltip.style.transform = `translate(${Math.round(Math.max(4, left))}px, ${Math.round(Math.max(4, top))}px)`;
  }

  /** The nearest point in a direction, and rather ahead than aside. */
  function neighbour([dx, dy]) {
    const from = focused ? place(focused.x, focused.y) : [canvas.clientWidth / 2, canvas.clientHeight / 2];
    let best = focused;
    let least = Infinity;
    for (const point of map.points) {
      if (point === focused || !isShown(point)) continue;
      const [x, y] = place(point.x, point.y);
      const ahead = (x - from[0]) * dx + (y - from[1]) * dy;
      const aside = Math.abs((x - from[0]) * dy) + Math.abs((y - from[1]) * dx);
      const cost = ahead + 2 * aside;
      if (ahead > 0.5 && cost < least) [best, least] = [point, cost];
    }
    return best;
  }

  canvas.addEventListener("keydown", (event) => {
    const calls = { "+": () => zoom(1.3), "=": () => zoom(1.3), "-": () => zoom(1 / 1.3), 0: () => { reset(); showTooltip(); draw(); }, Escape: () => focus(null) };
    if (event.key in ARROWS) focus(neighbour(ARROWS[event.key]), true);
    else if (event.key === "Enter" && focused) onOpen(focused);
    else if (event.key in calls) calls[event.key]();
    else return;
    event.preventDefault();
  });
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    zoom(Math.exp(-event.deltaY / 400), [event.offsetX, event.offsetY]);
  }, { passive: false });
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, [event.offsetX, event.offsetY]);
    dragged = pointers.size > 1;
  });
  canvas.addEventListener("pointermove", (event) => {
    const now = [event.offsetX, event.offsetY];
    const before = pointers.get(event.pointerId);
    if (!before) return focus(nearest(...now, REACH));
    if (pointers.size === 2) pinch(event.pointerId, before, now);
    else move(before, now);
    if (dragged) pointers.set(event.pointerId, now);
  });
  for (const ended of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(ended, (event) => {
      const clicked = ended === "pointerup" && pointers.size === 1 && !dragged;
      pointers.delete(event.pointerId);
      canvas.classList.remove("dragging");
      if (!clicked) return;
      const point = nearest(event.offsetX, event.offsetY, event.pointerType === "touch" ? 2 * REACH : REACH);
      // a finger cannot hover: its first touch shows, its second opens
      if (point && (event.pointerType !== "touch" || point === focused)) onOpen(point);
      else focus(point);
    });
  }
  canvas.addEventListener("pointerleave", () => { if (!pointers.size && document.activeElement !== canvas) focus(null); });

  function move(before, now) {
    const [dx, dy] = [now[0] - before[0], now[1] - before[1]];
    if (!dragged && Math.hypot(dx, dy) < 4) return;
    dragged = true;
    canvas.classList.add("dragging");
    view.x += dx;
    view.y += dy;
    showTooltip();
    draw();
  }

  function pinch(id, before, now) {
    const [other] = [...pointers].filter(([each]) => each !== id).map(([, position]) => position);
    const [was, is] = [before, now].map((position) => Math.hypot(position[0] - other[0], position[1] - other[1]));
    if (was > 0) zoom(is / was, [(now[0] + other[0]) / 2, (now[1] + other[1]) / 2]);
  }

  new ResizeObserver(() => { showTooltip(); draw(); }).observe(made);
  document.addEventListener("themechange", draw);

  return {
    element: made,
    focus,
    resize: draw,
    paint(next) {
      paint = next;
      draw();
    },
    show(next) {
      const same = next.space === map.space && next.points.length === map.points.length;
      map = next;
      hitIds = new Set(map.hits);
      bounds = boundsOf(map);
      if (!same) reset();
      focus(null);
      canvas.setAttribute("aria-label", `Map of ${count(map.points.length, "chunk")}, ${count(map.hits.length, "hit")} lit`);
      canvas.dataset.points = map.points.length;
      canvas.dataset.hits = map.hits.length;
    },
    /** Where a point is on the canvas, for who wants to point at it. */
    place: (point) => place(point.x, point.y),
  };
}

function boundsOf({ points, query }) {
  const xs = points.map((point) => point.x).concat(query ? [query[0]] : []);
  const ys = points.map((point) => point.y).concat(query ? [query[1]] : []);
  const [left, right, bottom, top] = [least(xs), -least(xs.map((x) => -x)), least(ys), -least(ys.map((y) => -y))];
  return { left, bottom, width: right - left || 1, height: top - bottom || 1 };
}

function least(numbers) {
  return numbers.reduce((smallest, number) => Math.min(smallest, number), Infinity);
}
