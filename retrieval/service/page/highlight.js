// The service's highlight is text with escaped characters and <mark> around words; this makes nodes of it, without HTML.

const ESCAPED = { "&amp;": "&", "&lt;": "<", "&gt;": ">", "&quot;": '"', "&#39;": "'" };

export function highlighted(text) {
  const nodes = [];
  let marked = false;
  for (const part of text.split(/(<\/?mark>)/)) {
    if (part === "<mark>") marked = true;
    else if (part === "</mark>") marked = false;
    else if (part) nodes.push(marked ? mark(unescaped(part)) : document.createTextNode(unescaped(part)));
  }
  return nodes;
}

function mark(text) {
  const made = document.createElement("mark");
  made.textContent = text;
  return made;
}

function unescaped(text) {
  return text.replace(/&(?:amp|lt|gt|quot|#39);/g, (entity) => ESCAPED[entity]);
}
