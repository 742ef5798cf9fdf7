// Numbers, dates and values as people read them.

const counts = new Intl.NumberFormat("en");

export function count(number, one, many = `${one}s`) {
  return `${counts.format(number)} ${number === 1 ? one : many}`;
}

export function score(number) {
  const digits = Math.abs(number) >= 100 ? 1 : Math.abs(number) >= 10 ? 2 : Math.abs(number) >= 0.1 ? 3 : 4;
  return number.toFixed(digits);
}

export function milliseconds(number) {
  return number >= 1000 ? `${(number / 1000).toFixed(2)} s` : `${number.toFixed(number < 10 ? 1 : 0)} ms`;
}

export function bytes(number) {
  if (number < 1024) return `${number} B`;
  const power = Math.min(4, Math.floor(Math.log2(number) / 10));
  return `${(number / 1024 ** power).toFixed(1)} ${["KiB", "MiB", "GiB", "TiB"][power - 1]}`;
}

export function moment(text) {
  return text ? new Date(text).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" }) : "–";
}

/** A metadata value: text as it is, anything else as JSON. */
export function plain(value) {
  return typeof value === "string" ? value : JSON.stringify(value);
}

export function legName(leg) {
  return leg.replace("_", " ");
}
