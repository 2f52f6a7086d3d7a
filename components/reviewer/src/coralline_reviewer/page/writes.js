// What was said here. Nothing is believed to be kept before the server has said so; what could not
// be kept stays here until it is tried again or taken back.

import { ask } from "./server.js";

const WRITE = 150_000; // ms: the server tries for two minutes

let said = []; // what this page said and has not taken back, in order
let takes = []; // what is being taken back
const unsaid = new Set(); // the keys of what was taken back here
let last = Promise.resolve(); // one after another, so that what is said later comes later
let deeds = 0;
let tell = () => {};

/** How many writes have been answered: what was asked before the last of them may be old. */
export let answers = 0;

/** Have a function told of each write that is answered, and of the answer; null: it failed. */
export const whenAnswered = (told) => (tell = told);

/** Have crops of a dataset labelled, by one deed: the rows of each label. */
export function say(dataset, groups) {
  deeds += 1;
  for (const [label, rows] of groups) {
    const write = { path: "api/say", id: newId(), dataset, rows, label, deed: deeds };
    said.push(write);
    send(write);
  }
}

/** Take back the last deed of this page, by its writes' ids; those writes, none without a deed. */
export function takeLastBack() {
  const deed = said.at(-1)?.deed;
  const back = said.filter((write) => write.deed === deed);
  said = said.filter((write) => write.deed !== deed);
  for (const write of back) {
    // Where its answer is lost or to come yet, the server may have written it all the same.
    write.back = true;
    if (write.key) unsaid.add(write.key);
    take({ id: write.id }, write.dataset, write.rows);
  }
  return back;
}

/** Take back what anyone said, by its key; `rows` are those of a dataset that are seen. */
export function takeBack(key, dataset, rows) {
  said = said.filter((write) => write.key !== key);
  unsaid.add(key);
  return take({ key }, dataset, rows);
}

/** The write that takes something back by its key, while that is not kept. */
export const taking = (key) => takes.find((write) => write.key === key);

/** Whether something has been taken back here, if only just now. */
export const isTakenBack = (key) => unsaid.has(key);

/** What is not kept yet of a crop: its label, or that it is taken back; and the error, if any. */
export function unkept(dataset, row) {
  const about = (write) => write.dataset === dataset && write.rows.includes(row);
  const write = takes.findLast(about) ?? said.findLast(about);
  return write?.done ? undefined : write;
}

/** Send again what could not be kept, as it was sent: the server knows it by its id. */
export function retry(writes = failed()) {
  for (const write of writes) send(write);
}

/** How much is not kept yet, in words; empty where all is kept. */
export function status() {
  const size = (writes) => writes.reduce((sum, write) => sum + left(write).length, 0);
  const lost = failed();
  const lostTakes = lost.filter((write) => takes.includes(write)).length;
  const lostSaid = size(lost.filter((write) => !takes.includes(write)));
  const keeping = size(said.filter((write) => !write.done && !write.error));
  const texts = [];
  if (keeping) texts.push(`keeping ${keeping} …`);
  if (takes.length > lostTakes) texts.push("taking back …");
  if (lostSaid) texts.push(`${lostSaid} could not be kept: r tries again`);
  if (lostTakes) texts.push(`${lostTakes} could not be taken back: r tries again`);
  return texts.join("; ");
}

function take(message, dataset, rows) {
  const write = { path: "api/take-back", ...message, dataset, rows };
  takes.push(write);
  send(write);
  return write;
}

function failed() {
  const lost = said.filter((write) => write.error && left(write).length);
  return [...lost, ...takes.filter((write) => write.error)];
}

/** The rows of which nothing was said later: what is tried again must not count for the others. */
function left(write) {
  const later = said.slice(said.indexOf(write) + 1).filter((one) => one.dataset === write.dataset);
  return write.rows.filter((row) => !later.some((one) => one.rows.includes(row)));
}

function send(write) {
  write.error = null;
  last = last.then(() => post(write)).catch(reportError);
}

async function post(write) {
  const { path, id, key, dataset, rows, label } = write;
  let answer = null;
  try {
    if (path === "api/say") {
      const still = write.tried && !write.back ? left(write) : rows;
      write.tried = true;
      write.sent = still;
      answer = await ask(path, { dataset, rows: still, label, id }, WRITE);
      write.key = answer.crops[0]?.said.findLast((one) => one.label === label)?.key;
      if (write.back && write.key) unsaid.add(write.key);
    } else {
      answer = await ask(path, key ? { key } : { id }, WRITE);
      takes = takes.filter((one) => one !== write);
    }
  } catch (error) {
    if (error.status === 410) answer = { crops: [] }; // all are gone: there is nothing to try again
    else write.error = error.message;
  }
  if (answer) {
    write.done = true;
    answers += 1;
  }
  tell(write, answer);
}

/** 32 hexadecimal digits. `randomUUID` is there on secure addresses only. */
function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
