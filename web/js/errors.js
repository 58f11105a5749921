// Errors with the library's words.

/** What is wrong, as the library says it; `name` says which kind of error it is. */
export const fault = (name, message) => Object.assign(new Error(message), { name });
export const refused = (op, expected, found) => fault('ArgumentError', `${op}: expected ${expected}, found ${found}`);

/** What a value is, in a few words. */
export function shown(value) {
  if (value === null || value === undefined) return String(value);
  if (typeof value === 'string') return `'${value}'`;
  if (typeof value === 'object') return value.constructor?.name ?? 'an object';
  return typeof value === 'function' ? 'a function' : String(value);
}
