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

export function newCard(picture) {
  const item = element("li");
  item.setAttribute("role", "option");
  item.tabIndex = -1;
  const image = element("img");
  image.alt = "";
  image.loading = "lazy";
  image.decoding = "async";
  image.src = `${picture}?small`;
  item.append(image, element("div", undefined, "text"));
  return item;
}

/** Say on a card what the crop is; `wait` is what was said and is not kept yet. */
export function drawCard(item, crop, name, wait, retry) {
  const label = wait ? wait.label : now(crop);
  const lines = [element("span", undefined, "label")];
  if (label !== crop.label) lines[0].append(element("s", crop.label), " → ");
  lines[0].append(label ?? none);
  if (crop.thinks && crop.thinks === label) {
    lines.push(element("span", `champion agrees, ${share(crop.probability)}`, "thinks"));
  } else if (crop.thinks) {
    const thinks = `champion: ${crop.thinks}, ${share(crop.probability)}`;
    lines.push(element("span", thinks, "differs"));
  }
  if (wait?.error) {
    const again = element("button", "try again");
    again.tabIndex = -1;
    again.addEventListener("click", (event) => {
      event.stopPropagation();
      retry();
    });
    lines.push(element("span", `not kept: ${wait.error}`, "failed"), again);
  } else if (wait) {
    lines.push(element("span", "keeping …", "thinks"));
  } else if (crop.said.length) {
    lines.push(element("span", crop.said.at(-1).who ?? "reviewed", "heard"));
  }
  item.lastElementChild.replaceChildren(...lines);
  item.classList.toggle("out", label === null);
  item.setAttribute("aria-label", `${name}: ${lines.map((line) => line.textContent).join(", ")}`);
}

/** Say all that is known of a crop. */
export function drawDetail(detail, crop, picture) {
  const part = (name) => detail.querySelector(`#${name}`);
  const label = now(crop) ?? none;
  if (part("large").getAttribute("src") !== picture) part("large").src = picture;
  part("large").alt = `The crop, labelled ${label}`;
  part("verdict").textContent = crop.thinks
    ? `The champion thinks ${crop.thinks} (${share(crop.probability)}), it is labelled ${label}.`
    : `It is labelled ${label}.`;
  part("of-split").textContent = crop.split;
  part("of-photo").textContent = `${crop.photo.slice(0, 12)}, at ${crop.box[0]},${crop.box[1]}`;
  part("of-page").replaceChildren(link(crop.page_url));
  part("of-creator").textContent = crop.creator ?? "unknown";
  part("of-licence").textContent = crop.licence ?? "unknown";
  const heard = crop.said.map(({ label: said, who, at }) => {
    const by = who ? ` by ${who}` : "";
    return element("li", `${said ?? none}${by}, ${new Date(at).toLocaleString()}`);
  });
  part("history").replaceChildren(...heard);
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
