// What the page says beside the crops: how far the champion is, what is amiss, and that there are
// none.

export const $ = (id) => document.getElementById(id);

/** A large number as people read it. */
export const grouping = (number) => number.toLocaleString("en");

/** Tell what is amiss; null: nothing. */
export function showTrouble(text) {
  $("trouble").hidden = !text;
  $("trouble").textContent = text ?? "";
}

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
  const [title, text] = state.dataset
    ? ["No such crops", "Choose others above."]
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
  for (const id of ["grid", "detail"]) $(id).hidden = count === 0;
  for (const button of $("labels").children) button.disabled = count === 0;
}
