// What was said last, by anyone, each with what takes it back.

import { button, bywhom, element, none, thumbnail } from "./card.js";
import { shown, view } from "./grid.js";
import { $, grouping, showSaving } from "./panels.js";
import { ask, picture } from "./server.js";
import { retry, takeBack, taking } from "./writes.js";

let acts = [];

export function openHistory() {
  acts = [];
  draw();
  $("past").showModal();
  return askAgain();
}

/** Ask for it again where it is seen. */
export async function askAgain() {
  if (!$("past").open) return;
  try {
    ({ acts } = await ask("api/history"));
    showTrouble(acts.length ? null : "Nothing was said yet.");
  } catch (error) {
    showTrouble(error.message);
  }
  draw();
}

/** Take back what was said under a key; the rows on the screen of which it was said. */
export function takeBackByKey(key) {
  const rows = shown().filter((row) => view.crops.get(row)?.said.some((one) => one.key === key));
  takeBack(key, view.dataset, rows);
  return rows;
}

function showTrouble(text) {
  $("past-trouble").hidden = !text;
  $("past-trouble").textContent = text ?? "";
}

function draw() {
  const items = [...$("acts").children];
  const focused = items.findIndex((item) => item.contains(document.activeElement));
  $("acts").replaceChildren(...acts.map(entry));
  if (focused < 0) return;
  const next = $("acts").children[Math.min(focused, acts.length - 1)];
  (next ?? $("past")).querySelector("button").focus();
}

function entry(act) {
  const item = element("li");
  const pictures = element("span", undefined, "pictures");
  pictures.append(...act.rows.map((row) => thumbnail(picture(act.dataset, row))));
  const text = element("span", undefined, "text");
  const label = element("span", act.label ?? `${none}: left out`, "label");
  text.append(label, element("span", about(act)));
  const wait = taking(act.key);
  const back = button(wait?.error ? "try again" : wait ? "taking back …" : "take back", () => {
    if (wait) retry([wait]);
    else takeBackByKey(act.key);
    showSaving();
    draw();
  });
  back.ariaDisabled = String(Boolean(wait && !wait.error));
  if (wait?.error) text.append(element("span", `not taken back: ${wait.error}`, "failed"));
  item.append(pictures, text, back);
  return item;
}

function about(act) {
  const many = (number, of) => `${grouping(number)} ${of}${number === 1 ? "" : "s"}`;
  const of = [act.photos && many(act.photos, "photo"), act.crops && many(act.crops, "crop")];
  return `of ${of.filter(Boolean).join(" and ")}${bywhom(act)}`;
}
