// What the page says beside the crops: how far the champion is, what is amiss, and that there are
// none.

import { status } from "./writes.js";

export const $ = (id) => document.getElementById(id);

/** A large number as people read it. */
export const grouping = (number) => number.toLocaleString("en");

const troubles = { server: null, act: null };

/** Tell what is amiss with the server, or with what somebody wanted; null: nothing any more. */
export function showTrouble(of, text) {
  troubles[of] = text;
  const shown = troubles.server ?? troubles.act;
  $("trouble").hidden = !shown;
  $("trouble").textContent = shown ?? "";
}

/** Say how much is not kept yet. */
export const showSaving = () => ($("saving").textContent = status());

/** Say what a key did, or why it did nothing, until the next. */
export const showNote = (text) => ($("note").textContent = text);

/** Offer to show what has come; null: nothing has. */
export function showNews(text) {
  $("news").hidden = !text;
  $("news").firstElementChild.textContent = text ?? "";
}

/** How far the champion is; nothing once it is done. */
export function showScoring(of) {
  const lasting = of && (of.error || of.done < of.total);
  $("scoring").hidden = !lasting;
  if (!lasting) return;
  $("progress").max = of.total;
  $("progress").value = of.done;
  const done = `${grouping(of.done)} of ${grouping(of.total)}`;
  $("scoring").lastElementChild.textContent = of.error ?? `the champion looks: ${done}`;
}

/** Where there are no crops: why, and what to do. */
export function showEmpty(state, count) {
  const unseen = $("seen").value === "no";
  const [title, text] = state.dataset
    ? [unseen ? "Nothing left to review" : "No such crops", "Choose others above."]
    : state.error
      ? ["The store cannot be read", state.error]
      : state.looking
        ? ["Reading the store …", state.store]
        : ["No crops yet", "A run makes them, and they come up here by themselves:"];
  const [head, line, command] = $("empty").children;
  head.textContent = title;
  line.textContent = text;
  command.textContent = "coralline run PROJECT.yaml";
  command.hidden = Boolean(state.dataset || state.error || state.looking);
  $("empty").hidden = count > 0;
}

const narrow = matchMedia("(max-width: 720px)"); // as in style.css: the crop is above the grid

/** Have style.css know how much of the window is covered, so that nothing one works at is. */
export function measureCovered() {
  const style = document.documentElement.style;
  style.setProperty("--above", `${narrow.matches ? $("detail").offsetHeight : 0}px`);
  style.setProperty("--below", `${document.querySelector("footer").offsetHeight}px`);
}
