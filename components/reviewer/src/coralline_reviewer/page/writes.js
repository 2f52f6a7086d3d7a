// What was said and is not kept yet. Nothing is believed to be kept before the server has said so;
// what could not be kept stays here until it is tried again or given up.

import { ask } from "./server.js";

const waiting = new Map(); // by crop: {dataset, row, label, error}
let last = Promise.resolve(); // one after another, so that what is said later comes later

const key = (dataset, row) => `${dataset}/${row}`;

/** What was said of a crop and is not kept yet: {label, error}; the error is null while it may be. */
export const unkept = (dataset, row) => waiting.get(key(dataset, row));

/** Settles when all that was said so far is kept, or could not be. */
export const settled = () => last;

/** Have crops of a dataset labelled. `heard` is called with the server's answer, or null. */
export function write(dataset, rows, label, heard) {
  const all = rows.map((row) => ({ dataset, row, label, error: null }));
  for (const wait of all) waiting.set(key(dataset, wait.row), wait);
  last = last.then(async () => {
    let described = null;
    try {
      described = await ask("api/say", { dataset, rows, label });
      for (const wait of all) {
        if (unkept(dataset, wait.row) === wait) waiting.delete(key(dataset, wait.row));
      }
    } catch (error) {
      for (const wait of all) wait.error = error.message;
    }
    heard(dataset, rows, described);
  });
}

/** What could not be kept. */
export const failed = () => [...waiting.values()].filter((wait) => wait.error);

/** Those of some crops of which nothing could be kept, and now need not be. */
export function giveUp(dataset, rows) {
  const given = rows.filter((row) => unkept(dataset, row)?.error);
  for (const row of given) waiting.delete(key(dataset, row));
  return given;
}

/** How many are not kept yet, in words; empty where all is kept. */
export function status() {
  const lost = failed().length;
  const texts = [];
  if (waiting.size > lost) texts.push(`keeping ${waiting.size - lost} …`);
  if (lost) texts.push(`${lost} could not be kept: r tries again`);
  return texts.join("; ");
}
