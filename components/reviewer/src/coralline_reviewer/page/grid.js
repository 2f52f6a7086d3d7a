// The crops on the screen: which they are, the one that has the focus, and those that are selected.

import { drawCard, drawDetail, drawGone, newCard } from "./card.js";
import { $, grouping, measureCovered } from "./panels.js";
import { ask, picture } from "./server.js";
import { answers, retry, unkept } from "./writes.js";

export const SHOWN = 60;

/**
 * What the cards are of: the list that this page goes through, which does not change meanwhile; the
 * place in it of the first card; by row, the crops as the server knows them, and as of which
 * revision of what was said. It is replaced as a whole, together with the cards.
 */
export let view = { dataset: null, rows: [], start: 0, crops: new Map(), said: 0 };

/** The card that one is at. */
export let at = 0;

const selected = new Set(); // rows
let turn = Promise.resolve();
let turning = 0;

const cards = () => [...$("grid").children];
const row = (card) => Number(card.dataset.row);

/** The rows on the screen. */
export const shown = () => cards().map(row);

/** Those that the next label is for: the selected ones, or the one with the focus. */
export const meant = () =>
  (selected.size ? shown().filter((one) => selected.has(one)) : shown().slice(at, at + 1)).filter(
    (one) => view.crops.has(one),
  );

export const isSelecting = () => selected.size > 0;

/** Whether other crops are coming: then nothing may be said, as it might be of those. */
export const isTurning = () => turning > 0;

/**
 * Show other crops, in turn and once all is here; where that fails, nothing has changed.
 *
 * `next` is given the view then and has its list and place, or null to stay. Whether the focus goes
 * there is asked when it is shown.
 */
export function show(next, really) {
  turning += 1;
  $("grid").ariaBusy = "true";
  const shows = turn.then(async () => {
    const wanted = await next(view);
    if (!wanted) return;
    const rows = wanted.rows.slice(wanted.start, wanted.start + SHOWN);
    const described = rows.length ? await describe(wanted.dataset, rows) : { said: 0, crops: [] };
    const { dataset, rows: list, start } = wanted;
    view = { dataset, rows: list, start, crops: byRow(described), said: described.said };
    at = 0;
    selected.clear();
    $("grid").replaceChildren(...rows.map(card));
    for (const id of ["grid", "detail"]) $(id).hidden = !rows.length;
    drawAll();
    go(0, really());
    wanted.shown?.();
  });
  const ends = () => {
    turning -= 1;
    $("grid").ariaBusy = String(turning > 0);
  };
  turn = shows.then(ends, ends);
  return shows;
}

/** See what was said meanwhile of the crops on the screen. */
export async function seeAgain() {
  const asked = view;
  if (!asked.rows.length) return;
  const described = await describe(asked.dataset, shown());
  if (view !== asked) return;
  view.said = described.said;
  view.crops = byRow(described);
  drawAll();
}

/** Take in what the server says of some crops of a dataset; those it does not speak of are gone. */
export function hear(dataset, rows, described) {
  if (dataset !== view.dataset) return;
  for (const one of rows) view.crops.delete(one);
  for (const crop of described.crops) view.crops.set(crop.row, crop);
  redraw(rows);
}

/** Some crops as they are now: no answer counts that a write of this page has overtaken. */
async function describe(dataset, rows) {
  for (;;) {
    const before = answers;
    const described = await ask(`api/crops?dataset=${dataset}&rows=${rows.join()}`);
    if (before === answers) return described;
  }
}

const byRow = (described) => new Map(described.crops.map((crop) => [crop.row, crop]));

// How they look.

export function redraw(rows) {
  const among = shown();
  for (const one of rows) if (among.includes(one)) draw(among.indexOf(one));
}

export function drawAll() {
  cards().forEach((_, i) => draw(i));
  const { start, rows } = view;
  const last = Math.min(start + SHOWN, rows.length);
  $("place").textContent = `${Math.min(start + 1, last)} to ${last} of ${grouping(rows.length)}`;
  $("before").disabled = start === 0;
  $("after").disabled = last >= rows.length;
  $("selected").textContent = selected.size ? `${selected.size} selected` : "";
  for (const one of $("labels").querySelectorAll(".says")) one.disabled = !rows.length;
}

function card(of) {
  const item = newCard(picture(view.dataset, of), () => {
    toggle(place());
    go(place());
  });
  item.dataset.row = of;
  const place = () => cards().indexOf(item);
  item.addEventListener("click", (event) => {
    const i = place();
    if (event.shiftKey) {
      shown().slice(Math.min(at, i), Math.max(at, i) + 1).forEach((one) => selected.add(one));
    } else if (event.ctrlKey || event.metaKey) toggle(i);
    else selected.clear();
    go(i);
    drawAll();
  });
  return item;
}

function draw(i) {
  const item = cards()[i];
  if (!item) return;
  const crop = view.crops.get(row(item));
  const name = `crop ${view.start + i + 1}`;
  const wait = unkept(view.dataset, row(item));
  if (crop) drawCard(item, crop, name, wait, () => {
    retry([wait]);
    redraw(wait.rows);
  });
  else drawGone(item, name);
  item.setAttribute("aria-selected", selected.has(row(item)));
  item.classList.toggle("here", i === at);
  if (i === at) drawDetail($("detail"), crop, picture(view.dataset, row(item)));
}

// Where one is, and what is selected.

/** Have a card be the one that one is at; the focus moves there unless not really. */
export function go(i, really = true) {
  const all = cards();
  if (!all.length) return;
  const from = at;
  at = Math.max(0, Math.min(i, all.length - 1));
  if (all[from]) all[from].tabIndex = -1;
  draw(from);
  draw(at); // before it is scrolled to: what is above may grow
  all[at].tabIndex = 0;
  if (!really) return;
  measureCovered();
  all[at].focus({ preventScroll: true });
  all[at].scrollIntoView({ block: "nearest" });
}

export function toggle(i) {
  const one = shown()[i];
  if (one !== undefined && !selected.delete(one)) selected.add(one);
  drawAll();
}

/** Select all of the page; none, where all are. */
export function toggleAll() {
  const all = selected.size === shown().length;
  shown().forEach((one) => (all ? selected.delete(one) : selected.add(one)));
  drawAll();
}

export function selectNone() {
  selected.clear();
  drawAll();
}

export const columns = () => getComputedStyle($("grid")).gridTemplateColumns.split(" ").length;
