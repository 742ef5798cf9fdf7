// A filter as rows of a form, and as the JSON that the service takes; in both directions.

export const OPERATORS = {
  $eq: "is", $ne: "is not", $gt: ">", $gte: "≥", $lt: "<", $lte: "≤",
  $in: "is one of", $nin: "is none of", $contains: "contains", $prefix: "begins with", $exists: "exists",
};
const LISTS = ["$in", "$nin"];

/** The rows {key, operator, text} joined by $and or $or; null where no row names a key. */
export function filterOf({ joiner, rows }) {
  const conditions = rows
    .filter((row) => row.key.trim() !== "")
    .map(({ key, operator, text }) => ({ [key.trim()]: { [operator]: valueOf(operator, text) } }));
  if (conditions.length === 0) return null;
  return conditions.length === 1 ? conditions[0] : { [joiner]: conditions };
}

/** The rows of a filter; null where it says more than rows can, which is then edited as JSON. */
export function rowsOf(filter) {
  if (filter === null) return { joiner: "$and", rows: [] };
  const names = Object.keys(filter);
  const joined = names.length === 1 && (names[0] === "$or" || names[0] === "$and") ? names[0] : null;
  if (joined === null) return withRows("$and", rowsOfCondition(filter));
  if (!Array.isArray(filter[joined])) return null;
  const parts = filter[joined].map(rowsOfCondition);
  // several conditions in one part of an $or belong together, which rows cannot say
  if (parts.some((part) => part === null || (joined === "$or" && part.length !== 1))) return null;
  return withRows(joined, parts.flat());
}

function withRows(joiner, rows) {
  return rows === null ? null : { joiner, rows };
}

function rowsOfCondition(condition) {
  if (!isObject(condition)) return null;
  const rows = [];
  for (const [key, wanted] of Object.entries(condition)) {
    if (key.startsWith("$")) return null;
    const conditions = isObject(wanted) ? Object.entries(wanted) : [["$eq", wanted]];
    for (const [operator, value] of conditions) {
      if (!(operator in OPERATORS) || isObject(value)) return null;
      if (LISTS.includes(operator) !== Array.isArray(value)) return null;
      rows.push({ key, operator, text: textOf(operator, value) });
    }
  }
  return rows;
}

/** 2026 and true are what they look like; "2026" in quotes is text; anything else is text as it stands. */
export function valueOf(operator, text) {
  if (operator === "$exists") return text !== "false";
  if (LISTS.includes(operator)) return text.split(",").map((part) => scalar(part.trim())).filter((part) => part !== "");
  return operator === "$prefix" ? text : scalar(text);
}

function textOf(operator, value) {
  if (Array.isArray(value)) return value.map(writtenScalar).join(", ");
  return operator === "$prefix" ? String(value) : writtenScalar(value);
}

function scalar(text) {
  try {
    const value = JSON.parse(text);
    return value !== null && typeof value === "object" ? text : value;
  } catch {
    return text;
  }
}

function writtenScalar(value) {
  return typeof value === "string" && scalar(value) === value ? value : JSON.stringify(value);
}

function isObject(value) {
  return value !== null && typeof value === "object" && !Array.isArray(value);
}
