// The marks of the map. What is lit differs by shape and size, not by colour alone.

export function drawDot(drawing, [x, y], size, color) {
  drawing.fillStyle = color;
  drawing.beginPath();
  drawing.arc(x, y, size, 0, 2 * Math.PI);
  drawing.fill();
}

/** A hit: a larger dot with a ring around it. */
export function drawRing(drawing, [x, y], size, color, { text, surface }) {
  drawDot(drawing, [x, y], size + 2.5, surface);
  drawDot(drawing, [x, y], size, color);
  drawing.lineWidth = 2;
  drawing.strokeStyle = text;
  drawing.beginPath();
  drawing.arc(x, y, size + 1.5, 0, 2 * Math.PI);
  drawing.stroke();
}

/** The query: a star. */
export function drawQuery(drawing, [x, y], { text, surface }) {
  drawing.beginPath();
  for (let corner = 0; corner < 10; corner += 1) {
    const radius = corner % 2 ? 5 : 12;
    const angle = (Math.PI * corner) / 5 - Math.PI / 2;
    drawing.lineTo(x + radius * Math.cos(angle), y + radius * Math.sin(angle));
  }
  drawing.closePath();
  drawing.lineWidth = 4;
  drawing.strokeStyle = surface;
  drawing.stroke();
  drawing.fillStyle = text;
  drawing.fill();
}
