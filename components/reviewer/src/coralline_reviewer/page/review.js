// The page: a grid of crops to go through, and what is said of them.

import { element, none, now } from "./card.js";
import * as grid from "./grid.js";
import { askAgain, openHistory, takeBackByKey } from "./history.js";
import { $, measureCovered, showEmpty, showNews, showNote, showSaving } from "./panels.js";
import { showScoring, showTrouble } from "./panels.js";
import { ask } from "./server.js";
import { isTakenBack, retry, say, status, takeLastBack, whenAnswered } from "./writes.js";

const filters = ["label", "split", "seen", "order"];

let state = null; // what the server said last
let labels = []; // in the order of the keys, which do not change under anyone's fingers
let touched = false; // whether somebody has begun to work: then nothing moves by itself
let orderedBy = null; // the champion that had looked at all crops, when the list was made

// What there is.

async function poll() {
  let trouble = null;
  try {
    const first = state === null;
    state = await ask("api/state");
    if (first) begin();
    trouble = state.dataset && state.error;
    showScoring(state.scoring);
    if (state.dataset && grid.view.dataset === null) await reload();
    else if (state.dataset) await follow();
    else showEmpty(state, grid.view.rows.length);
  } catch (error) {
    trouble = `${error.message}; trying again`;
  } finally {
    showTrouble("server", trouble);
    const moving = state?.scoring && !state.scoring.error && !looked();
    setTimeout(poll, state?.dataset && !moving ? 5000 : 1000);
  }
}

async function follow() {
  if (state.dataset !== grid.view.dataset) {
    showNews("There are newer crops.");
  } else if (looked() && looked() !== orderedBy) {
    orderedBy = looked();
    if ($("order").value === "doubt" && touched) showNews("The champion has looked at all crops.");
    else if ($("order").value === "doubt") await reload();
  }
  if (state.said === grid.view.said) return;
  await grid.seeAgain().catch((error) => { // somebody else has said something
    if (error.status !== 409) throw error; // older crops than the server knows: that is news
  });
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
  labels = state.labels;
  for (const label of labels) $("label").append(new Option(label));
  $("label").append(new Option(none));
  choose(new URLSearchParams(location.hash.slice(1)));
  const offer = (key, text, act, kind) => {
    const button = element("button", undefined, kind);
    button.type = "button";
    if (key) button.append(element("kbd", key), " ");
    button.append(text);
    button.addEventListener("click", () => attempt(act));
    $("labels").append(button);
  };
  labels.forEach((label, i) => {
    offer(i < 9 ? `${i + 1}` : "", label, () => sayLabel(label), "says");
  });
  offer("0", none, () => sayLabel(null), "says");
  offer("Enter", "as labelled", confirm, "says");
  offer("u", "take back", takeBack);
  offer("a", "select all", grid.toggleAll, "says");
}

// Which crops.

const outChosen = () => $("label").selectedIndex === labels.length + 1;

/** What is asked for, by the filters. */
function wanted() {
  const query = new URLSearchParams(filters.map((name) => [name, $(name).value]));
  if (outChosen()) query.set("out", "yes"), query.delete("label"); // a label may have that name
  return query;
}

/** Set the filters to what is in an address; what it does not name stays. */
function choose(query) {
  for (const name of filters) {
    const options = [...$(name).options].slice(0, name === "label" ? labels.length + 1 : undefined);
    const option = options.find((one) => one.value === query.get(name));
    if (option) option.selected = true;
  }
  if (query.get("out") === "yes") $("label").selectedIndex = labels.length + 1;
}

/** Load the list anew; where that fails, the filters are again as what is seen. */
async function reload() {
  const query = wanted();
  const load = async () => {
    const by = looked();
    return {
      ...(await ask(`api/list?${query}`)),
      start: 0,
      shown: () => {
        history.replaceState(null, "", `#${query}`);
        orderedBy = by;
        showNews(null);
        showEmpty(state, grid.view.rows.length);
      },
    };
  };
  try {
    await grid.show(load, () => touched);
  } catch (error) {
    choose(new URLSearchParams(location.hash.slice(1)));
    throw error;
  }
}

/** Go a page on or back. */
function turn(by) {
  return grid.show((view) => {
    const start = view.start + by * grid.SHOWN;
    return start < 0 || start >= view.rows.length ? null : { ...view, start };
  }, () => touched);
}

// What is said.

function sayLabel(label) {
  sayOf((rows) => new Map([[label, rows]]));
}

function confirm() {
  sayOf((rows) => Map.groupBy(rows, (row) => now(grid.view.crops.get(row))));
}

function sayOf(grouped) {
  if (grid.isTurning()) return showNote("Other crops are on their way: nothing was said.");
  const rows = grid.meant();
  if (!rows.length) return showNote("It is gone: nothing was said.");
  const next = grid.isSelecting() ? grid.at : grid.at + 1;
  say(grid.view.dataset, grouped(rows));
  grid.selectNone();
  grid.go(next);
}

function takeBack() {
  if (grid.isTurning()) return showNote("Other crops are on their way: nothing was taken back.");
  const back = takeLastBack();
  if (!back.length) return takeBackHere();
  const rows = back.filter((one) => one.dataset === grid.view.dataset).flatMap((one) => one.rows);
  const first = grid.shown().findIndex((row) => rows.includes(row));
  grid.redraw(rows);
  if (first >= 0) grid.go(first);
  else showNote("What was said before that is not on the screen: it is taken back all the same.");
}

/** Take back what was said last of the crop that one is at, whoever said it. */
function takeBackHere() {
  const crop = grid.view.crops.get(grid.shown()[grid.at]);
  const last = crop?.said.findLast((one) => !isTakenBack(one.key));
  if (!last) return showNote("Nothing to take back here; h shows all that was said.");
  const rows = takeBackByKey(last.key);
  grid.redraw(rows);
  const also = rows.length > 1 ? `, here ${rows.length} crops` : "";
  const who = last.who ?? "somebody";
  showNote(`That was said by ${who}, and is taken back for all it was of${also}.`);
}

whenAnswered((write, answer) => {
  if (write.dataset === grid.view.dataset) {
    if (answer?.crops) grid.hear(write.dataset, write.sent, answer);
    grid.redraw(write.rows);
  }
  showSaving();
  if (write.path !== "api/take-back") return;
  askAgain();
  if (answer) grid.seeAgain().catch((error) => showTrouble("act", error.message));
});

// Keys and buttons.

const keys = {
  ArrowLeft: () => grid.go(grid.at - 1),
  ArrowRight: () => grid.go(grid.at + 1),
  ArrowUp: () => grid.at >= grid.columns() && grid.go(grid.at - grid.columns()),
  ArrowDown: () => grid.go(grid.at + grid.columns()),
  Home: () => grid.go(0),
  End: () => grid.go(grid.SHOWN),
  PageUp: () => turn(-1),
  PageDown: () => turn(1),
  Enter: confirm,
  0: () => sayLabel(null),
  " ": () => grid.toggle(grid.at),
  a: grid.toggleAll,
  Escape: grid.selectNone,
  u: takeBack,
  h: openHistory,
  r: () => {
    retry();
    grid.drawAll();
  },
  "?": () => $("keys").showModal(),
};

/** Do what somebody wants, and say what comes of it. */
async function attempt(act) {
  touched = true;
  showNote("");
  showTrouble("act", null);
  try {
    await act();
  } catch (error) {
    showTrouble("act", error.message);
  } finally {
    showSaving();
  }
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  if (document.querySelector("dialog[open]")) return;
  const { localName } = event.target;
  if (localName === "select") return;
  if (["button", "a"].includes(localName) && ["Enter", " "].includes(event.key)) return;
  const label = /^[1-9]$/.test(event.key) && labels[event.key - 1];
  const act = label ? () => sayLabel(label) : keys[event.key] ?? keys[event.key.toLowerCase()];
  if (!act) return;
  event.preventDefault();
  if (event.repeat && !/^(Arrow|Page)/.test(event.key)) return; // held down, it is one word
  attempt(act);
});

$("filters").addEventListener("change", () => {
  // What is left out has been reviewed.
  if (outChosen() && $("seen").value === "no") $("seen").value = "";
  attempt(reload);
});
const buttons = { before: "PageUp", after: "PageDown", "open-past": "h", "open-keys": "?" };
for (const [id, key] of Object.entries(buttons)) {
  $(id).addEventListener("click", () => attempt(keys[key]));
}
$("news").lastElementChild.addEventListener("click", () => attempt(reload));
addEventListener("beforeunload", (event) => status() && event.preventDefault());

new ResizeObserver(measureCovered).observe(document.querySelector("footer"));
poll();
