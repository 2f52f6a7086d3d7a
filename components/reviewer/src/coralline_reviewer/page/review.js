// The page: a grid of crops to go through, and what is said of them.

import { drawCard, drawDetail, element, newCard, none, now } from "./card.js";
import { $, grouping, showEmpty, showNews, showScoring, showTrouble } from "./panels.js";
import { ask, picture } from "./server.js";
import { failed, giveUp, settled, status, unkept, write } from "./writes.js";

const SHOWN = 60;
const filters = ["label", "split", "seen", "order"];

let state = null; // what the server said last
let list = { dataset: null, rows: [] }; // what this page goes through; it does not change meanwhile
let start = 0; // the place in it of the first crop that is shown
let at = 0; // the crop that has the focus, counted from there
let touched = false; // whether somebody has begun to work: then nothing moves by itself
let orderedBy = null; // the champion that has looked at all crops, when the list was made
let seenSaid = 0;
const crops = new Map(); // by row, as the server knows them
const selected = new Set();
let acted = null; // the rows of which something was said last, until somebody goes elsewhere

const shown = () => list.rows.slice(start, start + SHOWN);
const cards = () => [...$("grid").children];
const before = (crop) => (crop.said.length > 1 ? crop.said.at(-2).label : crop.label);

// What there is.

async function poll() {
  let trouble = null;
  try {
    const first = state === null;
    state = await ask("api/state");
    if (first) begin();
    trouble = state.dataset && state.error;
    showScoring(state.scoring);
    if (state.dataset && list.dataset === null) await reload();
    else if (state.dataset) await follow();
    else showEmpty(state, list.rows.length);
  } catch (error) {
    trouble = `${error.message}; trying again`;
  }
  showTrouble(trouble);
  const moving = state?.scoring && !state.scoring.error && !looked();
  setTimeout(poll, state?.dataset && !moving ? 5000 : 1000);
}

async function follow() {
  if (state.dataset !== list.dataset) {
    showNews("There are newer crops.");
  } else if (looked() && looked() !== orderedBy) {
    orderedBy = looked();
    if ($("order").value === "doubt" && touched) showNews("The champion has looked at all crops.");
    else if ($("order").value === "doubt") await reload();
  }
  if (state.said !== seenSaid) await describe(); // somebody else has said something
}

/** The champion that has looked at all crops. */
function looked() {
  const of = state.scoring;
  return of && of.done === of.total ? of.version : null;
}

function begin() {
  document.title = `${state.name} · review`;
  $("name").textContent = state.name;
  $("who").textContent = state.who ? `you are ${state.who}` : "";
  const from = new URLSearchParams(location.hash.slice(1));
  for (const label of state.labels) $("label").append(new Option(label));
  $("label").append(new Option(none, "-"));
  for (const name of filters) {
    const wanted = from.get(name);
    if ([...$(name).options].some((one) => one.value === wanted)) $(name).value = wanted;
  }
  const offer = (key, text, act) => {
    const button = element("button");
    button.type = "button";
    if (key) button.append(element("kbd", key), " ");
    button.append(text);
    button.addEventListener("click", act);
    $("labels").append(button);
  };
  state.labels.forEach((label, i) => offer(i < 9 ? `${i + 1}` : "", label, () => say(label)));
  offer("0", none, () => say(null));
  offer("Enter", "as labelled", confirmed);
  offer("u", "take back", takeBack);
}

// The crops.

async function reload() {
  const wanted = new URLSearchParams(filters.map((name) => [name, $(name).value]));
  history.replaceState(null, "", `#${wanted}`);
  list = await ask(`api/list?${wanted}`);
  showNews(null);
  crops.clear();
  orderedBy = looked();
  await turn(0);
}

async function turn(to) {
  if (to < 0 || (to > 0 && to >= list.rows.length)) return;
  start = to;
  at = 0;
  acted = null;
  selected.clear();
  await describe();
  $("grid").replaceChildren(...shown().map(card));
  shown().forEach((_, i) => draw(i));
  showEmpty(state, list.rows.length);
  const last = Math.min(start + SHOWN, list.rows.length);
  $("place").textContent = `${Math.min(start + 1, last)} to ${last} of ${grouping(list.rows.length)}`;
  $("before").disabled = start === 0;
  $("after").disabled = last >= list.rows.length;
  if (list.rows.length) focus(0, touched);
}

async function describe() {
  const rows = shown();
  if (!rows.length) return;
  hear(await ask(`api/crops?dataset=${list.dataset}&rows=${rows.join()}`));
}

function hear(described) {
  seenSaid = Math.max(seenSaid, described.said);
  for (const crop of described.crops) {
    crops.set(crop.row, crop);
    const place = shown().indexOf(crop.row);
    if (place >= 0 && cards()[place]?.dataset.row === `${crop.row}`) draw(place);
  }
}

function card(row, i) {
  const item = newCard(picture(list.dataset, row));
  item.dataset.row = row;
  item.addEventListener("click", (event) => {
    touched = true;
    if (event.shiftKey) {
      const [from, to] = [Math.min(at, i), Math.max(at, i)];
      shown().slice(from, to + 1).forEach((one) => selected.add(one));
    } else if (event.ctrlKey || event.metaKey) toggle(row);
    go(i);
    cards().forEach((_, place) => draw(place));
  });
  return item;
}

function draw(i) {
  const row = shown()[i];
  const crop = crops.get(row);
  const item = cards()[i];
  if (!item || !crop) return;
  const wait = unkept(list.dataset, row);
  drawCard(item, crop, `crop ${start + i + 1}`, wait, () => send([row], wait.label));
  item.setAttribute("aria-selected", selected.has(row));
  item.classList.toggle("here", i === at);
  if (i === at) drawDetail($("detail"), crop, picture(list.dataset, row));
}

function focus(i, really = true) {
  const all = cards();
  const to = Math.max(0, Math.min(i, all.length - 1));
  const from = at;
  at = to;
  if (all[from]) all[from].tabIndex = -1;
  draw(from);
  all[at].tabIndex = 0;
  if (really) all[at].focus();
  draw(at);
}

function go(i) {
  acted = null;
  focus(i);
}

function toggle(row) {
  if (!selected.delete(row)) selected.add(row);
}

// What is said.

function meant() {
  return selected.size ? shown().filter((row) => selected.has(row)) : [shown()[at]];
}

function say(label) {
  sayOf(new Map([[label, meant()]]));
}

function confirmed() {
  sayOf(grouped(meant(), now));
}

function takeBack() {
  const rows = acted ?? meant();
  settled().then(() => {
    const given = giveUp(list.dataset, rows); // nothing was said
    redraw(given);
    const spoken = rows.filter((row) => !given.includes(row) && crops.get(row)?.said.length);
    sayOf(grouped(spoken, before), Math.max(0, shown().indexOf(rows[0])));
  });
}

function grouped(rows, by) {
  const groups = new Map();
  for (const row of rows) {
    const label = by(crops.get(row));
    groups.set(label, [...(groups.get(label) ?? []), row]);
  }
  return groups;
}

function sayOf(groups, next = selected.size ? at : at + 1) {
  touched = true;
  selected.clear();
  acted = [...groups.values()].flat();
  for (const [label, rows] of groups) send(rows, label);
  cards().forEach((_, i) => draw(i));
  focus(next);
}

function send(rows, label, dataset = list.dataset) {
  write(dataset, rows, label, answered);
  redraw(rows);
}

function answered(dataset, rows, described) {
  if (described && dataset === list.dataset) hear(described);
  redraw(rows);
}

function redraw(rows) {
  for (const row of rows) if (shown().includes(row)) draw(shown().indexOf(row));
  $("saving").textContent = status();
}

function retry() {
  for (const { dataset, row, label } of failed()) send([row], label, dataset);
}

// Keys.

const columns = () => getComputedStyle($("grid")).gridTemplateColumns.split(" ").length;

const keys = {
  ArrowLeft: () => go(at - 1),
  ArrowRight: () => go(at + 1),
  ArrowUp: () => at >= columns() && go(at - columns()),
  ArrowDown: () => go(at + columns()),
  Home: () => go(0),
  End: () => go(SHOWN),
  PageUp: () => turn(start - SHOWN),
  PageDown: () => turn(start + SHOWN),
  Enter: confirmed,
  0: () => say(null),
  u: takeBack,
  r: retry,
  " ": () => {
    acted = null;
    toggle(shown()[at]);
    draw(at);
  },
  a: () => {
    acted = null;
    const all = selected.size === shown().length;
    shown().forEach((row) => (all ? selected.delete(row) : selected.add(row)));
    cards().forEach((_, i) => draw(i));
  },
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey || $("keys").open) return;
  if (event.key === "?") return $("keys").showModal();
  const { localName } = event.target;
  if (localName === "select" || !list.rows.length) return;
  if (["button", "a"].includes(localName) && ["Enter", " "].includes(event.key)) return;
  const label = /^[1-9]$/.test(event.key) && state.labels[event.key - 1];
  const act = label ? () => say(label) : keys[event.key];
  if (!act) return;
  event.preventDefault();
  touched = true;
  Promise.resolve(act()).catch((error) => showTrouble(error.message));
});

$("filters").addEventListener("change", () => reload().catch((error) => showTrouble(error.message)));
$("news").lastElementChild.addEventListener("click", () => reload().catch((error) => showTrouble(error.message)));
$("before").addEventListener("click", () => turn(start - SHOWN).catch((error) => showTrouble(error.message)));
$("after").addEventListener("click", () => turn(start + SHOWN).catch((error) => showTrouble(error.message)));
$("help").addEventListener("click", () => $("keys").showModal());
addEventListener("beforeunload", (event) => status() && event.preventDefault());

poll();
