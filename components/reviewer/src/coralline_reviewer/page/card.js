// How a crop looks: as a card of the grid, and with all that is known of it.

/** How it is said that a crop shows none of the labels. */
export const none = "none of them";

/** The label that a crop has now; null: none of them. */
export const now = (crop) => (crop.said.length ? crop.said.at(-1).label : crop.label);

const share = (probability) => `${Math.min(99, Math.round(100 * probability))}%`;

export function element(name, text, kind) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (kind) made.className = kind;
  return made;
}

/** A button; what it does is not for what it stands on. */
export function button(text, act, kind) {
  const made = element("button", text, kind);
  made.type = "button";
  made.addEventListener("click", (event) => {
    event.stopPropagation();
    act();
  });
  return made;
}

/** A small picture of a crop. */
export function thumbnail(address) {
  const image = element("img");
  image.alt = "";
  image.loading = "lazy";
  image.decoding = "async";
  image.src = `${address}?small`;
  return image;
}

/** A card without a word; `select` is called when its mark is pressed. */
export function newCard(address, select) {
  const item = element("li");
  item.setAttribute("role", "option");
  item.tabIndex = -1;
  const mark = button("", select, "mark");
  mark.tabIndex = -1;
  item.append(thumbnail(address), mark, element("div", undefined, "text"));
  return item;
}

/** Say on a card what the crop is; `wait` is what is not kept yet. */
export function drawCard(item, crop, name, wait, retry) {
  const label = wait && wait.label !== undefined ? wait.label : now(crop);
  const lines = [element("span", undefined, "label")];
  if (label !== crop.label) lines[0].append(element("s", crop.label), " → ");
  lines[0].append(label ?? none);
  if (crop.thinks && crop.thinks === label) {
    lines.push(element("span", `champion agrees, ${share(crop.probability)}`, "thinks"));
  } else if (crop.thinks) {
    const thinks = `champion: ${crop.thinks}, ${share(crop.probability)}`;
    lines.push(element("span", thinks, "differs"));
  }
  const back = wait && wait.label === undefined;
  if (wait?.error) {
    const again = button("try again", retry);
    again.tabIndex = -1;
    const what = back ? "not taken back" : "not kept";
    lines.push(element("span", `${what}: ${wait.error}`, "failed"), again);
  } else if (wait) {
    lines.push(element("span", back ? "taking back …" : "keeping …", "thinks"));
  } else if (crop.said.length) {
    lines.push(element("span", crop.said.at(-1).who ?? "reviewed", "heard"));
  }
  write(item, name, lines);
  item.classList.toggle("out", label === null);
}

/** Say on a card that the crop is there no more. */
export function drawGone(item, name) {
  item.querySelector("img").removeAttribute("src");
  write(item, name, [element("span", "gone", "thinks")]);
  item.classList.add("gone");
}

function write(item, name, lines) {
  item.querySelector(".text").replaceChildren(...lines);
  item.querySelector(".mark").setAttribute("aria-label", `Select ${name}`);
  item.setAttribute("aria-label", `${name}: ${lines.map((line) => line.textContent).join(", ")}`);
}

/** Say all that is known of a crop; without one, that it is gone. */
export function drawDetail(detail, crop, picture) {
  const part = (name) => detail.querySelector(`#${name}`);
  const label = crop && (now(crop) ?? none);
  part("large").hidden = !crop;
  if (!crop) part("large").removeAttribute("src");
  else if (part("large").getAttribute("src") !== picture) part("large").src = picture;
  part("large").alt = crop ? `The crop, labelled ${label}` : "";
  part("known").hidden = part("heard").hidden = !crop;
  part("verdict").textContent = !crop
    ? "This crop is gone: its photo is to be forgotten."
    : crop.thinks
      ? `The champion thinks ${crop.thinks} (${share(crop.probability)}), it is labelled ${label}.`
      : `It is labelled ${label}.`;
  if (!crop) return;
  part("of-split").textContent = crop.split;
  part("of-photo").textContent = `${crop.photo.slice(0, 12)}, at ${crop.box[0]},${crop.box[1]}`;
  part("of-page").replaceChildren(link(crop.page_url));
  part("of-creator").textContent = crop.creator ?? "unknown";
  part("of-licence").textContent = crop.licence ?? "unknown";
  const heard = crop.said.map((one) => element("li", `${one.label ?? none}${bywhom(one)}`));
  part("heard").replaceChildren(...heard);
}

/** By whom something was said, and when. */
export function bywhom({ who, at }) {
  const when = new Date(at).toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
  return `${who ? ` by ${who}` : ""}, ${when}`;
}

function link(address) {
  // Other people's text: nothing but the web is linked to.
  if (!/^https?:\/\//.test(address)) return element("span", address ?? "unknown");
  const made = element("a", address);
  made.href = address;
  made.target = "_blank";
  made.rel = "noopener noreferrer";
  return made;
}
